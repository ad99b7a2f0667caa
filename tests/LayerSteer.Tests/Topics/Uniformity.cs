namespace LayerSteer.Tests.Topics;

/// <summary>The Kolmogorov-Smirnov test of p-values against the uniform distribution.</summary>
internal static class Uniformity
{
    /// <summary>The largest distance of the empirical distribution from the uniform one.</summary>
    public static double Distance(double[] p)
    {
        double[] sorted = [.. p.Order()];
        return sorted.Select((x, i) => Math.Max(((i + 1.0) / p.Length) - x, x - ((double)i / p.Length))).Max();
    }

    /// <summary>The distance that uniform values exceed one time in a thousand.</summary>
    public static double Limit(int count) => 1.95 / Math.Sqrt(count);
}
