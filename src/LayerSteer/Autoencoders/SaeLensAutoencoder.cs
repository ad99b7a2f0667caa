using System.Text;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Loads autoencoders in SAELens' layout, a folder with <c>cfg.json</c> and <c>sae_weights.safetensors</c>, and our own
/// layout, one .safetensors file with the same tensors and the text of cfg.json in its header:
/// <code>
/// all:        W_enc [dIn, dSae], W_dec [dSae, dIn], b_dec [dIn]
/// not gated:  b_enc [dSae]
/// jumprelu:   threshold [dSae], or log_threshold of a training checkpoint
/// batchtopk:  threshold, or topk_threshold (one number): as JumpReLU, which is how it is used after training
/// gated:      b_gate, r_mag, b_mag [dSae]
/// older:      scaling_factor [dSae], of which latents are multiples when they are decoded
/// </code>
/// </summary>
public static class SaeLensAutoencoder
{
    /// <summary>The configuration of a folder.</summary>
    public const string ConfigName = "cfg.json";

    /// <summary>The weights of a folder.</summary>
    public const string WeightsName = "sae_weights.safetensors";

    /// <summary>The header's entry that holds the text of cfg.json in our own file.</summary>
    internal const string ConfigEntry = "layersteer.sae.cfg";

    /// <summary>Loads an autoencoder.</summary>
    /// <param name="path">A folder, its file of weights, or a file of our own.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <returns>The autoencoder; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// A file is missing or damaged, a field is out of range, or a tensor is missing, of another shape or not finite.
    /// </exception>
    /// <exception cref="NotSupportedException">A setting is not supported; the message names it.</exception>
    public static SparseAutoencoder Load(string path, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        string weights = Directory.Exists(path) ? Path.Combine(path, WeightsName) : path;
        string config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(weights))!, ConfigName);
        using AutoencoderFile file =
            SaeFiles.Open(weights, Directory.Exists(path) || File.Exists(config) ? config : null, Read);
        return file.Load(options);
    }

    /// <summary>Opens the files of a folder, or a file with the configuration in its header.</summary>
    internal static AutoencoderFile Read(SaeFiles files) => Check(files, ReadConfig(files));

    /// <summary>An autoencoder in memory, which copies the weights; not a gated one.</summary>
    internal static SparseAutoencoder Create(
        string name, AutoencoderConfig config, AutoencoderTensors tensors, WorkerPool pool)
    {
        (int dIn, int dSae) = (config.DIn, config.DSae);
        float[] encoder = tensors.Encoder.ToArray();
        float[] decoder = tensors.Decoder.ToArray();
        WeightStore? store = new();
        try
        {
            var screened = new ScreenedEncoder(
                store,
                dSae,
                dIn,
                tensors.EncoderBias.ToArray(),
                (start, to) => encoder.AsSpan((int)start, to.Length).CopyTo(to));
            NativeBuffer rows = store.Take(
                "decoder", (long)dSae * dIn, to => decoder.CopyTo(to.Span(0, decoder.Length)));
            var autoencoder = new SparseAutoencoder(
                name,
                screened,
                rows,
                tensors.DecoderBias.ToArray(),
                new SaeActivation(config.Kind, config.K) { Thresholds = tensors.Thresholds.ToArray() },
                config.Normalisation,
                store,
                new Lazy<string>(string.Empty),
                pool,
                config.TakesOffBias)
            {
                HookPoint = config.HookPoint,
                Config = config,
                Format = SaeFormat.LayerSteer,
            };
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    private static SaeLensConfig ReadConfig(SaeFiles files)
    {
        if (files.ConfigPath is { } path)
        {
            using ConfigFile config = ConfigFile.Read(path);
            return SaeLensConfig.Read(config);
        }

        if (!files.Weights.Values.TryGetValue(ConfigEntry, out object? text))
        {
            throw new InvalidDataException(
                $"'{files.Path}': no {ConfigName} beside it and no {ConfigEntry} in its header, expected one of them");
        }

        using ConfigFile own = ConfigFile.Parse(files.Path, Encoding.UTF8.GetBytes((string)text));
        return SaeLensConfig.Read(own);
    }

    private static AutoencoderFile Check(SaeFiles files, SaeLensConfig settings)
    {
        AutoencoderConfig config = settings.Config;
        (int dIn, int dSae) = (config.DIn, config.DSae);
        if (files.Has("W_skip"))
        {
            throw new NotSupportedException(
                $"'{files.Path}': tensor W_skip is that of a skip transcoder, {ConfigChecks.ReadsAndWrites}");
        }

        StoredTensor encoder = files.Matrix("W_enc", isColumns: true, dIn, dSae);
        StoredTensor decoder = files.Matrix("W_dec", isColumns: false, dIn, dSae);
        string architecture = settings.Architecture;
        files.RefuseOthers(
            $"architecture '{architecture}'",
            ["W_enc", "W_dec", "b_dec", .. TensorsOf(architecture), "scaling_factor"]);
        float s = (float)settings.InputFactor;
        float[] decoderBias = files.Vector("b_dec", dIn);
        if (settings.InputFactor != 1)
        {
            decoderBias = [.. decoderBias.Select(b => (float)(b / settings.InputFactor))];
        }

        bool rescalesJumpRelu = config.RescalesByDecoderNorm && architecture == "batchtopk";
        return new AutoencoderFile(files, files.ConfigPath is null ? SaeFormat.LayerSteer : SaeFormat.SaeLens)
        {
            // After training it is JumpReLU, which has no such setting: its latents are those of a decoder of norm 1.
            Config = rescalesJumpRelu ? config with { RescalesByDecoderNorm = false } : config,
            BringsDecoderToNorm1 = rescalesJumpRelu,
            Encoder = new StoredMatrix(encoder, isColumns: true) { Factor = s },
            Decoder = new StoredMatrix(decoder, isColumns: false)
            {
                Factor = (float)(1 / settings.InputFactor),
                Factors = LatentFactors(files, settings),
            },
            EncoderBias = files.Vector(config.IsGated ? "b_mag" : "b_enc", dSae),
            DecoderBias = decoderBias,
            Thresholds = Thresholds(files, architecture, dSae),
            GateBias = config.IsGated ? files.Vector("b_gate", dSae) : [],
            GateLogScale = config.IsGated ? files.Vector("r_mag", dSae) : [],
        };
    }

    private static string[] TensorsOf(string architecture) => architecture switch
    {
        "gated" => ["b_gate", "b_mag", "r_mag"],
        "jumprelu" => ["b_enc", "threshold", "log_threshold"],
        "batchtopk" => ["b_enc", "threshold", "topk_threshold"],
        _ => ["b_enc"],
    };

    private static float[] Thresholds(SaeFiles files, string architecture, int dSae)
    {
        if (architecture is not ("jumprelu" or "batchtopk"))
        {
            return [];
        }

        string other = architecture == "jumprelu" ? "log_threshold" : "topk_threshold";
        if (files.Has("threshold") && files.Has(other))
        {
            throw new InvalidDataException($"'{files.Path}': tensors threshold and {other}, expected one of them");
        }

        if (!files.Has(other))
        {
            return files.Vector("threshold", dSae);
        }

        if (other == "topk_threshold")
        {
            return [.. Enumerable.Repeat(files.Scalar(other), dSae)];
        }

        return Exponentials(files, other, dSae);
    }

    /// <summary>e to each of a vector.</summary>
    internal static float[] Exponentials(SaeFiles files, string name, int length)
    {
        float[] logs = files.Vector(name, length);
        float[] values = [.. logs.Select(log => (float)Math.Exp(log))];
        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        return bad < 0
            ? values
            : throw new InvalidDataException(
                $"'{files.Path}': tensor {name} holds {logs[bad]} at element {bad}, and e to that is not finite");
    }

    /// <summary>scaling_factor where it says something; SAELens drops one of ones.</summary>
    private static float[] LatentFactors(SaeFiles files, SaeLensConfig settings)
    {
        const string Name = "scaling_factor";
        if (!files.Has(Name))
        {
            return settings.ScalesLatents
                ? throw new InvalidDataException(
                    $"'{files.Path}': finetuning_scaling_factor is true, but there is no tensor {Name}")
                : [];
        }

        float[] factors = files.Vector(Name, settings.Config.DSae);
        if (Array.TrueForAll(factors, factor => factor == 1f))
        {
            return [];
        }

        return settings.ScalesLatents
            ? factors
            : throw new InvalidDataException(
                $"'{files.Path}': tensor {Name} is not all 1, but finetuning_scaling_factor is false; expected true, or "
                + "no such tensor");
    }
}
