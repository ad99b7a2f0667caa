namespace LayerSteer.Evaluation;

/// <summary>
/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs.
/// </summary>
public static class RankCorrelation
{
    /// <summary>ρ of pairs.</summary>
    /// <param name="x">Finite numbers.</param>
    /// <param name="y">As many.</param>
    /// <returns>−1 to 1; null where either does not vary.</returns>
    public static double? Of(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(y.Length, x.Length);
        double[] a = Ranks(x);
        double[] b = Ranks(y);
        double middle = (x.Length - 1) / 2.0;
        double product = 0;
        double squaresA = 0;
        double squaresB = 0;
        for (int i = 0; i < a.Length; i++)
        {
            product += (a[i] - middle) * (b[i] - middle);
            squaresA += (a[i] - middle) * (a[i] - middle);
            squaresB += (b[i] - middle) * (b[i] - middle);
        }

        return squaresA > 0 && squaresB > 0 ? Math.Clamp(product / Math.Sqrt(squaresA * squaresB), -1, 1) : null;
    }

    /// <summary>The rank of each value, from 0, equal ones sharing the mean of theirs.</summary>
    public static double[] Ranks(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray();
        int[] order = [.. Enumerable.Range(0, sorted.Length)];
        Array.Sort(sorted, order);
        double[] ranks = new double[sorted.Length];
        for (int first = 0; first < sorted.Length;)
        {
            int end = first + 1;
            while (end < sorted.Length && sorted[end] == sorted[first])
            {
                end++;
            }

            for (int i = first; i < end; i++)
            {
                ranks[order[i]] = (first + end - 1) / 2.0;
            }

            first = end;
        }

        return ranks;
    }
}
