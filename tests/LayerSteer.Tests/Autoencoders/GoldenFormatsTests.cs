using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>Every file of golden/sae-formats, against the values of the reference software.</summary>
public sealed class GoldenFormatsTests : IDisposable
{
    /// <summary>golden/README.md: "5e-5 for pre-activations, latents and reconstructions".</summary>
    private const double Tolerance = 5e-5;

    private readonly TempFolder _folder = new();

    /// <summary>All folders there are, so that none is left out; one where there are none, which then is skipped.</summary>
    public static TheoryData<string> Folders
    {
        get
        {
            string folder = Path.Combine(TestFiles.Shared ?? string.Empty, "golden", "sae-formats");
            return Directory.Exists(folder)
                ? [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)!)
                    .Order(StringComparer.Ordinal)]
                : ["gemma-scope"];
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Folders))]
    public void Each_gives_the_values_of_the_reference(string name)
    {
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        using SparseAutoencoder sae = SparseAutoencoder.Load(TestFiles.Golden($"sae-formats/{name}"));
        string path = Apply(sae, golden["x"]);
        using TensorFile applied = TensorFile.Open(path);
        foreach (string array in new[] { "pre_act", "latents", "recon" })
        {
            StoredTensor expected = golden[$"{name}.{array}"];
            Assert.Equal(expected.Shape, applied[array].Shape);
            Close.To(expected.ToFloats(), applied[array].ToFloats(), Tolerance, array);
        }

        // Which latents are kept must be the reference's, not only nearly.
        Assert.Equal(
            golden[name + ".latents"].ToFloats().Select(value => value != 0),
            applied["latents"].ToFloats().Select(value => value != 0));
    }

    [Theory]
    [InlineData("gemma-scope", SaeFormat.GemmaScope, "JumpReLU", InputNormalisation.None)]
    [InlineData("openai-relu-noname", SaeFormat.OpenAi, "ReLU", InputNormalisation.None)]
    [InlineData("openai-topk-strided-cuda", SaeFormat.OpenAi, "TopK(8)", InputNormalisation.LayerNorm)]
    [InlineData("saelens5-topk", SaeFormat.SaeLens, "TopK(7)", InputNormalisation.None)]
    [InlineData("saelens6-standard-normrescale", SaeFormat.SaeLens, "ReLU", InputNormalisation.ConstantNorm)]
    [InlineData("saelens6-standard-layernorm", SaeFormat.SaeLens, "ReLU", InputNormalisation.LayerNorm)]
    public void Each_says_what_it_is(
        string name, SaeFormat format, string activation, InputNormalisation normalisation)
    {
        using SparseAutoencoder sae = SparseAutoencoder.Load(TestFiles.Golden($"sae-formats/{name}"));
        Assert.Equal(
            (format, activation, normalisation), (sae.Format, sae.Activation.ToString(), sae.Normalisation));
    }

    [Fact]
    public void Gemma_scope_at_its_model_gives_the_values_of_the_reference()
    {
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("gemma2-tiny/golden.npz"));
        using SparseAutoencoder sae = SparseAutoencoder.Load(TestFiles.Golden("gemma2-tiny/sae"));
        float[] resid = golden["s00.resid"].ToFloats();
        int tokens = (int)golden["s00.resid"].Shape[1];
        string inputs = _folder.File("x.npy.npz");
        using (var writer = new NpzWriter(inputs))
        {
            writer.Add<float>("x", [tokens, sae.DIn], resid.AsSpan(2 * tokens * sae.DIn, tokens * sae.DIn));
            writer.Complete();
        }

        using TensorFile x = TensorFile.Open(inputs);
        using TensorFile applied = TensorFile.Open(Apply(sae, x["x"]));
        Close.To(golden["s00.sae_pre"].ToFloats(), applied["pre_act"].ToFloats(), Tolerance, "pre_act");
        Close.To(golden["s00.sae_latents"].ToFloats(), applied["latents"].ToFloats(), Tolerance, "latents");
        Close.To(golden["s00.sae_recon"].ToFloats(), applied["recon"].ToFloats(), Tolerance, "recon");
    }

    private string Apply(SparseAutoencoder sae, StoredTensor x)
    {
        string path = _folder.File("applied.npz");
        using var writer = new NpzWriter(path);
        SaeApplication.Write(sae, x, writer, TestContext.Current.CancellationToken);
        writer.Complete();
        return path;
    }
}
