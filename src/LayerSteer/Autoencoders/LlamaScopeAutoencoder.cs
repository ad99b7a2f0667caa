using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Opens the autoencoders of Llama Scope (He et al. 2024, arXiv 2410.20526; OpenMOSS/Language-Model-SAEs):
/// <code>
/// encoder.weight [dSae, dIn], encoder.bias [dSae], decoder.weight [dIn, dSae], decoder.bias [dIn]
/// hyperparams.json with checkpoints/final.safetensors, or
/// config.json with sae_weights.safetensors, where log_jumprelu_threshold [dSae] is a tensor too
/// </code>
/// Used on inputs as the model has them, as the release's own code does:
/// <code>
/// s = √dIn / mean ‖x‖ of the dataset:   b_enc ← b_enc / s, b_dec ← b_dec / s
/// n_j = ‖column j of the decoder‖, where sparsity includes it:   rows of the encoder and b_enc times n, columns over n
/// z = JumpReLU(W_enc x + b_enc) with the threshold as stored
/// </code>
/// SAELens' latents of these are s times as large; the reconstruction is the same.
/// </summary>
internal static class LlamaScopeAutoencoder
{
    /// <summary>The configuration of the first release.</summary>
    public const string HyperparametersName = "hyperparams.json";

    /// <summary>The weights of the first release.</summary>
    public const string CheckpointName = "checkpoints/final.safetensors";

    /// <summary>The configuration of later releases.</summary>
    public const string ConfigName = "config.json";

    /// <summary>The weights of later releases.</summary>
    public const string WeightsName = "sae_weights.safetensors";

    private const string Logs = "log_jumprelu_threshold";
    private const string NormField = "dataset_average_activation_norm";

    /// <summary>Opens the files of a folder.</summary>
    public static AutoencoderFile Read(SaeFiles files)
    {
        using ConfigFile config = ConfigFile.Read(files.ConfigPath!);
        config.RefuseRepeated();
        HookPoint? point = RefuseOthers(config);
        int dIn = config.Size("d_model");
        int dSae = Latents(config, dIn);
        StoredTensor encoder = files.Matrix("encoder.weight", isColumns: false, dIn, dSae);
        StoredTensor decoder = files.Matrix("decoder.weight", isColumns: true, dIn, dSae);
        string norms = $"{NormField}.{point}";
        files.RefuseOthers(
            SaeFormats.NameOf(SaeFormat.LlamaScope),
            "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", Logs, norms);
        double norm = AverageNorm(config, point, files.Has(norms) ? files.Scalar(norms) : null);
        double s = norm > 0 ? Math.Sqrt(dIn) / norm : 1;
        bool hasBias = config.Flag("use_decoder_bias", true);
        SaeActivationKind kind = Activation(config, files.Has(Logs), out double threshold);
        float[] encoderBias = Divided(files, "encoder.bias", dSae, s);
        float[] decoderBias = hasBias ? Divided(files, "decoder.bias", dIn, s) : new float[dIn];
        float[] thresholds = kind != SaeActivationKind.JumpRelu ? []
            : files.Has(Logs) ? SaeLensAutoencoder.Exponentials(files, Logs, dSae)
            : [.. Enumerable.Repeat((float)threshold, dSae)];
        return new AutoencoderFile(files, SaeFormat.LlamaScope)
        {
            Config = new AutoencoderConfig
            {
                DIn = dIn,
                DSae = dSae,
                Kind = kind,
                K = kind == SaeActivationKind.TopK ? config.K(dSae, "top_k") : 0,
                TakesOffBias = hasBias && config.Flag("apply_decoder_bias_to_pre_encoder", true),
                HookPoint = point,
                PrependBos = true,
            },
            BringsDecoderToNorm1 = config.Flag("sparsity_include_decoder_norm", true),
            Encoder = new StoredMatrix(encoder, isColumns: false),
            Decoder = new StoredMatrix(decoder, isColumns: true),
            EncoderBias = encoderBias,
            DecoderBias = decoderBias,
            Thresholds = thresholds,
        };
    }

