using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class SaeApplyCommandTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static string Sae(string name) => TestFiles.Golden($"sae-formats/{name}");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("saelens6-topk-rescale", "SAELens", "TopK(6)")]
    [InlineData("openai-topk-legacy/autoencoder.pt", "openai/sparse_autoencoder", "TopK(7)")]
    [InlineData("gemma-scope/params.npz", "Gemma Scope", "JumpReLU")]
    public async Task Arrays_are_those_of_the_reference(string name, string format, string activation)
    {
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        string output = _folder.File("out.npz");
        JsonElement json = (await CliRun.Done(
            "sae", "apply", "--sae", Sae(name), "--input", Npy("<f4", golden["x"].ToFloats()), "--out", output, "--json")).Json;
        using TensorFile written = TensorFile.Open(output);
        Assert.Equal(["pre_act", "latents", "recon"], written.Tensors.Keys);
        foreach (string array in written.Tensors.Keys)
        {
            Close.To(
                golden[$"{name.Split('/')[0]}.{array}"].ToFloats(), written[array].ToFloats(), 5e-5, array);
        }

        Assert.Equal(
            (format, activation, 12, 32, 96),
            (json.GetProperty("format").GetString(), json.GetProperty("activation").GetString(),
                json.GetProperty("rows").GetInt32(), json.GetProperty("d_in").GetInt32(),
                json.GetProperty("d_sae").GetInt32()));
        Assert.InRange(json.GetProperty("l0_mean").GetDouble(), 1, 96);
        Assert.True(json.GetProperty("fvu").GetDouble() > 0);
    }

    [Fact]
    public async Task One_row_and_wider_numbers_are_read_too()
    {
        float[] x = RandomFloats.Of(3, 64);
        string single = await Latents(Npy("<f4", x));
        string wide = await Latents(Npy("<f8", x));
        Assert.Equal(single, wide);
        string output = _folder.File("row.npz");
        string row = _folder.Write("row.npy", ZipBytes.NpyFloats("(32,)", x[..32]));
        CliRun run = await CliRun.Done("sae", "apply", "--sae", Sae("saelens6-standard"), "-i", row, "-o", output);
        Assert.StartsWith($"{output}: 1 rows, SAELens ReLU, 96 latents of width 32, L0 ", run.Out, StringComparison.Ordinal);
        Assert.EndsWith("FVU -\n", run.Out.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        using TensorFile written = TensorFile.Open(output);
        Assert.Equal([1, 96], written["latents"].Shape);
    }

    [Fact]
    public async Task What_does_not_fit_is_refused()
    {
        string sae = Sae("saelens6-standard");
        string output = _folder.File("out.npz");
        Task<string> Refused(string input) =>
            CliRun.Refused(2, "sae", "apply", "--sae", sae, "--input", input, "--out", output);

        string narrow = _folder.Write("narrow.npy", ZipBytes.NpyFloats("(2, 3)", 1, 2, 3, 4, 5, 6));
        string weights = Path.Combine(sae, "sae_weights.safetensors");
        Assert.Equal(
            $"'{narrow}': the array is [2, 3], expected [rows, 32] or [32]: the autoencoder '{weights}' has inputs of width 32",
            await Refused(narrow));
        string whole = _folder.Write(
            "whole.npy", ZipBytes.Npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 32), }", new byte[256]));
        Assert.Equal(
            $"'{whole}': tensor arr_0 is I64, expected F16, BF16, F32 or F64", await Refused(whole));
        string nan = Npy("<f4", [.. RandomFloats.Of(1, 63), float.NaN]);
        Assert.Equal($"'{nan}': tensor arr_0 holds NaN at element 63, expected finite numbers", await Refused(nan));
        string none = _folder.Write("none.npy", ZipBytes.NpyFloats("(0, 32)"));
        Assert.Equal($"'{none}': the array has no rows, expected at least one", await Refused(none));
        string two = Path.Combine(Sae("gemma-scope"), "params.npz");
        Assert.Equal($"'{two}': 5 arrays, expected one, as an .npy holds it", await Refused(two));
        Assert.False(File.Exists(output));
        Assert.Equal(
            "--out is 'x.csv', expected a name that ends in .npz or .safetensors",
            await CliRun.Refused(1, "sae", "apply", "--sae", sae, "--input", nan, "--out", "x.csv"));
    }

    [Fact]
    public async Task An_array_of_absurd_size_is_refused_with_the_rows_that_fit()
    {
        const int Wide = 1 << 18;
        using SaeFolder wide = new SaeFolder().With("W_enc", 1f, 1, Wide).With("W_dec", 1f, Wide, 1).With("b_dec", 1f, 1)
            .With("b_enc", 1f, Wide)
            .Saying("cfg.json", $"{{\"architecture\": \"standard\", \"d_in\": 1, \"d_sae\": {Wide}}}")
            .Write("sae_weights.safetensors");
        string input = _folder.Write("x.npy", ZipBytes.NpyFloats("(4097, 1)", new float[4097]));
        Assert.Equal(
            $"'{input}': 4097 rows of 262144 latents take 4.0 GiB of pre-activations and as many of latents; at most 4 GiB each "
            + "are written, which is 4096 rows",
            await CliRun.Refused(
                2, "sae", "apply", "--sae", wide.Path, "--input", input, "--out", _folder.File("o.npz")));
    }

    private async Task<string> Latents(string input)
    {
        string output = _folder.File($"{Guid.NewGuid():N}.npz");
        await CliRun.Done("sae", "apply", "--sae", Sae("saelens6-topk"), "--input", input, "--out", output);
        using TensorFile written = TensorFile.Open(output);
        return string.Join(' ', written["latents"].ToFloats());
    }

    /// <summary>[n, 32] of a type.</summary>
    private string Npy(string type, float[] x) => _folder.Write(
        $"{Guid.NewGuid():N}.npy",
        ZipBytes.Npy(
            $"{{'descr': '{type}', 'fortran_order': False, 'shape': ({x.Length / 32}, 32), }}",
            type == "<f8" ? [.. x.SelectMany(value => BitConverter.GetBytes((double)value))] : TempFolder.Floats(x)));
}
