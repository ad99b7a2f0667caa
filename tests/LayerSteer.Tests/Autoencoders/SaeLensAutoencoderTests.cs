using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

public sealed class SaeLensAutoencoderTests : IDisposable
{
    private const int DIn = 40;
    private const int DSae = 90;

    private readonly TempFolder _folder = new();
    private readonly float[] _encoder = RandomFloats.Of(1, DSae * DIn, 0.5f);
    private readonly float[] _encoderBias = RandomFloats.Of(2, DSae, 0.2f);
    private readonly float[] _decoder = RandomFloats.Of(3, DSae * DIn, 0.3f);
    private readonly float[] _decoderBias = RandomFloats.Of(4, DIn, 0.2f);
    private readonly float[] _thresholds = [.. RandomFloats.Of(5, DSae, 4f).Select(MathF.Abs)];

    public void Dispose() => _folder.Dispose();

    /// <summary>Values of the reference software; tolerances from golden/README.md.</summary>
    [Theory]
    [InlineData("saelens5-standard", SaeActivationKind.Relu, 0, false)]
    [InlineData("saelens5-topk", SaeActivationKind.TopK, 7, false)]
    [InlineData("saelens5-jumprelu", SaeActivationKind.JumpRelu, 0, false)]
    [InlineData("saelens6-standard", SaeActivationKind.Relu, 0, false)]
    [InlineData("saelens6-standard-layernorm", SaeActivationKind.Relu, 0, true)]
    [InlineData("saelens6-standard-nobdec", SaeActivationKind.Relu, 0, false)]
    [InlineData("saelens6-topk", SaeActivationKind.TopK, 6, false)]
    [InlineData("saelens6-jumprelu", SaeActivationKind.JumpRelu, 0, false)]
    public void Published_folders_give_the_values_of_the_reference(
        string name, SaeActivationKind kind, int k, bool normalises)
    {
        using SparseAutoencoder sae = SparseAutoencoder.Load(TestFiles.Golden($"sae-formats/{name}"));
        using TensorFile golden = TensorFile.Open(TestFiles.Golden("sae-formats/golden.npz"));
        Assert.Equal((32, 96), (sae.DIn, sae.DSae));
        Assert.Equal((kind, k), (sae.Activation.Kind, sae.Activation.K));
        Assert.Equal(normalises, sae.Normalises);
        Assert.Equal(new HookPoint(HookKind.ResidualPre, 8), sae.HookPoint);
        Assert.Equal(("gpt2-small", true, 128), (sae.Config!.ModelName, sae.Config.PrependBos, sae.Config.ContextSize));

        float[] x = golden["x"].ToFloats();
        int rows = x.Length / sae.DIn;
        var preActivations = new float[rows * sae.DSae];
        sae.PreActivations(x, rows, preActivations, new InputScale[rows]);
        Close.To(golden[name + ".pre_act"].ToFloats(), preActivations, 5e-5, "pre_act");
        (float[] latents, float[] reconstruction) = Run(sae, x);
        Close.To(golden[name + ".latents"].ToFloats(), latents, 5e-5, "latents");
        Close.To(golden[name + ".recon"].ToFloats(), reconstruction, 5e-5, "recon");
    }

    [Theory]
    [InlineData(SaeActivationKind.Relu, true, true, TensorType.F32)]
    [InlineData(SaeActivationKind.TopK, true, true, TensorType.BF16)]
    [InlineData(SaeActivationKind.TopK, false, false, TensorType.F32)]
    [InlineData(SaeActivationKind.JumpRelu, true, false, TensorType.F32)]
    [InlineData(SaeActivationKind.JumpRelu, false, true, TensorType.BF16)]
    public void Both_layouts_give_back_what_was_written_and_the_same_latents(
        SaeActivationKind kind, bool normalises, bool takesOffBias, TensorType type)
    {
        AutoencoderConfig config = Config(kind) with
        {
            Normalisation = normalises ? InputNormalisation.LayerNorm : InputNormalisation.None,
            TakesOffBias = takesOffBias,
        };
        string folder = _folder.File("folder");
        string file = _folder.File("own.safetensors");
        var provenance = new Dictionary<string, string> { ["layersteer.note"] = "made by a test" };
        AutoencoderWriter.WriteFolder(folder, config, Tensors(kind), type, provenance);
        AutoencoderWriter.WriteFile(file, config, Tensors(kind), type, provenance);

        using SparseAutoencoder fromFolder = SparseAutoencoder.Load(folder);
        using SparseAutoencoder fromFile = SparseAutoencoder.Load(file);
        using SparseAutoencoder fromWeights = SparseAutoencoder.Load(Path.Combine(folder, "sae_weights.safetensors"));
        using TensorFile header = TensorFile.Open(file);

        Assert.Equal("made by a test", header.Values["layersteer.note"]);
        Assert.Equal(config, fromFolder.Config);
        Assert.Equal(config, fromFile.Config);
        Assert.Equal(config.HookPoint, SparseAutoencoder.ReadHookPoint(folder));
        Assert.Equal(config.HookPoint, SparseAutoencoder.ReadHookPoint(file));
        Assert.NotEqual(fromFolder.Digest, fromFile.Digest);
        float[] x = RandomFloats.Of(9, 6 * DIn, 3f);
        (float[] latents, float[] reconstruction) = Run(fromFolder, x);
        Bits.Same(latents, Run(fromFile, x).Latents, "latents");
        Bits.Same(reconstruction, Run(fromFile, x).Reconstruction, "reconstruction");
        Bits.Same(latents, Run(fromWeights, x).Latents, "latents of the weights' file");
        Assert.Contains(latents, value => value > 0f);
        if (type == TensorType.F32)
        {
            using SparseAutoencoder memory =
                SaeLensAutoencoder.Create("memory", config, Tensors(kind), WorkerPool.Shared);
            Bits.Same(latents, Run(memory, x).Latents, "latents in memory");
        }
    }

