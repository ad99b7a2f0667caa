using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// How the predictors of a sample of latents rank their collateral, each alone and all in a ridge over five folds:
/// <code>
/// X  = ranks of the predictors, each at mean 0 and standard deviation 1, [n, p]; y = ranks of collateral likewise
/// β  = (XᵀX/n + λI)⁻¹ Xᵀy/n over the other folds; ŷ = Xβ on its own
/// </code>
/// Ranks are taken over the whole sample: they tell the fit nothing of a latent's collateral.
/// </summary>
internal static class SideEffectCorrelations
{
    private const int Folds = 5;

    /// <summary>The predictors by name; a value is null where it is not known.</summary>
    public static IReadOnlyList<(string Name, Func<LatentSideEffect, double?> Value)> Predictors { get; } =
    [
        ("crowding", one => one.Crowding),
        ("encoder-decoder cosine", one => one.Alignment),
        ("frequency", one => one.Frequency),
        ("mean activation", one => one.MeanActivation),
        ("direct-logit footprint", one => one.Footprint),
    ];

    /// <summary>Each predictor's correlation, then that of all that are known.</summary>
    public static IReadOnlyList<PredictorCorrelation> Of(
        IReadOnlyList<LatentSideEffect> latents, SideEffectOptions options)
    {
        double[] collateral = [.. latents.Select(one => one.Collateral)];
        var found = new List<PredictorCorrelation>();
        var known = new List<double[]>();
        foreach ((string name, Func<LatentSideEffect, double?> value) in Predictors)
        {
            double?[] values = [.. latents.Select(value)];
            if (values.Any(one => one is null))
            {
                found.Add(new PredictorCorrelation(name, null, null, null));
                continue;
            }

            double[] complete = [.. values.Select(one => one!.Value)];
            found.Add(Of(name, complete, collateral, options));
            if (Standard(complete) is { } ranks)
            {
                known.Add(ranks);
            }
        }

        found.Add(Standard(collateral) is { } target && known.Count > 0
            ? Of(SideEffectPredictors.AllTogether, HeldOut(known, target, options), collateral, options)
            : new PredictorCorrelation(SideEffectPredictors.AllTogether, null, null, null));
        return found;
    }

    /// <summary>ρ with the percentiles of resampled pairs.</summary>
    internal static PredictorCorrelation Of(
        string name, double[] predictor, double[] collateral, SideEffectOptions options)
    {
        double? correlation = RankCorrelation.Spearman(predictor, collateral);
        if (correlation is null)
        {
            return new PredictorCorrelation(name, null, null, null);
        }

        var random = new SplitMix64(options.Seed ^ 0x626F6F74UL);
        int n = predictor.Length;
        double[] x = new double[n];
        double[] y = new double[n];
        var drawn = new List<double>(options.Resamples);
        for (int b = 0; b < options.Resamples; b++)
        {
            for (int i = 0; i < n; i++)
            {
                int at = random.NextInt(n);
                (x[i], y[i]) = (predictor[at], collateral[at]);
            }

            if (RankCorrelation.Spearman(x, y) is { } rho)
            {
                drawn.Add(rho);
            }
        }

        double[] sorted = [.. drawn];
        return new PredictorCorrelation(
            name, correlation, SteeringOverhead.Quantile(sorted, 0.025), SteeringOverhead.Quantile(sorted, 0.975));
    }

    /// <summary>What the ridge says of each latent from the folds that it is not in.</summary>
    private static double[] HeldOut(List<double[]> predictors, double[] target, SideEffectOptions options)
    {
        int n = target.Length;
        int[] order = [.. Enumerable.Range(0, n)];
        var random = new SplitMix64(options.Seed ^ 0x666F6C64UL);
        random.Shuffle<int>(order);
        double[] said = new double[n];
        for (int fold = 0; fold < Folds; fold++)
        {
            int[] others = [.. order.Where((_, i) => i % Folds != fold)];
            double[] weights = Fit(predictors, target, others, options.Ridge);
            foreach (int latent in order.Where((_, i) => i % Folds == fold))
            {
                said[latent] = predictors.Select((values, k) => weights[k] * values[latent]).Sum();
            }
        }

        return said;
    }

    /// <summary>β, by Gauss and Jordan; the matrix is positive definite, so no pivot is 0.</summary>
    internal static double[] Fit(IReadOnlyList<double[]> predictors, double[] target, int[] rows, double ridge)
    {
        int p = predictors.Count;
        double[,] a = new double[p, p + 1];
        for (int i = 0; i < p; i++)
        {
            for (int j = 0; j < p; j++)
            {
                a[i, j] = rows.Sum(row => predictors[i][row] * predictors[j][row]) / rows.Length;
            }

            a[i, i] += ridge;
            a[i, p] = rows.Sum(row => predictors[i][row] * target[row]) / rows.Length;
        }

        for (int pivot = 0; pivot < p; pivot++)
        {
            for (int j = p; j >= pivot; j--)
            {
                a[pivot, j] /= a[pivot, pivot];
            }

            for (int i = 0; i < p; i++)
            {
                double factor = i == pivot ? 0 : a[i, pivot];
                for (int j = pivot; factor != 0 && j <= p; j++)
                {
                    a[i, j] -= factor * a[pivot, j];
                }
            }
        }

        return [.. Enumerable.Range(0, p).Select(i => a[i, p])];
    }

    /// <summary>Ranks at mean 0 and standard deviation 1; null where all are the same.</summary>
    private static double[]? Standard(double[] values)
    {
        double[] ranks = RankCorrelation.Ranks(values);
        double mean = ranks.Average();
        double variance = ranks.Sum(rank => (rank - mean) * (rank - mean)) / ranks.Length;
        return variance > 0 ? [.. ranks.Select(rank => (rank - mean) / Math.Sqrt(variance))] : null;
    }
}
