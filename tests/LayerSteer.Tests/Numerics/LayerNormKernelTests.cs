using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public unsafe class LayerNormKernelTests
{
    private const float Epsilon = 1e-5f;

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(40)]
    [InlineData(64)]
    [InlineData(771)]
    public void Rows_are_normalised_as_the_formula_says_at_every_width(int d)
    {
        const int Rows = 5;
        float[] x = RandomFloats.Of(1, Rows * d, 3f);
        float[] weight = RandomFloats.Of(2, d);
        float[] bias = RandomFloats.Of(3, d);
        float[] y = Bits.AtEveryWidth($"norm of {d}", pool =>
        {
            float[] result = new float[x.Length];
            LayerNormKernel.Run(pool, x, result, weight, bias, Rows, Epsilon);
            return result;
        });
        for (int row = 0; row < Rows; row++)
        {
            double[] values = [.. x.Skip(row * d).Take(d).Select(v => (double)v)];
            double mean = values.Average();
            double variance = values.Average(v => (v - mean) * (v - mean));
            for (int i = 0; i < d; i++)
            {
                double expected = ((values[i] - mean) / Math.Sqrt(variance + Epsilon) * weight[i]) + bias[i];
                Assert.Equal(expected, y[(row * d) + i], 2e-6); // a few roundings of values below 4
            }
        }
    }

    [Fact]
    public void The_result_may_replace_its_input()
    {
        const int D = 70;
        float[] x = RandomFloats.Of(1, 3 * D);
        float[] weight = RandomFloats.Of(2, D);
        float[] bias = RandomFloats.Of(3, D);
        float[] y = new float[x.Length];
        LayerNormKernel.Run(WorkerPool.Shared, x, y, weight, bias, 3, Epsilon);
        LayerNormKernel.Run(WorkerPool.Shared, x, x, weight, bias, 3, Epsilon);
        Bits.Same(y, x, "in place");
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        const int D = 130;
        const int Rows = 101;
        float[] x = RandomFloats.Of(1, Rows * D);
        float[] weight = RandomFloats.Of(2, D);
        float[] bias = RandomFloats.Of(3, D);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] y = new float[x.Length];
            LayerNormKernel.Run(pool, x, y, weight, bias, Rows, Epsilon);
            alone ??= y;
            Bits.Same(alone, y, $"{threads} threads");
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        float[] eight = new float[8];
        float[] seven = new float[7];
        WorkerPool pool = WorkerPool.Shared;
        Assert.Throws<ArgumentException>(() => LayerNormKernel.Run(pool, eight, eight, eight, seven, 1, Epsilon));
        Assert.Throws<ArgumentException>(() => LayerNormKernel.Run(pool, eight, eight, eight, eight, 2, Epsilon));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(33)]
    [InlineData(1000)]
    public void Mean_and_deviations_are_sixteen_sums_that_meet_in_one_tree(int length)
    {
        float[] x = RandomFloats.Of(7, length, 5f);
        float mean = Tree(x, v => v, square: false) / length;
        float deviations = Tree(x, v => v - mean, square: true);
        fixed (float* p = x)
        {
            float[] means =
            [
                Statistics.Mean<Lanes512>(p, length),
                Statistics.Mean<Lanes256>(p, length),
                Statistics.Mean<Lanes128>(p, length),
                Statistics.Mean<ScalarLanes>(p, length),
            ];
            float[] squares =
            [
                Statistics.SquaredDeviations<Lanes512>(p, length, mean),
                Statistics.SquaredDeviations<Lanes256>(p, length, mean),
                Statistics.SquaredDeviations<Lanes128>(p, length, mean),
                Statistics.SquaredDeviations<ScalarLanes>(p, length, mean),
            ];
            Bits.Same([mean, mean, mean, mean], means, "mean");
            Bits.Same([deviations, deviations, deviations, deviations], squares, "squared deviations");
        }

        Assert.Equal(new RowStatistics(mean, deviations), StatisticsKernel.Of(x));
    }

    [Fact]
    public void One_value_that_is_not_finite_is_found_wherever_it_is()
    {
        float[] x = RandomFloats.Of(9, 45, float.MaxValue);
        AssertFinite(x, true);
        AssertFinite([], true);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            for (int i = 0; i < x.Length; i++)
            {
                float good = x[i];
                x[i] = bad;
                AssertFinite(x, false);
                x[i] = good;
            }
        }
    }

    private static void AssertFinite(float[] x, bool expected)
    {
        Assert.Equal(expected, StatisticsKernel.AllFinite(x));
        fixed (float* p = x)
        {
            Assert.Equal(expected, Statistics.AllFinite<Lanes512>(p, x.Length));
            Assert.Equal(expected, Statistics.AllFinite<Lanes256>(p, x.Length));
            Assert.Equal(expected, Statistics.AllFinite<Lanes128>(p, x.Length));
            Assert.Equal(expected, Statistics.AllFinite<ScalarLanes>(p, x.Length));
        }
    }

    /// <summary>Lane i % 16 sums element i; then 16 → 8 → 4 → 2 → 1.</summary>
    private static float Tree(float[] x, Func<float, float> term, bool square)
    {
        float[] lanes = new float[16];
        for (int i = 0; i < x.Length; i++)
        {
            float v = term(x[i]);
            lanes[i % 16] = square ? MathF.FusedMultiplyAdd(v, v, lanes[i % 16]) : lanes[i % 16] + v;
        }

        for (int half = 8; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                lanes[i] += lanes[i + half];
            }
        }

        return lanes[0];
    }
}
