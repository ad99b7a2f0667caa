using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// The energy distance of two samples and its permutation test (Székely and Rizzo 2013).
/// <code>
/// E = 2 mean |x - y| - mean over i ≠ j |x_i - x_j| - mean over i ≠ j |y_i - y_j|
/// p = (1 + #{π: E^π ≥ E}) / (P + 1)
/// </code>
/// With the sums of the rows of all distances, a permutation costs only the square of the smaller sample.
/// </summary>
internal static class EnergyTest
{
    private const double Rounding = 1e-12;

    /// <summary>Measures and tests.</summary>
    /// <param name="first">The size of the first sample.</param>
    /// <param name="all">The size of both; the second sample comes after the first.</param>
    /// <param name="distance">The distance of two members.</param>
    /// <param name="permutations">P.</param>
    /// <param name="generator">Deals.</param>
    /// <param name="parallel">How to share the distances among threads.</param>
    /// <returns>Null if a sample has fewer than two members.</returns>
    public static (double Distance, double P)? Measure(
        int first,
        int all,
        Func<int, int, double> distance,
        int permutations,
        ref SplitMix64 generator,
        ParallelOptions parallel)
    {
        if (first < 2 || all - first < 2)
        {
            return null;
        }
        double[] distances = new double[all * all];
        Parallel.For(0, all, parallel, i =>
        {
            for (int j = 0; j < i; j++)
            {
                distances[(i * all) + j] = distance(i, j);
            }
        });
        double[] sums = new double[all];
        for (int i = 0; i < all; i++)
        {
            for (int j = 0; j < i; j++)
            {
                distances[(j * all) + i] = distances[(i * all) + j];
            }
        }
        for (int i = 0; i < all; i++)
        {
            sums[i] = distances.AsSpan(i * all, all).ToArray().Sum();
        }
        double total = sums.Sum();
        int[] order = [.. Enumerable.Range(0, all)];
        double observed = Energy();
        int above = 0;
        for (int p = 0; p < permutations; p++)
        {
            for (int i = 0; i < first; i++)
            {
                int other = i + generator.NextInt(all - i);
                (order[i], order[other]) = (order[other], order[i]);
            }
            above += Energy() >= observed - Rounding ? 1 : 0;
        }
        return (observed, (1.0 + above) / (permutations + 1));

        double Energy()
        {
            double rows = 0;
            double within = 0;
            for (int i = 0; i < first; i++)
            {
                rows += sums[order[i]];
                for (int j = 0; j < i; j++)
                {
                    within += 2 * distances[(order[i] * all) + order[j]];
                }
            }
            double m = first;
            double n = all - first;
            return (2 * (rows - within) / (m * n)) - (within / (m * (m - 1)))
                - ((total - (2 * rows) + within) / (n * (n - 1)));
        }
    }
}
