using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// What an autoencoder is worth on text that it was not trained on, run as it will be used: error and sparsity of its reconstruction, and
/// the model's next-token loss with the reconstruction in place of the activations. Where contexts' first positions
/// are left out of training they are left as they are.
/// </summary>
/// <param name="Fvu">Σ‖x − x̂‖² / Σ‖x − mean(x)‖², in the model's own space.</param>
/// <param name="L0">Active latents a token.</param>
/// <param name="CeOriginal">The model's cross-entropy as it is, in nats a token.</param>
/// <param name="CeSpliced">With the reconstruction in place.</param>
/// <param name="CeAblated">With zeros in place.</param>
public readonly record struct SpliceQuality(
    double Fvu, double L0, double CeOriginal, double CeSpliced, double CeAblated)
{
    /// <summary>Nothing measured.</summary>
    public static SpliceQuality None { get; } = new(double.NaN, double.NaN, double.NaN, double.NaN, double.NaN);

    /// <summary>(ablated − spliced) / (ablated − original): 1 if nothing is lost, 0 if all is.</summary>
    public double LossRecovered => (CeAblated - CeSpliced) / (CeAblated - CeOriginal);

    /// <summary>The model's own loss on windows.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="windows">
    /// Each of one length, which fits the context with BOS; the last token is only predicted.
    /// </param>
    /// <param name="bos">What each begins with; null for nothing.</param>
    /// <returns>Nats a token.</returns>
    internal static double Original(Decoder decoder, IReadOnlyList<int[]> windows, int? bos) =>
        Loss(decoder, windows, bos, null);

    /// <summary>Measures.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="point">Where it sits.</param>
    /// <param name="windows">As for <see cref="Original"/>.</param>
    /// <param name="bos">What each begins with; null for nothing.</param>
    /// <param name="skipsFirst">Whether position 0 is left as it is.</param>
    /// <param name="original">What <see cref="Original"/> said.</param>
    internal static SpliceQuality Measure(
        Decoder decoder,
        SparseAutoencoder autoencoder,
        HookPoint point,
        IReadOnlyList<int[]> windows,
        int? bos,
        bool skipsFirst,
        double original)
    {
        int first = skipsFirst ? 1 : 0;
        int d = autoencoder.DIn;
        var meter = new ReconstructionMeter(d);
        var latents = new SparseLatents();
        float[] reconstruction = new float[d];
        EncodedRows? encoded = null;
        double spliced = Loss(decoder, windows, bos, new HookSet().Add(point, values =>
        {
            encoded ??= autoencoder.CreateRows(values.Count);
            autoencoder.Encode(values.Values, values.Count, encoded);
            for (int row = 0; row < values.Count; row++)
            {
                if (values.Positions[row] < first)
                {
                    continue;
                }

                Span<float> x = values[row];
                encoded.Activate(row, latents);
                autoencoder.Decode(latents, encoded.Scales[row], reconstruction);
                meter.Add(x, reconstruction, latents.Count);
                reconstruction.CopyTo(x);
            }
        }));
        double ablated = Loss(decoder, windows, bos, new HookSet().Add(point, values =>
        {
            for (int row = 0; row < values.Count; row++)
            {
                if (values.Positions[row] >= first)
                {
                    values[row].Clear();
                }
            }
        }));
        ReconstructionQuality quality = meter.Quality;
        return new SpliceQuality(quality.Fvu, quality.L0, original, spliced, ablated);
    }

    private static double Loss(Decoder decoder, IReadOnlyList<int[]> windows, int? bos, HookSet? hooks)
    {
        int[] prefix = bos is { } id ? [id] : [];
        int length = windows[0].Length - 1 + prefix.Length;
        int vocabulary = decoder.Spec.Vocabulary;
        using DecoderRun run = decoder.CreateRun(length);
        using KvCache cache = decoder.CreateCache(length);
        double[] losses = new double[length];
        double sum = 0;
        foreach (int[] window in windows)
        {
            int[] ids = [.. prefix, .. window.AsSpan(0, window.Length - 1)];
            int[] targets = [.. window.AsSpan(1 - prefix.Length)];
            cache.Truncate(0);
            run.Forward([new SequenceBlock(cache, ids)], hooks, LogitRows.All);
            for (int row = 0; row < length; row++)
            {
                CrossEntropyKernel.Run(
                    decoder.Pool, run.Logits(row), targets.AsSpan(row, 1), losses.AsSpan(row, 1), vocabulary, 1f);
            }

            sum += losses.Sum();
        }

        return sum / ((long)windows.Count * length);
    }
}
