using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

/// <summary>Comparison to the bit, and the pools of every register width.</summary>
internal static class Bits
{
    /// <summary>The widths of the lane types; 32 is one scalar at a time.</summary>
    public static readonly int[] Widths = [512, 256, 128, 32];

    /// <summary>One pool a width, one thread each.</summary>
    public static readonly WorkerPool[] Pools = [.. Widths.Select(width => new WorkerPool(1, width))];

    public static void Same(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
            {
                Assert.Fail($"{what}[{i}]: expected {expected[i]:R}, found {actual[i]:R}");
            }
        }
    }

    /// <summary>Runs a kernel at every width and compares the results with the scalar lanes'; returns them.</summary>
    public static float[] AtEveryWidth(string what, Func<WorkerPool, float[]> run)
    {
        float[] scalar = run(Pools[^1]);
        for (int i = 0; i < Pools.Length - 1; i++)
        {
            Same(scalar, run(Pools[i]), $"{what} at {Widths[i]} bits");
        }

        return scalar;
    }
}
