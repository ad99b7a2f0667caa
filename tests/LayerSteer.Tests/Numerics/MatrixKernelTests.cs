using CsCheck;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class MatrixKernelTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(15, 3)]
    [InlineData(16, 255)]
    [InlineData(17, 256)]
    [InlineData(33, 257)]
    [InlineData(48, 520)]
    [InlineData(100, 769)]
    public void Every_output_is_one_chain_of_fused_multiply_adds(int outputs, int inputs)
    {
        int[] rowCounts = [.. Enumerable.Range(1, 13), 95, 96, 97, 103, 193];
        foreach (int rows in rowCounts)
        {
            CheckAgainstChains(rows, outputs, inputs, withBias: rows % 2 == 1);
        }
    }

    [Fact]
    public void Every_output_is_one_chain_at_any_shape() => Gen
        .Select(Gen.Int[1, 40], Gen.Int[1, 70], Gen.Int[1, 600], Gen.Bool)
        .Sample(CheckAgainstChains, iter: 60, threads: 1);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(14)]
    [InlineData(130)]
    public void Any_number_of_threads_gives_the_same_bits(int rows)
    {
        const int Outputs = 150;
        const int Inputs = 300;
        using var store = new WeightStore();
        WeightMatrix weights = Packed(store, Outputs, Inputs);
        float[] bias = RandomFloats.Of(2, Outputs);
        float[] x = RandomFloats.Of(3, rows * Inputs);
        float[]? alone = null;
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            float[] y = Product(pool, weights, bias, x, rows);
            alone ??= y;
            Bits.Same(alone, y, $"{threads} threads");
        }
    }

    [Fact]
    public void A_row_among_others_has_the_bits_of_the_row_alone()
    {
        const int Rows = 29;
        const int Outputs = 45;
        const int Inputs = 530;
        using var store = new WeightStore();
        WeightMatrix weights = Packed(store, Outputs, Inputs);
        float[] x = RandomFloats.Of(3, Rows * Inputs);
        float[] together = Product(WorkerPool.Shared, weights, [], x, Rows);
        for (int row = 0; row < Rows; row++)
        {
            float[] alone = Product(WorkerPool.Shared, weights, [], x.AsSpan(row * Inputs, Inputs), 1);
            Bits.Same(alone, together.AsSpan(row * Outputs, Outputs), $"row {row}");
        }
    }

    [Fact]
    public void Rows_and_columns_on_disk_pack_to_the_same_weights()
    {
        const int Outputs = 37;
        const int Inputs = 21;
        float[] rows = RandomFloats.Of(4, Outputs * Inputs);
        float[] columns = new float[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            columns[(i % Inputs * Outputs) + (i / Inputs)] = rows[i];
        }

        using var store = new WeightStore();
        WeightMatrix fromRows = WeightMatrix.FromRows(store, Outputs, Inputs, Reader(rows));
        WeightMatrix fromColumns = WeightMatrix.FromColumns(store, Outputs, Inputs, Reader(columns));
        float[] row = new float[Inputs];
        for (int output = 0; output < Outputs; output++)
        {
            fromRows.CopyRow(output, row);
            Bits.Same(rows.AsSpan(output * Inputs, Inputs), row, $"row {output}");
            fromColumns.CopyRow(output, row);
            Bits.Same(rows.AsSpan(output * Inputs, Inputs), row, $"column {output}");
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => fromRows.CopyRow(Outputs, row));
    }

    [Fact]
    public void A_failing_reader_fails_the_packing_with_its_own_error()
    {
        using var store = new WeightStore();
        ElementReader broken = (_, _) => throw new InvalidDataException("broken");
        foreach (var pack in new[] { WeightMatrix.FromRows, WeightMatrix.FromColumns })
        {
            Assert.Equal("broken", Assert.Throws<InvalidDataException>(() => pack(store, 40, 3, broken)).Message);
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var store = new WeightStore();
        WeightMatrix weights = Packed(store, 20, 10);
        float[] twenty = new float[20];
        float[] ten = new float[10];
        Assert.Throws<ArgumentException>(() => MatrixKernel.Run(WorkerPool.Shared, weights, ten, ten, twenty, 1));
        Assert.Throws<ArgumentException>(() => MatrixKernel.Run(WorkerPool.Shared, weights, twenty, ten, twenty, 2));
        Assert.Throws<ArgumentException>(() => MatrixKernel.Run(WorkerPool.Shared, weights, twenty, ten, ten, 1));
    }

    private static void CheckAgainstChains(int rows, int outputs, int inputs, bool withBias)
    {
        using var store = new WeightStore();
        float[] w = RandomFloats.Of(1, outputs * inputs);
        WeightMatrix weights = WeightMatrix.FromRows(store, outputs, inputs, Reader(w));
        float[] bias = withBias ? RandomFloats.Of(2, outputs) : [];
        float[] x = RandomFloats.Of(3, rows * inputs);
        float[] expected = new float[rows * outputs];
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < outputs; output++)
            {
                float sum = 0f;
                for (int k = 0; k < inputs; k++)
                {
                    sum = MathF.FusedMultiplyAdd(x[(row * inputs) + k], w[(output * inputs) + k], sum);
                }

                expected[(row * outputs) + output] = withBias ? sum + bias[output] : sum;
            }
        }

        for (int i = 0; i < Bits.Pools.Length; i++)
        {
            float[] y = Product(Bits.Pools[i], weights, bias, x, rows);
            Bits.Same(expected, y, $"[{rows}, {inputs}] x [{inputs}, {outputs}] at {Bits.Widths[i]} bits");
        }
    }

    private static float[] Product(
        WorkerPool pool, WeightMatrix weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> x, int rows)
    {
        float[] y = new float[rows * weights.Outputs];
        Array.Fill(y, float.NaN);
        MatrixKernel.Run(pool, weights, bias, x, y, rows);
        return y;
    }

    private static WeightMatrix Packed(WeightStore store, int outputs, int inputs) =>
        WeightMatrix.FromRows(store, outputs, inputs, Reader(RandomFloats.Of(1, outputs * inputs)));

    private static ElementReader Reader(float[] values) =>
        (start, destination) => values.AsSpan((int)start, destination.Length).CopyTo(destination);
}
