using System.Runtime.InteropServices;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>Values of alternating rounds. A shared machine changes by the second, so the median counts.</summary>
internal sealed class Measured
{
    private readonly List<double> _values = [];

    public double Median
    {
        get
        {
            double[] sorted = [.. _values.Order()];
            return sorted[sorted.Length / 2];
        }
    }

    public static string Machine =>
        $"{Environment.ProcessorCount} cores, {RuntimeInformation.ProcessArchitecture}, "
        + $"{WorkerPool.VectorBits}-bit registers, {RuntimeInformation.FrameworkDescription}";

    public void Add(double value) => _values.Add(value);

    /// <summary>Median, and least and most in brackets.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Median:F2} [{_values.Min():F2} .. {_values.Max():F2}]");
}
