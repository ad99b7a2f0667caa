using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class RotaryKernelTests
{
    /// <summary>Dimensions that turn, and a head's width.</summary>
    public static TheoryData<int, int> Shapes => new() { { 2, 2 }, { 4, 10 }, { 12, 12 }, { 32, 32 }, { 64, 80 }, { 70, 96 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Heads_turn_as_the_formula_says_at_every_width(int dims, int dHead)
    {
        const int Rows = 9;
        const int Heads = 3;
        int stride = (Heads * dHead) + 5;
        float[] frequencies = [.. Enumerable.Range(0, dims / 2).Select(i => (float)Math.Pow(100, -2.0 * i / dims))];
        float[] turns = new float[Rows * dims];
        for (int row = 0; row < Rows; row++)
        {
            RotaryKernel.Turns(1000 * row, frequencies, turns.AsSpan(row * dims, dims));
        }

        float[] x = RandomFloats.Of(1, Rows * stride);
        float[] y = Bits.AtEveryWidth($"turn of {dims}", pool =>
        {
            float[] result = [.. x];
            RotaryKernel.Run(pool, result, stride, Heads, dHead, turns, dims, Rows);
            return result;
        });
        for (int row = 0; row < Rows; row++)
        {
            for (int i = 0; i < stride; i++)
            {
                int at = i % dHead;
                int pair = at % (dims / 2);
                double expected = x[(row * stride) + i];
                if (i < Heads * dHead && at < dims)
                {
                    float angle = 1000 * row * frequencies[pair]; // in float32, as it is specified
                    double a = x[(row * stride) + i - at + pair];
                    double b = x[(row * stride) + i - at + pair + (dims / 2)];
                    expected = at < dims / 2
                        ? (a * Math.Cos(angle)) - (b * Math.Sin(angle))
                        : (b * Math.Cos(angle)) + (a * Math.Sin(angle));
                }

                Assert.Equal(expected, y[(row * stride) + i], 3e-7); // three roundings of values below 2
            }
        }
    }

    [Fact]
    public void Position_zero_changes_nothing()
    {
        float[] turns = new float[12];
        RotaryKernel.Turns(0, new float[] { 1f, 0.5f, 0.25f, 0.1f, 0.01f, 0.001f }, turns);
        float[] x = RandomFloats.Of(1, 24);
        float[] y = [.. x];
        RotaryKernel.Run(WorkerPool.Shared, y, 24, 2, 12, turns, 12, 1);
        Bits.Same(x, y, "position 0");
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        const int Rows = 64;
        float[] x = RandomFloats.Of(1, Rows * 256);
        float[] turns = RandomFloats.Of(2, Rows * 32);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] y = [.. x];
            RotaryKernel.Run(pool, y, 256, 8, 32, turns, 32, Rows);
            alone ??= y;
            Bits.Same(alone, y, $"{threads} threads");
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        float[] x = new float[32];
        WorkerPool pool = WorkerPool.Shared;
        Assert.Throws<ArgumentException>(() => RotaryKernel.Run(pool, x, 32, 2, 16, x, 5, 1));
        Assert.Throws<ArgumentException>(() => RotaryKernel.Run(pool, x, 32, 2, 16, x, 18, 1));
        Assert.Throws<ArgumentException>(() => RotaryKernel.Run(pool, x, 32, 3, 16, x, 16, 1));
        Assert.Throws<ArgumentException>(() => RotaryKernel.Run(pool, x, 32, 2, 16, x, 16, 3));
    }
}
