namespace LayerSteer.Evaluation;

/// <summary>
/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of their ranks.
/// <code>ρ = Σ (r_i − r̄)(s_i − s̄) / √(Σ (r_i − r̄)² Σ (s_i − s̄)²)</code>
/// </summary>
public static class RankCorrelation
{
    /// <summary>ρ of two lists; null where one of them does not vary.</summary>
    /// <param name="x">Finite numbers.</param>
    /// <param name="y">As many.</param>
    public static double? Spearman(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        return x.Count == y.Count
            ? Pearson(Ranks(x), Ranks(y))
            : throw new ArgumentException($"{x.Count} and {y.Count} values; expected as many of both");
    }

    /// <summary>Ranks from 1, equal values sharing the mean of theirs.</summary>
    public static double[] Ranks(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        int[] order = [.. Enumerable.Range(0, values.Count).OrderBy(i => values[i])];
        double[] ranks = new double[order.Length];
        for (int first = 0; first < order.Length;)
        {
            int end = first + 1;
            while (end < order.Length && values[order[end]].Equals(values[order[first]]))
            {
                end++;
            }

            for (int i = first; i < end; i++)
            {
                ranks[order[i]] = (first + 1 + end) / 2.0;
            }

            first = end;
        }

        return ranks;
    }

    private static double? Pearson(double[] x, double[] y)
    {
        if (x.Length == 0)
        {
            return null;
        }

        double meanX = x.Average();
        double meanY = y.Average();
        double both = 0;
        double ownX = 0;
        double ownY = 0;
        for (int i = 0; i < x.Length; i++)
        {
            both += (x[i] - meanX) * (y[i] - meanY);
            ownX += (x[i] - meanX) * (x[i] - meanX);
            ownY += (y[i] - meanY) * (y[i] - meanY);
        }

        return ownX > 0 && ownY > 0 ? both / Math.Sqrt(ownX * ownY) : null;
    }
}
