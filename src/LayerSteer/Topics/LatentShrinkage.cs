namespace LayerSteer.Topics;

/// <summary>
/// Empirical-Bayes shrinkage of the latents' means toward the grand mean, as far as their support is thin.
/// <code>
/// σ²   = Σ_f (N_f - 1) · V_f N_f/(N_f - 1) / Σ_f (N_f - 1)       within latents,  N_f ≥ 3
/// τ²   = max(0, Var_f m_f - mean_f σ²/N_f)                        between latents, N_f ≥ 3
/// κ    = σ²/τ²;   m̃_f = (N_f m_f + κ m̄) / (N_f + κ);   sd_f = √(σ² / (N_f + κ))
/// </code>
/// N_f - 1 are the degrees of freedom that a latent's own variance has, so dense latents do not drown in those on three
/// prompts. Latents count alike in τ²: weights by precision would let the dense ones, which are about no topic, say that
/// no latent is. τ² = 0 says that there is no evidence of a latent that is about the topic; κ is then infinite, every
/// m̃_f is m̄, and nothing can be ranked by it.
/// </summary>
public sealed record LatentShrinkage
{
    private const double LeastEffective = 3;

    /// <summary>Above what rounding leaves of the variance of equal means; far below any that matters.</summary>
    private const double Rounding = 1e-24;

    /// <summary>σ², in d²; null with no latent on three effective prompts.</summary>
    public required double? Within { get; init; }

    /// <summary>τ², in d²; null with fewer than two such latents.</summary>
    public required double? Between { get; init; }

    /// <summary>κ, how many prompts the grand mean counts as; null where it is infinite or missing.</summary>
    public required double? Kappa { get; init; }

    /// <summary>m̄, in d²; null if nothing fired.</summary>
    public required double? GrandMean { get; init; }

    /// <summary>[dSae]: m̃_f; NaN without support.</summary>
    public required double[] Mean { get; init; }

    /// <summary>[dSae]: the posterior sd; NaN without support or without κ.</summary>
    public required double[] Deviation { get; init; }

    /// <summary>Whether m̃ ranks latents.</summary>
    public bool Ranks => Kappa is not null;

    /// <summary>Shrinks every latent.</summary>
    /// <param name="support">The latents.</param>
    public static LatentShrinkage Of(LatentSupport support)
    {
        ArgumentNullException.ThrowIfNull(support);
        double freedom = 0;
        double within = 0;
        double noise = 0;
        double sum = 0;
        int count = 0;
        for (int f = 0; f < support.Mean.Length; f++)
        {
            double n = support.Effective[f];
            if (n >= LeastEffective)
            {
                freedom += n - 1;
                within += n * support.Spread[f];
                noise += 1 / n;
                sum += support.Mean[f] - support.GrandMean;
                count++;
            }
        }
        double? variance = count > 0 ? within / freedom : null;
        double? between = null;
        if (count > 1)
        {
            double centre = sum / count;
            double squares = 0;
            for (int f = 0; f < support.Mean.Length; f++)
            {
                double residual = support.Mean[f] - support.GrandMean - centre;
                squares += support.Effective[f] >= LeastEffective ? residual * residual : 0;
            }
            double left = (squares / (count - 1)) - (variance!.Value * noise / count);
            between = left > Rounding ? left : 0;
        }
        double? kappa = between > 0 ? variance / between : null;
        return new LatentShrinkage
        {
            Within = variance,
            Between = between,
            Kappa = kappa,
            GrandMean = double.IsNaN(support.GrandMean) ? null : support.GrandMean,
            Mean = [.. support.Mean.Select((mean, f) => double.IsNaN(mean) ? double.NaN
                : kappa is { } k ? support.GrandMean + Shrunk(mean - support.GrandMean, support.Effective[f], k)
                : support.GrandMean)],
            Deviation = [.. support.Effective.Select(n =>
                kappa is { } k ? Math.Sqrt(variance!.Value / (n + k)) : double.NaN)],
        };
    }

    /// <summary>The scores that m̃ gives: 1 - (m̃_f - min m̃) / (max m̃ - min m̃); null where m̃ does not rank.</summary>
    public LatentScores? Scores(ReadOnlySpan<float> maxima = default)
    {
        bool[] supported = [.. Mean.Select(mean => !double.IsNaN(mean))];
        double least = Mean.Where(mean => !double.IsNaN(mean)).DefaultIfEmpty().Min();
        double most = Mean.Where(mean => !double.IsNaN(mean)).DefaultIfEmpty().Max();
        return Ranks && most > least
            ? new LatentScores([.. Mean.Select(mean => 1 - ((mean - least) / (most - least)))], supported, maxima: maxima)
            : null;
    }

    /// <summary>How far a latent's mean is left from the grand mean.</summary>
    internal static double Shrunk(double centred, double effective, double kappa) =>
        effective * centred / (effective + kappa);

    /// <summary>The latents with the smallest m̃, the smallest first, ties to the lower latent.</summary>
    /// <param name="count">How many at most.</param>
    public int[] Nearest(int count) =>
    [
        .. Enumerable.Range(0, Mean.Length).Where(f => !double.IsNaN(Mean[f]))
            .OrderBy(f => Mean[f]).ThenBy(f => f).Take(count),
    ];
}