    [Fact]
    public void Jump_relu_keeps_what_is_above_its_own_threshold()
    {
        string file = _folder.File("own.safetensors");
        AutoencoderWriter.WriteFile(file, Config(SaeActivationKind.JumpRelu), Tensors(SaeActivationKind.JumpRelu));
        using SparseAutoencoder sae = SparseAutoencoder.Load(file);
        float[] x = RandomFloats.Of(9, DIn, 3f);
        float[] a = new float[DSae];
        sae.PreActivations(x, 1, a, new InputScale[1]);
        int[] expected =
            [.. Enumerable.Range(0, DSae).Where(latent => a[latent] > 0 && a[latent] > _thresholds[latent])];
        var latents = new SparseLatents();
        sae.Activate(a, latents);
        Assert.Equal(expected, latents.Indices.ToArray());
        Assert.True(expected.Length < a.Count(value => value > 0), "some thresholds must hold something back");
    }

    [Theory]
    [InlineData(
        "architecture",
        "\"temporal\"",
        "architecture is 'temporal' with relu; supported: standard, topk, jumprelu, gated, batchtopk, and matryoshka_ "
        + "before one of them")]
    [InlineData(
        "architecture",
        "\"jumprelu_skip_transcoder\"",
        "architecture is 'jumprelu_skip_transcoder', which reads one place and writes another; an autoencoder is needed to "
        + "steer one layer; supported: standard, topk, jumprelu, gated, batchtopk, and matryoshka_ before one of them")]
    [InlineData(
        "normalize_activations",
        "\"expected_average_only_in\"",
        "normalize_activations is 'expected_average_only_in', but norm_scaling_factor is nothing; expected a number above "
        + "0: √d_in over the mean norm of inputs; SAELens keeps it apart")]
    [InlineData(
        "normalize_activations",
        "true",
        "normalize_activations is 'expected_average_only_in', but norm_scaling_factor is nothing; expected a number above "
        + "0: √d_in over the mean norm of inputs; SAELens keeps it apart")]
    [InlineData(
        "normalize_activations",
        "\"constant_scalar_rescale\"",
        "normalize_activations is 'constant_scalar_rescale', but activation_normalization_factor is nothing; expected a "
        + "number above 0: what inputs are multiplied by")]
    [InlineData(
        "normalize_activations",
        "\"batch_norm\"",
        "normalize_activations is 'batch_norm'; supported: none, layer_norm, constant_norm_rescale, "
        + "expected_average_only_in, constant_scalar_rescale")]
    [InlineData(
        "reshape_activations",
        "\"hook_z\"",
        "reshape_activations is 'hook_z', but hook_name is blocks.1.hook_resid_post; supported: none, or hook_z at "
        + "attn.hook_z")]
    [InlineData(
        "dtype",
        "\"float8\"",
        "dtype is 'float8'; supported: float32, torch.float32, bfloat16, torch.bfloat16, float16, torch.float16, float64, "
        + "torch.float64")]
    [InlineData("noise_scale", "0.5", "noise_scale is 0.5; this field is not supported")]
    [InlineData("activation_fn", "\"tanh\"", "activation_fn is 'tanh'; supported: relu, topk")]
    public void A_setting_that_is_not_supported_is_refused_by_its_name(string field, string value, string message) =>
        Assert.Equal(
            $"'DIR/cfg.json': {message}",
            Refusal<NotSupportedException>(cfg => cfg[field] = JsonNode.Parse(value)));

    [Theory]
    [InlineData("hook_head_index", "3", "hook_head_index is 3; supported: null")]
    [InlineData(
        "model_from_pretrained_kwargs",
        "{\"fold_value_biases\": true}",
        "model_from_pretrained_kwargs has fold_value_biases; supported: center_writing_weights")]
    public void A_statement_of_the_metadata_that_changes_the_values_is_refused(
        string field, string value, string message) =>
        Assert.Equal(
            $"'DIR/cfg.json': {message}",
            Refusal<NotSupportedException>(cfg => cfg["metadata"]![field] = JsonNode.Parse(value)));

