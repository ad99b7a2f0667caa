using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// Intervals and tests of paired differences:
/// <code>
/// statistic = mean over strata of the mean of their units
/// interval: clusters are drawn with replacement, the same draw in all strata; percentiles of the statistic
///           at Φ(∓ √(n/(n−1)) t), t the quantile of Student's t with n−1 degrees of freedom, n the clusters
/// p:        a sign is tossed for each cluster; the share of statistics at least as far from 0 as the one found
/// </code>
/// The percentiles are the expanded ones of Hesterberg (2015, "What Teachers Should Know About the Bootstrap", section
/// 4.2): the plain ones are too narrow for a dozen clusters. Since a prompt is the same for every topic, and so are the
/// draws of the model from it, prompts and not (topic, prompt) pairs are drawn. The same seed gives the same result.
/// </summary>
public sealed class PairedBootstrap
{
    /// <summary>Up to this many clusters all signs are tried; with more they are tossed.</summary>
    private const int MostClustersForAllSigns = 12;

    /// <summary>
    /// Sums in another order differ by less, relative to what is summed: differences that cancel are 0, not noise.
    /// </summary>
    private const double Rounding = 1e-12;

    private readonly int _resamples;
    private readonly double _confidence;
    private readonly ulong _seed;

    /// <summary>Sets how intervals are made.</summary>
    /// <param name="resamples">How many draws, at least 100.</param>
    /// <param name="confidence">The coverage to aim at, 0.95 for 95 %.</param>
    /// <param name="seed">The seed of the draws; each call of <see cref="Of"/> begins with it.</param>
    public PairedBootstrap(int resamples = 2000, double confidence = 0.95, ulong seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 100);
        if (!(confidence is > 0 and < 1))
        {
            throw new ArgumentException($"confidence is {confidence}, expected a number between 0 and 1");
        }

        _resamples = resamples;
        _confidence = confidence;
        _seed = seed;
    }

    /// <summary>The mean difference of units, its interval and its p-value.</summary>
    /// <param name="units">At least one; their order does not matter.</param>
    /// <exception cref="ArgumentException">There is none, or a difference is not finite.</exception>
    public PairedDifference Of(IReadOnlyList<PairedUnit> units)
    {
        ArgumentNullException.ThrowIfNull(units);
        if (units.Count == 0)
        {
            throw new ArgumentException("no unit; expected at least one");
        }

        foreach (PairedUnit unit in units)
        {
            if (!double.IsFinite(unit.Difference))
            {
                throw new ArgumentException(
                    $"the difference of {unit.Stratum}, {unit.Cluster} is {unit.Difference}, expected a finite number");
            }
        }

        // Sorted, so that sums are made in one order.
        PairedUnit[] sorted =
        [
            .. units.OrderBy(unit => unit.Stratum, StringComparer.Ordinal)
                .ThenBy(unit => unit.Cluster, StringComparer.Ordinal).ThenBy(unit => unit.Difference),
        ];
        string[] clusters = [.. sorted.Select(unit => unit.Cluster).Distinct().Order(StringComparer.Ordinal)];
        Stratum[] strata =
            [.. sorted.GroupBy(unit => unit.Stratum).Select(group => new Stratum(group, clusters))];
        double[] once = [.. Enumerable.Repeat(1.0, clusters.Length)];
        double mean = Statistic(strata, once, once);
        (double? low, double? high) = Interval(strata, clusters.Length);
        bool isZero = Math.Abs(mean) <= Rounding * sorted.Max(unit => Math.Abs(unit.Difference));
        double p = isZero ? 1 : PValue(strata, clusters.Length, mean);
        return new PairedDifference(mean, low, high, p, units.Count, clusters.Length);
    }

    private (double? Low, double? High) Interval(Stratum[] strata, int clusters)
    {
        if (clusters < 2)
        {
            return (null, null);
        }

        var generator = new SplitMix64(_seed);
        double[] statistics = new double[_resamples];
        double[] times = new double[clusters];
        for (int b = 0; b < _resamples; b++)
        {
            Array.Clear(times);
            for (int i = 0; i < clusters; i++)
            {
                times[generator.NextInt(clusters)]++;
            }

            statistics[b] = Statistic(strata, times, times);
        }

        Array.Sort(statistics);
        double t = Distributions.StudentQuantile((1 - _confidence) / 2, clusters - 1);
        double tail = Distributions.NormalBelow(t * Math.Sqrt(clusters / (clusters - 1.0)));
        return (Percentile(statistics, tail), Percentile(statistics, 1 - tail));
    }

    private double PValue(Stratum[] strata, int clusters, double mean)
    {
        double[] signs = new double[clusters];
        double[] once = [.. Enumerable.Repeat(1.0, clusters)];
        double least = Math.Abs(mean) * (1 - Rounding);
        int far = 0;
        if (clusters <= MostClustersForAllSigns)
        {
            for (int pattern = 0; pattern < 1 << clusters; pattern++)
            {
                for (int i = 0; i < clusters; i++)
                {
                    signs[i] = ((pattern >> i) & 1) == 0 ? 1 : -1;
                }

                far += Math.Abs(Statistic(strata, signs, once)) >= least ? 1 : 0;
            }

            return (double)far / (1 << clusters);
        }

        var generator = new SplitMix64(_seed ^ 0x7369676E73UL);
        for (int b = 0; b < _resamples; b++)
        {
            for (int i = 0; i < clusters; i++)
            {
                signs[i] = (generator.Next() >> 63) == 0 ? 1 : -1;
            }

            far += Math.Abs(Statistic(strata, signs, once)) >= least ? 1 : 0;
        }

        return (far + 1.0) / (_resamples + 1.0);
    }

    /// <summary>Sums are weighted by the one, counts by the other; a stratum that was not drawn is left out.</summary>
    private static double Statistic(Stratum[] strata, double[] ofSums, double[] ofCounts)
    {
        double total = 0;
        int present = 0;
        foreach (Stratum stratum in strata)
        {
            double sum = 0;
            double count = 0;
            for (int c = 0; c < ofSums.Length; c++)
            {
                sum += ofSums[c] * stratum.Sums[c];
                count += ofCounts[c] * stratum.Counts[c];
            }

            if (count > 0)
            {
                total += sum / count;
                present++;
            }
        }

        return present > 0 ? total / present : 0;
    }

    /// <summary>The p-th part of sorted values, in a straight line between two of them.</summary>
    private static double Percentile(double[] sorted, double p)
    {
        double at = p * (sorted.Length - 1);
        int below = (int)Math.Floor(at);
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }

    private sealed class Stratum
    {
        public Stratum(IEnumerable<PairedUnit> units, string[] clusters)
        {
            Sums = new double[clusters.Length];
            Counts = new double[clusters.Length];
            foreach (PairedUnit unit in units)
            {
                int cluster = Array.BinarySearch(clusters, unit.Cluster, StringComparer.Ordinal);
                Sums[cluster] += unit.Difference;
                Counts[cluster]++;
            }
        }

        public double[] Sums { get; }

        public double[] Counts { get; }
    }
}
