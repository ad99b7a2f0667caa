using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

public class OpenAiAutoencoderTests
{
    /// <summary>Values of the reference software; tolerances from golden/README.md.</summary>
    [Theory]
    [InlineData("openai-topk", SaeActivationKind.TopK, 6, true)]
    [InlineData("openai-topk-half", SaeActivationKind.TopK, 6, true)]
    [InlineData("openai-topk-identity", SaeActivationKind.TopKIdentity, 6, true)]
    [InlineData("openai-topk-legacy", SaeActivationKind.TopK, 7, true)]
    [InlineData("openai-topk-strided-cuda", SaeActivationKind.TopK, 8, true)]
    [InlineData("openai-relu", SaeActivationKind.Relu, 0, false)]
    [InlineData("openai-relu-noname", SaeActivationKind.Relu, 0, false)]
    public void Published_files_give_the_values_of_the_reference(
        string name, SaeActivationKind kind, int k, bool normalises)
    {
        using SparseAutoencoder sae = OpenAiAutoencoder.Load(TestFiles.Golden($"sae-formats/{name}"));
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        Assert.Equal((32, 96), (sae.DIn, sae.DSae));
        Assert.Equal(new SaeActivation(kind, k), sae.Activation);
        Assert.Equal(normalises, sae.Normalises);

        float[] x = golden["x"].ToFloats();
        int rows = x.Length / sae.DIn;
        var preActivations = new float[rows * sae.DSae];
        var scales = new InputScale[rows];
        sae.PreActivations(x, rows, preActivations, scales);
        Close.To(golden[name + ".pre_act"].ToFloats(), preActivations, 5e-5, "pre_act");

        var latents = new SparseLatents();
        var dense = new float[preActivations.Length];
        var reconstruction = new float[x.Length];
        for (int row = 0; row < rows; row++)
        {
            sae.Activate(preActivations.AsSpan(row * sae.DSae, sae.DSae), latents);
            latents.CopyTo(dense.AsSpan(row * sae.DSae, sae.DSae));
            sae.Decode(latents, scales[row], reconstruction.AsSpan(row * sae.DIn, sae.DIn));
        }

        Close.To(golden[name + ".latents"].ToFloats(), dense, 5e-5, "latents");
        Close.To(golden[name + ".recon"].ToFloats(), reconstruction, 5e-5, "recon");
    }

    [Theory]
    [InlineData(SaeActivationKind.Relu, "ReLU")]
    [InlineData(SaeActivationKind.TopK, "TopK(7)")]
    [InlineData(SaeActivationKind.TopKIdentity, "TopK(7, identity)")]
    public void An_activation_prints_what_it_is(SaeActivationKind kind, string expected)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(kind);
        Assert.Equal(expected, sae.Activation.ToString());
    }

    [Theory]
    [InlineData("encoder.weight", "'DIR/autoencoder.safetensors': no tensor encoder.weight; the file has ")]
    [InlineData("decoder.weight", "'DIR/autoencoder.safetensors': no tensor decoder.weight; the file has ")]
    [InlineData("pre_bias", "'DIR/autoencoder.safetensors': no tensor pre_bias; the file has ")]
    [InlineData("latent_bias", "'DIR/autoencoder.safetensors': no tensor latent_bias; the file has ")]
    public void A_missing_tensor_is_refused(string name, string message)
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK);
        tiny.Tensors.Remove(name);
        Assert.StartsWith(message, tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData(
        "encoder.weight",
        "'DIR/autoencoder.safetensors': tensor encoder.weight is [6], expected [latents, width of the input]")]
    [InlineData("decoder.weight", "'DIR/autoencoder.safetensors': tensor decoder.weight is [6], expected [40, 90]")]
    [InlineData("pre_bias", "'DIR/autoencoder.safetensors': tensor pre_bias is [6], expected [40]")]
    [InlineData("latent_bias", "'DIR/autoencoder.safetensors': tensor latent_bias is [6], expected [90]")]
    public void A_tensor_of_another_shape_is_refused(string name, string message)
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK);
        tiny.Tensors[name] = ([6], new float[6]);
        Assert.Equal(message, tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData("encoder.weight")]
    [InlineData("decoder.weight")]
    [InlineData("pre_bias")]
    [InlineData("latent_bias")]
    public void A_weight_that_is_not_finite_is_refused_with_its_place(string name)
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.Relu);
        tiny.Tensors[name].Values[35] = float.NaN;
        Assert.Equal(
            $"'DIR/autoencoder.safetensors': tensor {name} holds NaN at element 35, expected finite numbers",
            tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData(
        null,
        "'DIR/autoencoder.safetensors': activation is TopK, but activation_state_dict has no whole number k")]
    [InlineData(
        0L,
        "'DIR/autoencoder.safetensors': activation_state_dict.k is 0, expected 1 to 90, the number of latents")]
    [InlineData(
        -1L,
        "'DIR/autoencoder.safetensors': activation_state_dict.k is -1, expected 1 to 90, the number of latents")]
    [InlineData(
        91L,
        "'DIR/autoencoder.safetensors': activation_state_dict.k is 91, expected 1 to 90, the number of latents")]
    public void A_k_that_is_missing_or_out_of_range_is_refused(long? k, string message)
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK) { Count = k };
        Assert.Equal(message, tiny.Refusal<InvalidDataException>());
    }

    [Theory]
    [InlineData(
        "activation", "JumpReLU",
        "'DIR/autoencoder.safetensors': activation is 'JumpReLU'; supported: TopK, ReLU")]
    [InlineData("activation", "a\nb", "'DIR/autoencoder.safetensors': activation is 'a?b'; supported: TopK, ReLU")]
    [InlineData(
        "activation_state_dict.postact_fn", "Softplus",
        "'DIR/autoencoder.safetensors': activation_state_dict.postact_fn is 'Softplus'; supported: ReLU, Identity")]
    public void An_activation_that_is_not_supported_is_refused(string name, string value, string message)
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK);
        tiny.Values[name] = value;
        Assert.Equal(message, tiny.Refusal<NotSupportedException>());
    }

    [Fact]
    public void A_folder_must_hold_one_checkpoint()
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.Relu);
        string Refusal() => Assert.Throws<InvalidDataException>(() => OpenAiAutoencoder.Load(tiny.Path))
            .Message.Replace(tiny.Path, "DIR", StringComparison.Ordinal);

        Assert.Equal("'DIR': 0 files end in .pt or .safetensors, expected one; name the file", Refusal());
        tiny.Write("a.safetensors");
        tiny.Write("b.safetensors");
        Assert.Equal("'DIR': 2 files end in .pt or .safetensors, expected one; name the file", Refusal());
        using SparseAutoencoder named = OpenAiAutoencoder.Load(Path.Combine(tiny.Path, "b.safetensors"));
        Assert.Equal("b.safetensors", Path.GetFileName(named.Path));
    }
}
