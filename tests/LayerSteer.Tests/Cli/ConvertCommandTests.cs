using System.Text.Json;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Steering;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class ConvertCommandTests : IDisposable
{
    private readonly GoldenCase _golden = GoldenCase.Open("gpt2-topk");
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _golden.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task An_autoencoder_becomes_a_folder_or_a_file()
    {
        string folder = _folder.File("folder");
        JsonElement json = (await CliRun.Done("convert", "--sae", _golden.Sae, "--out", folder, "--json")).Json;
        Assert.Equal(("TopK", 64), (json.GetProperty("activation").GetString(), json.GetProperty("d_in").GetInt32()));
        using SparseAutoencoder loaded = SparseAutoencoder.Load(folder);
        Assert.Equal(SaeFormat.SaeLens, loaded.Format);
        string file = _folder.File("one.safetensors");
        await CliRun.Done("convert", "--sae", folder, "--out", file, "--save-dtype", "bf16");
        using TensorFile written = TensorFile.Open(file);
        Assert.Equal(TensorType.BF16, written["W_enc"].Type);
    }

    [Fact]
    public async Task Any_tensors_become_safetensors()
    {
        string file = _folder.File("t.safetensors");
        JsonElement json = (await CliRun.Done("convert", "--tensors", _golden.Sae, "--out", file, "--json")).Json;
        using TensorFile source = TensorFile.Open(_golden.Sae);
        Assert.Equal(source.Tensors.Count, json.GetProperty("tensors").GetInt32());
        using TensorFile written = TensorFile.Open(file);
        Assert.Equal(source["decoder.weight"].ToFloats(), written["decoder.weight"].ToFloats());
    }

    [Fact]
    public async Task Scores_become_a_control_vector()
    {
        string gguf = _folder.File("v.gguf");
        JsonElement json = (await CliRun.Done(
            "convert", "--sae", _golden.Sae, "--scores", _golden.Scores, "--layer", "2", "--gguf", gguf, "--norm", "3",
            "--model-hint", "gpt2", "--json")).Json;
        Assert.Equal("direction.2", json.GetProperty("tensor").GetString());
        Assert.Equal(3, json.GetProperty("norm").GetDouble(), 1e-5);
        Assert.Equal(64, ControlVectorTests.Read(gguf).Tensors["direction.2"].Length);
    }

    [Fact]
    public async Task A_topic_becomes_a_control_vector_of_its_own_autoencoder_only()
    {
        string index = _folder.File("index");
        string topic = _folder.File("topic.json");
        await CliRun.Done(_golden.Index(index, "corrected"));
        await CliRun.Done([.. _golden.Topic(index), "--out", topic]);
        string gguf = _folder.File("v.gguf");
        await CliRun.Done(
            "convert", "--sae", _golden.Sae, "--topic", topic, "--gguf", gguf, "--model-hint", "gpt2");
        Assert.True(File.Exists(gguf));
        int latents = _golden.Json.GetProperty("case").GetProperty("n_latents").GetInt32();
        string other = _folder.Write("other.pt", HostileFiles.Sae(latents, 64));
        Assert.Contains(
            "was made with autoencoder digest",
            await CliRun.Refused(
                2, "convert", "--sae", other, "--topic", topic, "--gguf", gguf, "--model-hint", "gpt2"),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("swap", "method swap selects latents by what each token's input is")]
    [InlineData("weight", "method weight selects latents by what each token's input is")]
    [InlineData("sae", "method sae replaces each token's input by a reconstruction of it")]
    [InlineData("orig", "method orig adds nothing, so there is no vector to write")]
    public async Task What_is_no_vector_is_refused_with_the_reason(string method, string message) => Assert.StartsWith(
        message,
        await CliRun.Refused(
            2, "convert", "--sae", _golden.Sae, "--scores", _golden.Scores, "--layer", "2", "--gguf",
            _folder.File("v.gguf"), "--method", method, "--model-hint", "gpt2"),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("give --sae or --tensors, with --out; or --sae with --gguf", "--sae", "x")]
    [InlineData("--norm goes with --gguf only", "--sae", "x", "--out", "y", "--norm", "2")]
    [InlineData("--gguf needs --sae, and goes with neither --tensors nor --out", "--gguf", "x.gguf")]
    [InlineData(
        "--out is 'x.npz', expected a name that ends in .safetensors, for --tensors", "--tensors", "x", "--out", "x.npz")]
    public async Task Options_that_contradict_each_other_are_refused(string message, params string[] args) =>
        Assert.Equal(message, await CliRun.Refused(1, ["convert", .. args]));
}
