using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Opens the autoencoders of EleutherAI/sparsify: a folder with <c>cfg.json</c> and <c>sae.safetensors</c>, called as
/// the module that it reads:
/// <code>
/// encoder.weight [dSae, dIn], encoder.bias [dSae], W_dec [dSae, dIn], b_dec [dIn]
/// z = TopK_k(max(0, W_enc (x − b_dec) + b_enc)), or the largest of each of k groups of neighbours
/// </code>
/// ReLU before or after TopK keeps the same latents. multi_topk is a loss and changes nothing here; transcoders and skip
/// connections are refused.
/// </summary>
internal static class SparsifyAutoencoder
{
    /// <summary>The configuration.</summary>
    public const string ConfigName = "cfg.json";

    /// <summary>The weights.</summary>
    public const string WeightsName = "sae.safetensors";

    private static readonly string[] Fields =
    [
        "activation", "expansion_factor", "normalize_decoder", "num_latents", "k", "multi_topk", "skip_connection",
        "transcode", "d_in", "signed",
    ];

    /// <summary>Opens the files of a folder.</summary>
    public static AutoencoderFile Read(SaeFiles files)
    {
        const string Other = ", " + ConfigChecks.ReadsAndWrites;
        using ConfigFile config = ConfigFile.Read(files.ConfigPath!);
        config.RefuseRepeated();
        config.RefuseFlag("transcode", Other);
        config.RefuseFlag("skip_connection", Other);
        config.RefuseFlag("signed");
        config.RefuseUnknown(Fields);
        string activation = config.OneOf("activation", ["topk", "groupmax"], "topk");
        int dIn = config.Size("d_in");
        int dSae = Latents(config, dIn);
        int k = config.K(dSae);
        if (activation == "groupmax" && dSae % k != 0)
        {
            throw new InvalidDataException(
                $"'{config.Path}': k is {k}, expected a divisor of {dSae}, the number of latents, for groupmax");
        }

        StoredTensor encoder = files.Matrix("encoder.weight", isColumns: false, dIn, dSae);
        StoredTensor decoder = files.Matrix("W_dec", isColumns: false, dIn, dSae);
        files.RefuseOthers(
            SaeFormats.NameOf(SaeFormat.Sparsify), "encoder.weight", "encoder.bias", "W_dec", "b_dec");
        return new AutoencoderFile(files, SaeFormat.Sparsify)
        {
            Config = new AutoencoderConfig
            {
                DIn = dIn,
                DSae = dSae,
                Kind = activation == "topk" ? SaeActivationKind.TopK : SaeActivationKind.GroupMax,
                K = k,
                HookPoint = PointOf(new FileInfo(files.Path).Directory!.Name),
            },
            Encoder = new StoredMatrix(encoder, isColumns: false),
            Decoder = new StoredMatrix(decoder, isColumns: false),
            EncoderBias = files.Vector("encoder.bias", dSae),
            DecoderBias = files.Vector("b_dec", dIn),
        };
    }

    /// <summary>num_latents, or where that is 0 a multiple of the width.</summary>
    private static int Latents(ConfigFile config, int dIn)
    {
        if (config.OptionalNumber("num_latents") is not (null or 0))
        {
            return config.Size("num_latents");
        }

        long latents = (long)dIn * config.Size("expansion_factor");
        return latents <= StoredMatrix.LargestDimension
            ? (int)latents
            : throw new InvalidDataException(
                $"'{config.Path}': expansion_factor gives {latents} latents, expected at most "
                + $"{StoredMatrix.LargestDimension}");
    }

    /// <summary>
    /// The output of the module that the folder is called after: <c>layers.10</c>, <c>h.3.mlp</c>. Null for another
    /// name, since a folder may be called anything.
    /// </summary>
    private static HookPoint? PointOf(string folder)
    {
        string[] parts = folder.Split('.');
        return parts is ["layers" or "h", var number, ..]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
                ? parts.Length == 2 ? HookPoint.ResidualPost(layer)
                    : parts is [_, _, "mlp"] ? new HookPoint(HookKind.MlpOut, layer)
                    : null
                : null;
    }
}
