using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// The files of an autoencoder, open and checked, in the one form that every format is brought to; the matrices are
/// read when it is loaded or written again. Not thread-safe.
/// </summary>
/// <param name="files">The open files; disposed with this.</param>
/// <param name="format">Their format.</param>
internal sealed class AutoencoderFile(SaeFiles files, SaeFormat format) : IDisposable
{
    /// <summary>The format.</summary>
    public SaeFormat Format => format;

    /// <summary>The file of the weights.</summary>
    public string Path => files.Path;

    /// <summary>What it says.</summary>
    public required AutoencoderConfig Config { get; init; }

    /// <summary>W_enc.</summary>
    public required StoredMatrix Encoder { get; init; }

    /// <summary>W_dec.</summary>
    public required StoredMatrix Decoder { get; init; }

    /// <summary>b_enc, [dSae]; b_mag of a gated one.</summary>
    public required float[] EncoderBias { get; init; }

    /// <summary>b_dec, [dIn].</summary>
    public required float[] DecoderBias { get; init; }

    /// <summary>The thresholds of JumpReLU, [dSae]; empty otherwise, and of a gated one.</summary>
    public float[] Thresholds { get; init; } = [];

    /// <summary>b_gate of a gated one, [dSae].</summary>
    public float[] GateBias { get; init; } = [];

    /// <summary>r_mag of a gated one, [dSae].</summary>
    public float[] GateLogScale { get; init; } = [];

    /// <summary>
    /// Whether the format means latents in units of a decoder with rows of norm 1, which this one does not have yet.
    /// </summary>
    public bool BringsDecoderToNorm1 { get; init; }

    /// <summary>Reads the matrices.</summary>
    /// <param name="options">How to load; the defaults if null.</param>
    /// <returns>The autoencoder; the caller disposes it. It does not need this file any longer.</returns>
    /// <exception cref="InvalidDataException">A weight is not finite, or a row of the decoder has no norm.</exception>
    public SparseAutoencoder Load(LoadOptions? options)
    {
        options ??= new LoadOptions();
        var cache = new WeightCache(options, "autoencoder", [files.Stamp]);
        (string path, string? config, string? folder) = (files.Path, files.ConfigPath, cache.Folder);
        var digest = new Lazy<string>(() => Digest(path, config, folder));
        (int dIn, int dSae) = (Config.DIn, Config.DSae);
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            float[] norms = [];
            if (Config.RescalesByDecoderNorm || BringsDecoderToNorm1)
            {
                norms = store.Take("decoder.norms", dSae, to => Norms().CopyTo(to.Span(0, dSae)))
                    .Span(0, dSae).ToArray();
            }

            (float[] factors, float[] bias, float[] thresholds) = Fold(norms);
            var screened = new ScreenedEncoder(store, dSae, dIn, bias, (start, to) =>
            {
                Encoder.Read(start, to);
                Multiply(start, to, factors);
            });
            NativeBuffer rows = store.Take("decoder", (long)dSae * dIn, to =>
            {
                for (int row = 0; row < dSae; row++)
                {
                    ReadDecoderRow(row, norms, to.Span((long)row * dIn, dIn));
                }
            });
            cache.Save(store);
            var autoencoder = new SparseAutoencoder(
                Path,
                screened,
                rows,
                DecoderBias,
                new SaeActivation(Config.Kind, Config.K)
                {
                    Thresholds = thresholds.Length == 0 ? default : thresholds,
                    GroupSize = Config.Kind == SaeActivationKind.GroupMax ? dSae / Config.K : 0,
                },
                Config.Normalisation,
                store,
                digest,
                options.Pool ?? WorkerPool.Shared,
                Config.TakesOffBias)
            {
                HookPoint = Config.HookPoint,
                Config = Config,
                Format = Format,
                PreActivationScales = Config.RescalesByDecoderNorm ? norms : default,
            };
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>The norms of the decoder's rows, none of them 0.</summary>
    public float[] Norms()
    {
        float[] norms = Decoder.Norms();
        int zero = Array.FindIndex(norms, norm => !(norm > 0f));
        return zero < 0
            ? norms
            : throw new InvalidDataException(
                $"'{Path}': row {zero} of the decoder has norm 0, expected a norm above 0, for pre-activations are "
                + "rescaled by it");
    }

    /// <summary>Reads a row of the decoder, brought to norm 1 where norms are given.</summary>
    public void ReadDecoderRow(int row, ReadOnlySpan<float> norms, Span<float> to)
    {
        Decoder.Read((long)row * Config.DIn, to);
        if (!norms.IsEmpty)
        {
            for (int i = 0; i < to.Length; i++)
            {
                to[i] /= norms[row];
            }
        }
    }

    /// <summary>Multiplies elements of the row-major encoder by the factors of their rows, if there are any.</summary>
    public void Multiply(long start, Span<float> elements, ReadOnlySpan<float> factors)
    {
        if (factors.IsEmpty)
        {
            return;
        }

        for (int i = 0; i < elements.Length; i++)
        {
            elements[i] *= factors[(int)((start + i) / Config.DIn)];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Encoder.Dispose();
        Decoder.Dispose();
        files.Dispose();
    }

    /// <summary>What the encoder's rows are multiplied by, and the bias and thresholds that go with it.</summary>
    private (float[] Factors, float[] Bias, float[] Thresholds) Fold(float[] norms)
    {
        if (norms.Length > 0)
        {
            return (norms, [.. EncoderBias.Zip(norms, (bias, norm) => bias * norm)], Thresholds);
        }

        if (!Config.IsGated)
        {
            return ([], EncoderBias, Thresholds);
        }

        float[] scales = [.. GateLogScale.Select(r => (float)Math.Exp(r))];
        int bad = Array.FindIndex(scales, scale => !float.IsFinite(scale));
        return bad < 0
            ? (scales, EncoderBias, [.. EncoderBias.Select((b, i) => (float)(b - ((double)scales[i] * GateBias[i])))])
            : throw new InvalidDataException(
                $"'{Path}': tensor r_mag holds {GateLogScale[bad]} at element {bad}, and e to that is not finite");
    }

    /// <summary>Of the file alone if it says all, else of both files.</summary>
    private static string Digest(string path, string? config, string? cacheFolder)
    {
        if (config is null)
        {
            return FileDigest.OfFile(path, cacheFolder);
        }

        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(config))!;
        return FileDigest.OfFiles(
            folder,
            [
                System.IO.Path.GetFileName(config),
                System.IO.Path.GetRelativePath(folder, System.IO.Path.GetFullPath(path)),
            ],
            cacheFolder);
    }
}
