using System.Text.Json.Nodes;

namespace LayerSteer.Cli;

/// <summary>Repeated measurements of one thing.</summary>
/// <param name="Key">Its name for programs.</param>
/// <param name="Name">What was done.</param>
/// <param name="Unit">What the time is for: "token".</param>
/// <param name="Units">How many units all items have together.</param>
/// <param name="Milliseconds">The time for one unit, a number a measurement; at least one.</param>
internal sealed record Timing(string Key, string Name, string Unit, long Units, IReadOnlyList<double> Milliseconds)
{
    public int Count => Milliseconds.Count;

    public double Mean => Milliseconds.Average();

    /// <summary>The sample standard deviation; 0 of one measurement.</summary>
    public double StandardDeviation
    {
        get
        {
            double mean = Mean;
            return Count < 2 ? 0 : Math.Sqrt(Milliseconds.Sum(ms => (ms - mean) * (ms - mean)) / (Count - 1));
        }
    }

    /// <summary>Half the width of the 95 % interval of the mean, 1.96·sd/√n, as the seed computes it.</summary>
    public double HalfWidth => 1.96 * StandardDeviation / Math.Sqrt(Count);

    public double Median
    {
        get
        {
            double[] sorted = [.. Milliseconds.Order()];
            return (sorted[(Count - 1) / 2] + sorted[Count / 2]) / 2;
        }
    }

    public JsonObject ToJson() => new()
    {
        ["per"] = Unit,
        ["units"] = Units,
        ["mean_ms"] = Mean,
        ["half_width_ms"] = HalfWidth,
        ["sd_ms"] = StandardDeviation,
        ["median_ms"] = Median,
        ["n"] = Count,
    };
}