    [Fact]
    public void A_field_that_is_wrong_or_missing_is_refused_with_what_was_found()
    {
        Assert.Equal(
            "'DIR/cfg.json': d_in is nothing, expected a whole number",
            Refusal<InvalidDataException>(cfg => cfg.Remove("d_in")));
        Assert.Equal(
            "'DIR/cfg.json': k is 91, expected 1 to 90, the number of latents",
            Refusal<InvalidDataException>(cfg => cfg["k"] = 91));
        Assert.Equal(
            "'DIR/sae_weights.safetensors': finetuning_scaling_factor is true, but there is no tensor scaling_factor",
            Refusal<InvalidDataException>(cfg => cfg["finetuning_scaling_factor"] = true));
        Assert.Equal(
            "'DIR/sae_weights.safetensors': tensor W_enc is [40, 90], expected [41, 90]",
            Refusal<InvalidDataException>(cfg => cfg["d_in"] = 41));
        Assert.StartsWith(
            "'DIR/cfg.json': hook_name: no hook point 'blocks.2.hook_nowhere'; there are hook_embed,",
            Refusal<NotSupportedException>(cfg => cfg["metadata"]!["hook_name"] = "blocks.2.hook_nowhere"));
    }

    [Fact]
    public void A_tensor_that_the_architecture_does_not_use_is_refused()
    {
        string folder = _folder.File("folder");
        AutoencoderWriter.WriteFolder(folder, Config(SaeActivationKind.JumpRelu), Tensors(SaeActivationKind.JumpRelu));
        Rewrite(folder, cfg => cfg["architecture"] = "standard");
        Assert.Equal(
            $"'{Path.Combine(folder, "sae_weights.safetensors")}': tensor threshold is not supported; "
            + "architecture 'standard' has W_enc, W_dec, b_dec, b_enc, scaling_factor",
            Assert.Throws<NotSupportedException>(() => SparseAutoencoder.Load(folder)).Message);
    }

    [Fact]
    public void It_sits_only_where_it_was_trained()
    {
        string file = _folder.File("own.safetensors");
        AutoencoderWriter.WriteFile(file, Config(SaeActivationKind.TopK), Tensors(SaeActivationKind.TopK));
        using var model = new TinyModel();
        using Decoder decoder = model.Load();
        using SparseAutoencoder sae = SparseAutoencoder.Load(file);
        sae.RequireFits(decoder.Spec, HookPoint.ResidualPost(1));
        sae.RequireFits(decoder.Spec, new HookPoint(HookKind.ResidualPre, 2)); // the same place
        Assert.Equal(
            $"'{file}': the autoencoder was trained at blocks.1.hook_resid_post, not at blocks.2.hook_resid_post; "
            + "use it there",
            Assert.Throws<ArgumentException>(() => sae.RequireFits(decoder.Spec, HookPoint.ResidualPost(2))).Message);
    }

    private static AutoencoderConfig Config(SaeActivationKind kind) => new()
    {
        DIn = DIn,
        DSae = DSae,
        Kind = kind,
        K = kind == SaeActivationKind.TopK ? 7 : 0,
        HookPoint = HookPoint.ResidualPost(1),
        ModelName = "tiny",
        PrependBos = true,
        ContextSize = 48,
        DatasetPath = "texts",
    };

    private AutoencoderTensors Tensors(SaeActivationKind kind) => new()
    {
        Encoder = _encoder,
        EncoderBias = _encoderBias,
        Decoder = _decoder,
        DecoderBias = _decoderBias,
        Thresholds = kind == SaeActivationKind.JumpRelu ? _thresholds : [],
    };

    private static (float[] Latents, float[] Reconstruction) Run(SparseAutoencoder sae, float[] x)
    {
        int rows = x.Length / sae.DIn;
        EncodedRows encoded = sae.CreateRows(rows);
        sae.Encode(x, rows, encoded);
        var latents = new SparseLatents();
        float[] dense = new float[rows * sae.DSae];
        float[] reconstruction = new float[x.Length];
        for (int row = 0; row < rows; row++)
        {
            encoded.Activate(row, latents);
            latents.CopyTo(dense.AsSpan(row * sae.DSae, sae.DSae));
            sae.Decode(latents, encoded.Scales[row], reconstruction.AsSpan(row * sae.DIn, sae.DIn));
        }

        return (dense, reconstruction);
    }

    private string Refusal<TException>(Action<JsonObject> change) where TException : Exception
    {
        string folder = _folder.File("refused");
        AutoencoderWriter.WriteFolder(folder, Config(SaeActivationKind.TopK), Tensors(SaeActivationKind.TopK));
        Rewrite(folder, change);
        string message = Assert.Throws<TException>(() => SparseAutoencoder.Load(folder)).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(folder, "DIR", StringComparison.Ordinal);
    }

    private static void Rewrite(string folder, Action<JsonObject> change)
    {
        string path = Path.Combine(folder, "cfg.json");
        JsonObject cfg = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(cfg);
        File.WriteAllText(path, cfg.ToJsonString());
    }
}
