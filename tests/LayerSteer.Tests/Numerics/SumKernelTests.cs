using CsCheck;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class SumKernelTests
{
    [Fact]
    public void A_sum_of_rows_is_one_chain_for_each_element_at_every_width() => Gen
        .Select(Gen.Int[1, 100], Gen.Int[1, 12], Gen.Int[0, 20])
        .Sample(
            (width, matrixRows, count) =>
            {
                using var matrix = new NativeBuffer((long)width * matrixRows);
                RandomFloats.Of(1, width * matrixRows).CopyTo(matrix.Span(0, width * matrixRows));
                float[] weights = RandomFloats.Of(2, count);
                int[] rows = [.. Enumerable.Range(0, count).Select(i => i * 7 % matrixRows)];
                float[] expected = new float[width];
                for (int i = 0; i < width; i++)
                {
                    for (int j = 0; j < count; j++)
                    {
                        float element = matrix.Span(((long)rows[j] * width) + i, 1)[0];
                        expected[i] = MathF.FusedMultiplyAdd(weights[j], element, expected[i]);
                    }
                }

                float[] sum = Bits.AtEveryWidth("sum of rows", pool =>
                {
                    float[] y = new float[width];
                    RowSumKernel.Run(pool, matrix, width, rows, weights, y);
                    return y;
                });
                Bits.Same(expected, sum, "sum of rows");
            },
            iter: 100,
            threads: 1);

    [Fact]
    public void A_sum_of_rows_is_the_same_with_any_number_of_threads()
    {
        const int Width = 1000;
        using var matrix = new NativeBuffer(Width * 50);
        RandomFloats.Of(1, Width * 50).CopyTo(matrix.Span(0, Width * 50));
        int[] rows = [.. Enumerable.Range(0, 50)];
        float[] weights = RandomFloats.Of(2, 50);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] y = new float[Width];
            RowSumKernel.Run(pool, matrix, Width, rows, weights, y);
            alone ??= y;
            Bits.Same(alone, y, $"{threads} threads");
        }
    }

    [Fact]
    public void A_row_outside_the_matrix_is_refused()
    {
        using var matrix = new NativeBuffer(20);
        WorkerPool pool = WorkerPool.Shared;
        Assert.Throws<ArgumentException>(() => RowSumKernel.Run(pool, matrix, 10, [2], [1f], new float[10]));
        Assert.Throws<ArgumentException>(() => RowSumKernel.Run(pool, matrix, 10, [-1], [1f], new float[10]));
        Assert.Throws<ArgumentException>(() => RowSumKernel.Run(pool, matrix, 10, [1], [1f], new float[9]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(70_001)]
    public void Adding_adds_element_by_element(int length)
    {
        float[] x = RandomFloats.Of(1, length);
        float[] y = RandomFloats.Of(2, length);
        float[] expected = [.. x.Zip(y, (a, b) => b + a)];
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] sum = [.. y];
            AddKernel.Run(pool, sum, x);
            Bits.Same(expected, sum, $"{threads} threads");
        }

        Bits.Same(expected, Bits.AtEveryWidth("sum", pool =>
        {
            float[] sum = [.. y];
            AddKernel.Run(pool, sum, x);
            return sum;
        }), "sum");
    }

    [Fact]
    public void Adding_two_lengths_is_refused() =>
        Assert.Throws<ArgumentException>(() => AddKernel.Run(WorkerPool.Shared, new float[3], new float[4]));
}
