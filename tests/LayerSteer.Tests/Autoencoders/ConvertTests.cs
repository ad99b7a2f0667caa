using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using Xunit;
using static LayerSteer.Tests.Autoencoders.SaeFolder;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>What is written in SAELens' layout is what was loaded, to the bit.</summary>
public sealed class ConvertTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<string> Expressible =>
    [
        "gemma-scope", "openai-relu", "openai-topk", "openai-topk-half", "openai-topk-legacy", "openai-topk-strided-cuda",
        "saelens5-topk", "saelens5-jumprelu", "saelens6-standard-layernorm", "saelens6-standard-nobdec",
        "saelens6-standard-normrescale", "saelens6-topk-rescale",
    ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Expressible))]
    public void Both_layouts_of_a_reference_file_give_the_same_bits(string name)
    {
        string source = TestFiles.Golden($"sae-formats/{name}");
        AssertRoundTrips(source, TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz")));
    }

    [Fact]
    public void A_gated_one_stays_gated()
    {
        using SaeFolder sae = new SaeFolder().With("W_enc", 0.5f, DIn, DSae).With("W_dec", 0.4f, DSae, DIn)
            .With("b_dec", 0.3f, DIn).With("b_gate", 0.5f, DSae).With("b_mag", 0.5f, DSae).With("r_mag", 0.7f, DSae)
            .Saying("cfg.json", $"{{\"architecture\": \"gated\", \"d_in\": {DIn}, \"d_sae\": {DSae}}}")
            .Write("sae_weights.safetensors");
        AssertRoundTrips(sae.Path);
        using TensorFile written = TensorFile.Open(_folder.File("folder/sae_weights.safetensors"));
        Assert.Equal(
            ["W_dec", "W_enc", "b_dec", "b_gate", "b_mag", "r_mag"], written.Tensors.Keys.Order(StringComparer.Ordinal));
        string cfg = File.ReadAllText(_folder.File("folder/cfg.json"));
        Assert.Contains("\"architecture\": \"gated\"", cfg, StringComparison.Ordinal);
    }

    [Fact]
    public void What_folds_into_weights_is_folded()
    {
        using SaeFolder sae = new SaeFolder().With("encoder.weight", 0.5f, DSae, DIn).With("encoder.bias", 0.8f, DSae)
            .With("decoder.weight", 0.6f, DIn, DSae).With("decoder.bias", 0.5f, DIn).Saying(
                "hyperparams.json",
                $"{{\"d_model\": {DIn}, \"d_sae\": {DSae}, \"act_fn\": \"jumprelu\", \"jump_relu_threshold\": 0.5, "
                + "\"dataset_average_activation_norm\": {\"in\": 7.5}, \"hook_point_in\": \"blocks.3.attn.hook_z\"}")
            .Write("checkpoints/final.safetensors");
        AssertRoundTrips(sae.Path);
        string cfg = File.ReadAllText(_folder.File("folder/cfg.json"));
        Assert.Contains("\"architecture\": \"jumprelu\"", cfg, StringComparison.Ordinal);
        Assert.Contains("\"reshape_activations\": \"hook_z\"", cfg, StringComparison.Ordinal);
        Assert.Contains("\"sae_lens_version\": \"6.18.0\"", cfg, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_layout_cannot_say_is_refused_and_nothing_is_written()
    {
        string source = TestFiles.Golden("sae-formats/openai-topk-identity");
        string target = _folder.File("folder");
        Assert.Equal(
            $"'{Path.Combine(source, "autoencoder.pt")}': SAELens' layout has no TopK(identity): its topk sets latents below "
            + "0 to 0, this autoencoder keeps them",
            Assert.Throws<NotSupportedException>(() => AutoencoderWriter.Convert(source, target)).Message);
        using SaeFolder groups = new SaeFolder().With("encoder.weight", 0.5f, DSae, DIn).With("encoder.bias", 0.3f, DSae)
            .With("W_dec", 0.4f, DSae, DIn).With("b_dec", 0.3f, DIn)
            .Saying("cfg.json", $"{{\"d_in\": {DIn}, \"num_latents\": {DSae}, \"k\": 5, \"activation\": \"groupmax\"}}")
            .Write("sae.safetensors");
        Assert.Equal(
            $"'{Path.Combine(groups.Path, "sae.safetensors")}': SAELens' layout has no GroupMax; it has standard, topk, "
            + "jumprelu and gated",
            Assert.Throws<NotSupportedException>(() => AutoencoderWriter.Convert(groups.Path, target)).Message);
        Assert.False(Directory.Exists(target));
    }

    [Fact]
    public void Tensors_of_any_type_keep_their_bits()
    {
        string source = TestFiles.Golden("sae-formats/openai-topk-half/autoencoder.pt");
        string target = _folder.File("tensors.safetensors");
        int count = TensorConversion.ToSafetensors(source, target);
        using TensorFile before = TensorFile.Open(source);
        using TensorFile after = TensorFile.Open(target);
        Assert.Equal(before.Tensors.Count, count);
        Assert.Equal("TopK", after.Values["activation"]);
        foreach ((string name, StoredTensor tensor) in before.Tensors)
        {
            Assert.Equal(tensor.Type, after[name].Type);
            Assert.Equal(tensor.Shape, after[name].Shape);
            byte[] expected = new byte[tensor.Length * tensor.Type.Size()];
            byte[] actual = new byte[expected.Length];
            tensor.ReadBytes(0, expected);
            after[name].ReadBytes(0, actual);
            Assert.Equal(expected, actual);
        }

        // The strings beside the tensors are kept too, so it still is an autoencoder.
        using SparseAutoencoder sae = SparseAutoencoder.Load(target);
        Assert.Equal("TopK(6)", sae.Activation.ToString());
    }

    private void AssertRoundTrips(string source, TensorFile? golden = null)
    {
        string folder = _folder.File("folder");
        string file = _folder.File("file.safetensors");
        AutoencoderWriter.Convert(source, folder);
        AutoencoderWriter.Convert(source, file);
        using SparseAutoencoder original = SparseAutoencoder.Load(source);
        using SparseAutoencoder fromFolder = SparseAutoencoder.Load(folder);
        using SparseAutoencoder fromFile = SparseAutoencoder.Load(file);
        Assert.Equal(original.Config, fromFolder.Config);
        Assert.Equal((SaeFormat.SaeLens, SaeFormat.LayerSteer), (fromFolder.Format, fromFile.Format));
        float[] x = golden?["x"].ToFloats() ?? RandomFloats.Of(5, 6 * original.DIn, 3f);
        golden?.Dispose();
        using TensorFile expected = PlainSae.Apply(original, x, _folder);
        foreach (SparseAutoencoder written in new[] { fromFolder, fromFile })
        {
            using TensorFile actual = PlainSae.Apply(written, x, _folder);
            foreach (string name in new[] { "pre_act", "latents", "recon" })
            {
                Bits.Same(expected[name].ToFloats(), actual[name].ToFloats(), name);
            }
        }
    }
}
