using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>
/// Clusters of unit vectors by cosine (Dhillon and Modha 2001), begun as k-means++ (Arthur and Vassilvitskii 2007):
/// <code>
/// start:  the first centre is a random point; each next one is drawn with probability ∝ 1 − cos to the nearest centre
/// repeat: each point goes to the centre of largest cosine, ties to the lower; centre = Σ points / ‖Σ points‖
/// until no point moves, or for a number of rounds
/// </code>
/// A centre that loses all its points stays where it was. The same seed gives the same clusters with any number of
/// threads.
/// </summary>
public static class SphericalKMeans
{
    /// <summary>Clusters points.</summary>
    /// <param name="points">Vectors of length 1, all of one width; at least <paramref name="clusters"/>.</param>
    /// <param name="clusters">How many clusters, at least 1.</param>
    /// <param name="seed">Of the start.</param>
    /// <param name="rounds">The most rounds.</param>
    /// <param name="threads">How many threads; null for all.</param>
    /// <returns>The cluster of each point, and the centres.</returns>
    public static (int[] ClusterOf, double[][] Centres) Run(
        IReadOnlyList<float[]> points, int clusters, ulong seed, int rounds = 50, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(points);
        ArgumentOutOfRangeException.ThrowIfLessThan(clusters, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(points.Count, clusters);
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads ?? Environment.ProcessorCount };
        double[][] centres = Start(points, clusters, seed, options);
        int[] own = new int[points.Count];
        Array.Fill(own, -1);
        int[] nearest = new int[points.Count];
        for (int round = 0; round < rounds; round++)
        {
            Parallel.For(0, points.Count, options, i => nearest[i] = Nearest(points[i], centres));
            if (nearest.AsSpan().SequenceEqual(own))
            {
                break;
            }

            nearest.CopyTo(own, 0);
            Move(points, own, centres);
        }

        return (own, centres);
    }

    /// <summary>Σ a_i b_i in double.</summary>
    internal static double Cosine(float[] point, double[] centre)
    {
        double sum = 0;
        for (int i = 0; i < centre.Length; i++)
        {
            sum += point[i] * centre[i];
        }

        return sum;
    }

    private static double[][] Start(
        IReadOnlyList<float[]> points, int clusters, ulong seed, ParallelOptions options)
    {
        var generator = new SplitMix64(seed);
        var centres = new double[clusters][];
        double[] away = new double[points.Count];
        Array.Fill(away, 2);
        int chosen = generator.NextInt(points.Count);
        for (int k = 0; k < clusters; k++)
        {
            double[] centre = [.. points[chosen].Select(value => (double)value)];
            centres[k] = centre;
            Parallel.For(
                0, points.Count, options,
                i => away[i] = Math.Min(away[i], Math.Max(0, 1 - Cosine(points[i], centre))));
            away[chosen] = 0;
            double left = away.Sum() * generator.NextDouble();
            chosen = 0;
            for (int i = 0; i < away.Length && left >= 0; i++)
            {
                chosen = away[i] > 0 ? i : chosen;
                left -= away[i];
            }
        }

        return centres;
    }

    private static int Nearest(float[] point, double[][] centres)
    {
        int best = 0;
        double most = double.NegativeInfinity;
        for (int k = 0; k < centres.Length; k++)
        {
            double cosine = Cosine(point, centres[k]);
            if (cosine > most)
            {
                (most, best) = (cosine, k);
            }
        }

        return best;
    }

    private static void Move(IReadOnlyList<float[]> points, int[] own, double[][] centres)
    {
        int width = centres[0].Length;
        double[][] sums = [.. centres.Select(_ => new double[width])];
        for (int i = 0; i < own.Length; i++)
        {
            double[] sum = sums[own[i]];
            for (int j = 0; j < width; j++)
            {
                sum[j] += points[i][j];
            }
        }

        for (int k = 0; k < centres.Length; k++)
        {
            double norm = Math.Sqrt(sums[k].Sum(value => value * value));
            if (norm > 0)
            {
                centres[k] = [.. sums[k].Select(value => value / norm)];
            }
        }
    }
}