    /// <summary>Refuses what is no autoencoder of one place; its hook point.</summary>
    private static HookPoint? RefuseOthers(ConfigFile config)
    {
        config.OneOf("sae_type", ["sae"], "sae");
        config.RefuseFlag("use_glu_encoder");
        string? from = config.OptionalString("hook_point_in");
        string? to = config.OptionalString("hook_point_out");
        if (from is not null && to is not null && from != to)
        {
            throw new NotSupportedException(
                $"'{config.Path}': from hook_point_in '{Display.Name(from)}' to hook_point_out '{Display.Name(to)}', a "
                + $"transcoder, {ConfigChecks.ReadsAndWrites}");
        }

        return config.Hook("hook_point_in");
    }

    /// <summary>The mean norm of inputs that it was trained at; 0 where its weights are for raw inputs already.</summary>
    private static double AverageNorm(ConfigFile config, HookPoint? point, float? stored)
    {
        string kind = config.OneOf("norm_activation", ["dataset-wise", "inference", "none"], "dataset-wise");
        if (kind != "dataset-wise")
        {
            return 0;
        }

        if (stored is { } one)
        {
            return one > 0f
                ? one
                : throw new InvalidDataException(
                    $"'{config.Path}': tensor {NormField}.{point} is {one}, expected a number above 0");
        }

        using ConfigFile? norms = config.Section(NormField);
        string name = point is { } known && norms?.Has(known.ToString()) == true ? known.ToString() : "in";
        if (norms is null || !norms.Has(name))
        {
            throw new InvalidDataException(
                $"'{config.Path}': norm_activation is 'dataset-wise', but {NormField} is {config.Raw(NormField)}; "
                + "expected {\"in\": the mean norm of inputs}");
        }

        double norm = norms.Positive(name);
        double other = norms.Has("out") && name == "in" ? norms.Positive("out") : norm;
        return norm == other
            ? norm
            : throw new NotSupportedException(
                $"'{config.Path}': {NormField} is {norms.Raw("in")} in and {norms.Raw("out")} out; supported: the same, "
                + "for one place is read and written");
    }

    private static SaeActivationKind Activation(ConfigFile config, bool hasThresholds, out double threshold)
    {
        const string Field = "jump_relu_threshold";
        string function = config.OneOf("act_fn", ["relu", "jumprelu", "topk"], "relu");
        threshold = config.OptionalNumber(Field) ?? 0;
        return function switch
        {
            // A threshold turns TopK into JumpReLU, as the release's code does on loading.
            "topk" when threshold > 0 => SaeActivationKind.JumpRelu,
            "topk" => SaeActivationKind.TopK,
            "relu" => SaeActivationKind.Relu,
            _ when hasThresholds || (config.Has(Field) && threshold >= 0) => SaeActivationKind.JumpRelu,
            _ => throw new InvalidDataException(
                $"'{config.Path}': act_fn is 'jumprelu', but {Field} is {config.Raw(Field)} and there is no tensor "
                + $"{Logs}; expected a threshold from 0 on"),
        };
    }

    private static int Latents(ConfigFile config, int dIn)
    {
        if (config.OptionalSize("d_sae") is { } latents)
        {
            return latents;
        }

        double product = dIn * config.Positive("expansion_factor");
        return product is >= 1 and <= StoredMatrix.LargestDimension && product == Math.Floor(product)
            ? (int)product
            : throw new InvalidDataException(
                $"'{config.Path}': expansion_factor is {config.Raw("expansion_factor")}, expected one that gives 1 to "
                + $"{StoredMatrix.LargestDimension} latents");
    }

    private static float[] Divided(SaeFiles files, string name, int length, double divisor)
    {
        float[] divided = [.. files.Vector(name, length).Select(value => (float)(value / divisor))];
        return Array.TrueForAll(divided, float.IsFinite)
            ? divided
            : throw new InvalidDataException(
                $"'{files.Path}': tensor {name} divided by √d_in over the mean norm, {divisor}, is not finite in float32");
    }
}
