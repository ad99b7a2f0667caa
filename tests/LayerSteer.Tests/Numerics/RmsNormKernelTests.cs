using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class RmsNormKernelTests
{
    private const float Epsilon = 1e-6f;

    [Theory]
    [InlineData(1)]
    [InlineData(12)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(40)]
    [InlineData(771)]
    public void Rows_are_normalised_as_the_formula_says_at_every_width(int d)
    {
        const int Rows = 5;
        float[] x = RandomFloats.Of(1, Rows * d, 3f);
        float[] weight = RandomFloats.Of(2, d);
        float[] y = Bits.AtEveryWidth($"norm of {d}", pool =>
        {
            float[] result = new float[x.Length];
            RmsNormKernel.Run(pool, x, result, weight, d, Rows, Epsilon);
            return result;
        });
        for (int row = 0; row < Rows; row++)
        {
            double[] values = [.. x.Skip(row * d).Take(d).Select(v => (double)v)];
            double size = Math.Sqrt(values.Average(v => v * v) + Epsilon);
            for (int i = 0; i < d; i++)
            {
                Assert.Equal(values[i] / size * weight[i], y[(row * d) + i], 2e-6); // a few roundings of values below 4
            }
        }
    }

    [Theory]
    [InlineData(12)]
    [InlineData(40)]
    public void Weighing_afterwards_gives_the_same_bits(int d)
    {
        float[] x = RandomFloats.Of(1, 3 * d, 3f);
        float[] weight = RandomFloats.Of(2, d);
        float[] once = new float[x.Length];
        float[] twice = new float[x.Length];
        RmsNormKernel.Run(WorkerPool.Shared, x, once, weight, d, 3, Epsilon);
        RmsNormKernel.Run(WorkerPool.Shared, x, twice, [], d, 3, Epsilon);
        RmsNormKernel.Weigh(twice, weight, 3);
        Bits.Same(once, twice, "weighed afterwards");
    }

    [Fact]
    public void Parts_of_rows_are_normalised_like_rows_and_the_rest_is_left_alone()
    {
        const int D = 12;
        const int Parts = 3;
        const int Stride = 50;
        const int Rows = 4;
        float[] weight = RandomFloats.Of(2, D);
        float[] x = RandomFloats.Of(1, Rows * Stride, 3f);
        float[] y = Bits.AtEveryWidth("parts", pool =>
        {
            float[] result = [.. x];
            RmsNormKernel.RunParts(pool, result, Stride, Parts, weight, Rows, Epsilon);
            return result;
        });
        for (int row = 0; row < Rows; row++)
        {
            for (int part = 0; part < Parts; part++)
            {
                Span<float> own = x.AsSpan((row * Stride) + (part * D), D);
                RmsNormKernel.Run(WorkerPool.Shared, own, own, weight, D, 1, Epsilon);
            }
        }

        Bits.Same(x, y, "parts");
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits_and_the_result_may_replace_its_input()
    {
        const int D = 130;
        const int Rows = 101;
        float[] x = RandomFloats.Of(1, Rows * D);
        float[] weight = RandomFloats.Of(2, D);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] y = [.. x];
            RmsNormKernel.Run(pool, y, y, weight, D, Rows, Epsilon);
            alone ??= y;
            Bits.Same(alone, y, $"{threads} threads");
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        float[] eight = new float[8];
        WorkerPool pool = WorkerPool.Shared;
        Assert.Throws<ArgumentException>(() => RmsNormKernel.Run(pool, eight, eight, eight, 7, 1, Epsilon));
        Assert.Throws<ArgumentException>(() => RmsNormKernel.Run(pool, eight, eight, eight, 8, 2, Epsilon));
        Assert.Throws<ArgumentException>(() => RmsNormKernel.RunParts(pool, eight, 8, 2, eight, 1, Epsilon));
    }
}
