namespace LayerSteer.Topics;

/// <summary>The distances of the reference prompts to their nearest alignment text, each 0 to 2.</summary>
/// <param name="Min">The smallest: how near the reference list comes to the topic.</param>
/// <param name="Mean">The mean.</param>
/// <param name="Median">The median; of an even number the mean of the middle two.</param>
/// <param name="Max">The largest.</param>
public sealed record DistanceStatistics(double Min, double Mean, double Median, double Max)
{
    /// <summary>The statistics of some distances.</summary>
    /// <param name="distances">At least one.</param>
    /// <returns>Their minimum, mean, median and maximum.</returns>
    public static DistanceStatistics Of(ReadOnlySpan<double> distances)
    {
        ArgumentOutOfRangeException.ThrowIfZero(distances.Length);
        double[] sorted = distances.ToArray();
        Array.Sort(sorted);
        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new DistanceStatistics(sorted[0], sorted.Sum() / sorted.Length, median, sorted[^1]);
    }
}
