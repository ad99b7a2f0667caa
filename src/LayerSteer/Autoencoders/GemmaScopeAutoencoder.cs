using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Opens the autoencoders of Gemma Scope (Lieberum et al. 2024, arXiv 2408.05147) and Gemma Scope 2:
/// <code>
/// params.npz          W_enc [dIn, dSae], b_enc [dSae], W_dec [dSae, dIn], b_dec [dIn], threshold [dSae]
/// params.safetensors  the same in lower case, with config.json beside it, which says the hook point
/// z = JumpReLU(x·W_enc + b_enc)    b_dec is not taken off, and nothing is normalised
/// </code>
/// Trained with BOS on contexts of 1024 tokens. Those of the first release do not say their hook point; the ones for
/// embeddings, which need another scale, cannot be told from the rest and are refused at hook_embed.
/// </summary>
internal static class GemmaScopeAutoencoder
{
    /// <summary>The weights of Gemma Scope.</summary>
    public const string ArrayName = "params.npz";

    /// <summary>The weights of Gemma Scope 2.</summary>
    public const string WeightsName = "params.safetensors";

    /// <summary>The configuration of Gemma Scope 2, which some folders lack.</summary>
    public const string ConfigName = "config.json";

    private const string Skip = "affine_skip_connection";

    private static readonly string[] Names = ["W_enc", "b_enc", "W_dec", "b_dec", "threshold", "scaling_factor"];

    private static readonly string[] Fields =
    [
        "hf_hook_point_in", "hf_hook_point_out", "width", "model_name", "architecture", "l0", "affine_connection",
        "type",
    ];

    /// <summary>Opens either.</summary>
    public static AutoencoderFile Read(SaeFiles files, SaeFormat format)
    {
        if (files.Has(Skip))
        {
            throw Transcoder($"'{files.Path}': tensor {Skip} is that of a skip transcoder");
        }

        bool isLower = files.Has("w_enc") || (format == SaeFormat.GemmaScope2 && !files.Has("W_enc"));
        string[] names = isLower ? [.. Names.Select(name => name.ToLowerInvariant())] : Names;
        StoredTensor encoder = files.Weights[names[0]];
        (int dIn, int dSae) = StoredMatrix.SizesOf(encoder, isColumns: true);
        StoredTensor decoder = files.Matrix(names[2], isColumns: false, dIn, dSae);
        files.RefuseOthers(SaeFormats.NameOf(format), names);
        if (files.Has(names[5]) && !Array.TrueForAll(files.Vector(names[5], dSae), factor => factor == 1f))
        {
            throw new NotSupportedException(
                $"'{files.Path}': tensor {names[5]} is not all 1; supported: 1, or no such tensor");
        }

        (HookPoint? point, string? model) = PlaceAndModel(files, dSae);
        return new AutoencoderFile(files, format)
        {
            Config = new AutoencoderConfig
            {
                DIn = dIn,
                DSae = dSae,
                Kind = SaeActivationKind.JumpRelu,
                TakesOffBias = false,
                HookPoint = point,
                ModelName = model,
                PrependBos = true,
                ContextSize = 1024,
            },
            Encoder = new StoredMatrix(encoder, isColumns: true),
            Decoder = new StoredMatrix(decoder, isColumns: false),
            EncoderBias = files.Vector(names[1], dSae),
            DecoderBias = files.Vector(names[3], dIn),
            Thresholds = files.Vector(names[4], dSae),
        };
    }

    private static (HookPoint? Point, string? Model) PlaceAndModel(SaeFiles files, int dSae)
    {
        if (files.ConfigPath is null)
        {
            return (null, null);
        }

        using ConfigFile config = ConfigFile.Read(files.ConfigPath);
        config.RefuseRepeated();
        config.RefuseUnknown(Fields);
        config.OneOf("architecture", ["jump_relu"], "jump_relu");
        string type = config.OptionalString("type") ?? string.Empty;
        string? from = config.OptionalString("hf_hook_point_in");
        string? to = config.OptionalString("hf_hook_point_out");
        if (config.Flag("affine_connection", false) || type is "transcoder" or "clt" or "crosscoder"
            || (from is not null && to is not null && from != to))
        {
            throw Transcoder(
                $"'{config.Path}': type is '{Display.Name(type)}' from '{Display.Name(from ?? "nothing")}' to "
                + $"'{Display.Name(to ?? "nothing")}', a transcoder");
        }

        int? width = config.OptionalSize("width");
        return width is null || width == dSae
            ? (from is null ? null : PointOf(config.Path, from), config.OptionalString("model_name"))
            : throw new InvalidDataException(
                $"'{config.Path}': width is {width}, but the weights have {dSae} latents, expected the same");
    }

    /// <summary>The module says the place, not the folder's name: attn_out is the input of o_proj.</summary>
    private static HookPoint PointOf(string path, string module)
    {
        string[] parts = module.Split('.', 4);
        HookKind? kind = parts is ["model", "layers", _, var rest]
            ? rest switch
            {
                "output" => HookKind.ResidualPost,
                "self_attn.o_proj.input" => HookKind.Z,
                "post_feedforward_layernorm.output" => HookKind.MlpOut,
                _ => null,
            }
            : null;
        return kind is { } known
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
                ? new HookPoint(known, layer)
                : throw new NotSupportedException(
                    $"'{path}': hf_hook_point_in is '{Display.Name(module)}'; supported: model.layers.L.output, "
                    + "model.layers.L.self_attn.o_proj.input, model.layers.L.post_feedforward_layernorm.output");
    }

    private static NotSupportedException Transcoder(string message) => new(
        $"{message}, {ConfigChecks.ReadsAndWrites}");
}
