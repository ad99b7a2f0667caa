using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>What is known of a latent before it is steered, and what steering it then moves downstream.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Crowding">The mean |cos| of its decoder row and the nearest others.</param>
/// <param name="Alignment">The cosine of its encoder row and its decoder row.</param>
/// <param name="Frequency">On what share of the reference tokens it is active; null without an index.</param>
/// <param name="MeanActivation">Its mean there where active; null if it never is.</param>
/// <param name="Footprint">‖W_U·d̂‖, how far it moves the logits directly.</param>
/// <param name="Collateral">How many downstream latents change, the mean over positions.</param>
public readonly record struct LatentSideEffect(
    int Latent,
    double Crowding,
    double Alignment,
    double? Frequency,
    double? MeanActivation,
    double Footprint,
    double Collateral);

/// <summary>How well something known before steering ranks latents by their side effects.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Correlation">Spearman's ρ with collateral; null where either does not vary or is not known.</param>
/// <param name="Low">The lower end of its 95 % bootstrap interval.</param>
/// <param name="High">The upper end.</param>
public readonly record struct PredictorCorrelation(string Name, double? Correlation, double? Low, double? High);

/// <summary>
/// Whether the side effects of steering one latent can be told beforehand (Duan 2026, arXiv 2606.08365). d̂ is the latent's
/// decoder row at length 1, z' the latents of a downstream autoencoder after x' = x + α·d̂ at every position that is no
/// special token:
/// <code>
/// crowding   = mean of the 20 largest |cos(d, d_j)|, j the other latents
/// alignment  = cos(encoder row, decoder row)
/// footprint  = ‖W_U·d̂‖
/// collateral = mean_t #{f : |z'_tf − z_tf| > 0.05}
/// ρ          = Spearman's, over the latents of a sample; interval: percentiles of resampled latents
/// all        = ρ of collateral and what a ridge of all predictors says of latents that it was not fitted to
/// </code>
/// </summary>
/// <param name="Point">Where latents are steered.</param>
/// <param name="Downstream">Where latents are counted.</param>
/// <param name="Tokens">Positions that collateral is a mean over.</param>
/// <param name="MeanNorm">The mean ‖x‖ at these, which α is to be compared with.</param>
/// <param name="Reliability">
/// Spearman's ρ of collateral on every other text with that on the texts between: where it is low, collateral is mostly
/// noise and nothing can rank it. Null of one text.
/// </param>
/// <param name="Latents">The sample, ascending.</param>
/// <param name="Correlations">One a predictor, then that of all together.</param>
public sealed record SideEffectPredictors(
    HookPoint Point,
    HookPoint Downstream,
    int Tokens,
    double MeanNorm,
    double? Reliability,
    IReadOnlyList<LatentSideEffect> Latents,
    IReadOnlyList<PredictorCorrelation> Correlations)
{
    /// <summary>The name of what all predictors say together.</summary>
    public const string AllTogether = "all, ridge";

    /// <summary>Measures a sample of latents.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="autoencoder">The autoencoder whose latents are steered.</param>
    /// <param name="point">Where it sits.</param>
    /// <param name="downstream">The autoencoder whose latents are counted.</param>
    /// <param name="downstreamPoint">Where that one sits: not before.</param>
    /// <param name="texts">Token ids, each with BOS if there is to be one, within the context.</param>
    /// <param name="special">Tokens whose positions are neither steered nor counted.</param>
    /// <param name="index">
    /// An index of the autoencoder, for frequencies; the sample is then of the latents active there. Null for none.
    /// </param>
    /// <param name="options">How; the defaults if null.</param>
    /// <param name="progress">Told how many latents are measured.</param>
    /// <param name="cancellation">Checked between latents.</param>
    /// <exception cref="ArgumentException">Something does not fit; the message says what.</exception>
    public static SideEffectPredictors Measure(
        Decoder decoder,
        SparseAutoencoder autoencoder,
        HookPoint point,
        SparseAutoencoder downstream,
        HookPoint downstreamPoint,
        IReadOnlyList<int[]> texts,
        IReadOnlySet<int> special,
        ReferenceIndex? index = null,
        SideEffectOptions? options = null,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(downstream);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(special);
        options ??= new SideEffectOptions();
        options.Validate();
        autoencoder.RequireFits(decoder.Spec, point);
        downstream.RequireFits(decoder.Spec, downstreamPoint);
        if (autoencoder.DIn != decoder.Spec.DModel || downstreamPoint.Layer < point.Layer)
        {
            throw new ArgumentException(
                $"side effects of '{point}' at '{downstreamPoint}'; expected the residual stream, and no layer before it");
        }

        if (index is not null
            && (index.Manifest.Sae.Digest != autoencoder.Digest || index.Manifest.HookPoint != point.ToString()))
        {
            throw new ArgumentException(
                $"'{index.Folder}': made with autoencoder {index.Manifest.Sae.Digest} at {index.Manifest.HookPoint}, "
                + $"but '{autoencoder.Path}' at {point} is {autoencoder.Digest}");
        }

        int[] sample = Sample(autoencoder, index, options);
        float[] rows = UnitRows(autoencoder);
        using var meter = new CollateralMeter(
            decoder, point, downstream, downstreamPoint, texts, special, options.Threshold);
        long tokens = index?.Tokens.Sum(count => (long)count) ?? 0;
        var found = new List<LatentSideEffect>();
        float[] direction = new float[autoencoder.DIn];
        double[][] halves = [new double[sample.Length], new double[sample.Length]];
        foreach (int latent in sample)
        {
            cancellation.ThrowIfCancellationRequested();
            rows.AsSpan(latent * autoencoder.DIn, autoencoder.DIn).CopyTo(direction);
            long[] counts = meter.Counts(direction, options.Alpha);
            for (int i = 0; i < counts.Length; i++)
            {
                halves[i % 2][found.Count] += counts[i];
            }

            LatentStatistics? known = index?.LatentStatistics[latent];
            found.Add(new LatentSideEffect(
                latent,
                Crowding(rows, autoencoder.DIn, latent, options.Neighbours),
                autoencoder.Alignment(latent),
                tokens > 0 ? (double)known!.Value.TokensActive / tokens : null,
                known is { TokensActive: > 0 } active ? active.Sum / active.TokensActive : null,
                Footprint(decoder, direction),
                (double)counts.Sum() / meter.Tokens));
            progress?.Report(found.Count);
        }

        return new SideEffectPredictors(
            point,
            downstreamPoint,
            meter.Tokens,
            meter.MeanNorm,
            texts.Count > 1 ? RankCorrelation.Spearman(halves[0], halves[1]) : null,
            found,
            SideEffectCorrelations.Of(found, options));
    }

    /// <summary>The mean |cos| of a unit row and those nearest to it, by |cos|.</summary>
    /// <param name="rows">Unit rows, [dSae, width].</param>
    /// <param name="width">The length of a row.</param>
    /// <param name="latent">The row.</param>
    /// <param name="neighbours">How many others; all if there are fewer.</param>
    internal static double Crowding(ReadOnlySpan<float> rows, int width, int latent, int neighbours)
    {
        ReadOnlySpan<float> own = rows.Slice(latent * width, width);
        int count = rows.Length / width;
        double[] cosines = new double[count];
        for (int other = 0; other < count; other++)
        {
            ReadOnlySpan<float> row = rows.Slice(other * width, width);
            double dot = 0;
            for (int i = 0; i < width; i++)
            {
                dot += (double)own[i] * row[i];
            }

            // Itself comes last, and is not among those taken.
            cosines[other] = other == latent ? -1 : Math.Abs(dot);
        }

        Array.Sort(cosines);
        return cosines.AsSpan(Math.Max(1, count - neighbours)).ToArray().Average();
    }

    /// <summary>Decoder rows at length 1; a row without length stays as it is.</summary>
    internal static float[] UnitRows(SparseAutoencoder autoencoder)
    {
        int width = autoencoder.DIn;
        float[] rows = new float[checked(autoencoder.DSae * width)];
        for (int latent = 0; latent < autoencoder.DSae; latent++)
        {
            ReadOnlySpan<float> row = autoencoder.DecoderRow(latent);
            double squares = 0;
            foreach (float value in row)
            {
                squares += (double)value * value;
            }

            for (int i = 0; i < width; i++)
            {
                rows[(latent * width) + i] = squares > 0 ? (float)(row[i] / Math.Sqrt(squares)) : 0f;
            }
        }

        return rows;
    }

    private static double Footprint(Decoder decoder, float[] direction)
    {
        float[] logits = new float[decoder.Spec.Vocabulary];
        MatrixKernel.Run(decoder.Pool, decoder.Weights.Unembedding, [], direction, logits, 1);
        double squares = 0;
        foreach (float logit in logits)
        {
            squares += (double)logit * logit;
        }

        return Math.Sqrt(squares);
    }

    private static int[] Sample(SparseAutoencoder autoencoder, ReferenceIndex? index, SideEffectOptions options)
    {
        int[] known =
        [
            .. Enumerable.Range(0, autoencoder.DSae)
                .Where(latent => index is null || index.LatentStatistics[latent].TokensActive > 0),
        ];
        if (known.Length < SideEffectOptions.FewestLatents)
        {
            throw new ArgumentException(
                $"{known.Length} latents to choose from; expected at least {SideEffectOptions.FewestLatents}");
        }

        var random = new SplitMix64(options.Seed);
        random.Shuffle<int>(known);
        int[] sample = known[..Math.Min(options.Latents, known.Length)];
        Array.Sort(sample);
        return sample;
    }
}
