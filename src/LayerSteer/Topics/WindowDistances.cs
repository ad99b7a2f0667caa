namespace LayerSteer.Topics;

/// <summary>Distances between texts that have one or more windows.</summary>
internal static class WindowDistances
{
    /// <summary>The least squared distance of any two windows.</summary>
    /// <param name="x">[windows, dEmbedding]</param>
    /// <param name="y">[windows, dEmbedding]</param>
    /// <param name="dEmbedding">The length of a vector.</param>
    public static double Least(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int dEmbedding)
    {
        double least = double.PositiveInfinity;
        for (int i = 0; i < x.Length; i += dEmbedding)
        {
            for (int j = 0; j < y.Length; j += dEmbedding)
            {
                least = Math.Min(
                    least, FeatureScorer.SquaredDistance(x.Slice(i, dEmbedding), y.Slice(j, dEmbedding)));
            }
        }
        return least;
    }

    /// <summary>The mean distance of their windows.</summary>
    public static double Mean(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int dEmbedding)
    {
        double sum = 0;
        for (int i = 0; i < x.Length; i += dEmbedding)
        {
            for (int j = 0; j < y.Length; j += dEmbedding)
            {
                sum += Math.Sqrt(FeatureScorer.SquaredDistance(x.Slice(i, dEmbedding), y.Slice(j, dEmbedding)));
            }
        }
        return sum / ((double)(x.Length / dEmbedding) * (y.Length / dEmbedding));
    }
}
