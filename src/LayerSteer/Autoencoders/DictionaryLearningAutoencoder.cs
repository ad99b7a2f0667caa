using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Opens the autoencoders of saprmarks/dictionary_learning: a folder with <c>config.json</c>, whose trainer.dict_class
/// says what <c>ae.pt</c> holds:
/// <code>
/// AutoEncoder              encoder.weight, encoder.bias, decoder.weight, bias              ReLU, decoder to norm 1
/// AutoEncoderNew           encoder.weight, encoder.bias, decoder.weight, decoder.bias      ReLU, no bias taken off
/// GatedAutoEncoder         encoder.weight, gate_bias, r_mag, mag_bias, decoder.weight, decoder_bias
/// AutoEncoderTopK          encoder.weight, encoder.bias, decoder.weight, b_dec, k          TopK, no threshold used
/// BatchTopKSAE             the same with threshold (one number)                            JumpReLU
/// MatryoshkaBatchTopKSAE   W_enc, b_enc, W_dec, b_dec, k, threshold, group_sizes           JumpReLU
/// JumpReluAutoEncoder      W_enc, b_enc, W_dec, b_dec, threshold [dSae]                    no bias taken off
/// </code>
/// as that library's own from_pretrained makes them.
/// </summary>
internal static class DictionaryLearningAutoencoder
{
    /// <summary>The configuration.</summary>
    public const string ConfigName = "config.json";

    /// <summary>The weights.</summary>
    public const string WeightsName = "ae.pt";

    private static readonly string[] Classes =
    [
        "AutoEncoder", "AutoEncoderNew", "GatedAutoEncoder", "AutoEncoderTopK", "BatchTopKSAE",
        "MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder",
    ];

    /// <summary>Opens the files of a folder.</summary>
    public static AutoencoderFile Read(SaeFiles files)
    {
        using ConfigFile config = ConfigFile.Read(files.ConfigPath!);
        using ConfigFile trainer = config.Section("trainer")
            ?? throw new InvalidDataException(
                $"'{config.Path}': trainer is nothing, expected an object with dict_class");
        using ConfigFile? buffer = config.Section("buffer");
        config.RefuseRepeated();
        trainer.RefuseRepeated();
        return Check(files, trainer, buffer);
    }

    private static AutoencoderFile Check(SaeFiles files, ConfigFile trainer, ConfigFile? buffer)
    {
        string kind = trainer.String("dict_class");
        if (!Classes.Contains(kind))
        {
            throw new NotSupportedException(
                $"'{trainer.Path}': trainer.dict_class is '{Display.Name(kind)}'; supported: "
                + string.Join(", ", Classes));
        }

        if (files.Weights.Tensors.Keys.Any(name => name.StartsWith("ae.", StringComparison.Ordinal)))
        {
            throw new NotSupportedException(
                $"'{files.Path}': it is a checkpoint within training, whose biases are not scaled yet; supported: the "
                + "ae.pt of the end of training");
        }

        bool isJump = kind is "MatryoshkaBatchTopKSAE" or "JumpReluAutoEncoder";
        StoredTensor encoder = files.Weights[isJump ? "W_enc" : "encoder.weight"];
        (int dIn, int dSae) = StoredMatrix.SizesOf(encoder, isColumns: isJump);
        StoredTensor decoder = files.Matrix(isJump ? "W_dec" : "decoder.weight", isColumns: !isJump, dIn, dSae);
        files.RefuseOthers(kind, TensorsOf(kind));
        string layer = trainer.Has("layer") ? trainer.Raw("layer") : string.Empty;
        string module = trainer.OptionalString("submodule_name") ?? string.Empty;
        return new AutoencoderFile(files, SaeFormat.DictionaryLearning)
        {
            Config = new AutoencoderConfig
            {
                DIn = dIn,
                DSae = dSae,
                Kind = kind switch
                {
                    "AutoEncoder" or "AutoEncoderNew" => SaeActivationKind.Relu,
                    "AutoEncoderTopK" => SaeActivationKind.TopK,
                    _ => SaeActivationKind.JumpRelu,
                },
                K = kind == "AutoEncoderTopK" ? TopKOf(files, trainer, dSae) : 0,
                IsGated = kind == "GatedAutoEncoder",
                TakesOffBias = kind is not ("AutoEncoderNew" or "JumpReluAutoEncoder"),
                HookPoint = PointOf(module, layer),
                ModelName = trainer.OptionalString("lm_name"),
                ContextSize = buffer?.OptionalSize("ctx_len"),
            },
            BringsDecoderToNorm1 = kind == "AutoEncoder",
            Encoder = new StoredMatrix(encoder, isColumns: isJump),
            Decoder = new StoredMatrix(decoder, isColumns: !isJump),
            EncoderBias = files.Vector(
                isJump ? "b_enc" : kind == "GatedAutoEncoder" ? "mag_bias" : "encoder.bias", dSae),
            DecoderBias = files.Vector(
                kind switch
                {
                    "AutoEncoder" => "bias",
                    "AutoEncoderNew" => "decoder.bias",
                    "GatedAutoEncoder" => "decoder_bias",
                    _ => "b_dec",
                },
                dIn),
            Thresholds = kind switch
            {
                "JumpReluAutoEncoder" => files.Vector("threshold", dSae),
                "BatchTopKSAE" or "MatryoshkaBatchTopKSAE" => [.. Enumerable.Repeat(Threshold(files), dSae)],
                _ => [],
            },
            GateBias = kind == "GatedAutoEncoder" ? files.Vector("gate_bias", dSae) : [],
            GateLogScale = kind == "GatedAutoEncoder" ? files.Vector("r_mag", dSae) : [],
        };
    }

    private static string[] TensorsOf(string kind) => kind switch
    {
        "AutoEncoder" => ["encoder.weight", "encoder.bias", "decoder.weight", "bias"],
        "AutoEncoderNew" => ["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"],
        "GatedAutoEncoder" =>
            ["encoder.weight", "gate_bias", "r_mag", "mag_bias", "decoder.weight", "decoder_bias"],
        "AutoEncoderTopK" or "BatchTopKSAE" =>
            ["encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "k", "threshold"],
        "MatryoshkaBatchTopKSAE" => ["W_enc", "b_enc", "W_dec", "b_dec", "k", "threshold", "group_sizes"],
        _ => ["W_enc", "b_enc", "W_dec", "b_dec", "threshold"],
    };

    /// <summary>−1 stands there until training has run long enough to know one.</summary>
    private static float Threshold(SaeFiles files)
    {
        float threshold = files.Scalar("threshold");
        return threshold >= 0f
            ? threshold
            : throw new InvalidDataException(
                $"'{files.Path}': threshold is {threshold}, expected a number from 0 on: training ended before it had "
                + "one");
    }

    private static int TopKOf(SaeFiles files, ConfigFile trainer, int dSae)
    {
        int k = files.Has("k")
            ? ConfigChecks.RequireK(files.Path, "k", files.Whole("k"), dSae)
            : trainer.K(dSae, shown: "trainer.k");
        return !trainer.Has("k") || trainer.Size("k") == k
            ? k
            : throw new InvalidDataException(
                $"'{trainer.Path}': trainer.k is {trainer.Size("k")}, but k of ae.pt is {k}, expected the same");
    }

    /// <summary>The residual stream, which trainers call resid_post_layer_3; null for another name.</summary>
    private static HookPoint? PointOf(string module, string layer) =>
        int.TryParse(layer, out int number) && number >= 0
        && module == $"resid_post_layer_{number}"
            ? HookPoint.ResidualPost(number)
            : null;
}
