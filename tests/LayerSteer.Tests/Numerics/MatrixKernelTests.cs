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
        WeightMatrix fromRows = WeightMatrix.FromRows(
            store, "rows", WeightType.F32, Outputs, Inputs, Reader(rows));
        WeightMatrix fromColumns = WeightMatrix.FromColumns(
            store, "columns", WeightType.F32, Outputs, Inputs, Reader(columns));
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
            Assert.Equal("broken", Assert.Throws<InvalidDataException>(() => pack(store, Guid.NewGuid().ToString(), WeightType.F32, 40, 3, broken)).Message);
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

    [Fact]
    public void Bfloat16_weights_are_the_nearest_and_stored_ones_are_kept()
    {
        float[] stored = [1f, -1.0078125f, 3.0e38f, 1e-40f, 0f, -0f, 0.33398438f];
        float[] others = [1.00390625f, 1.01171875f, 1.004f, -2.001f, 1e-45f, 65536.5f, 0.1f];
        float[] nearest = [1f, 1.015625f, 1.0078125f, -2f, 0f, 65536f, 0.10009765625f];
        using var store = new WeightStore();
        float[] row = new float[7];
        WeightMatrix.FromRows(store, "stored", WeightType.BF16, 1, 7, Reader(Widened(stored))).CopyRow(0, row);
        Bits.Same(Widened(stored), row, "stored as bfloat16");
        WeightMatrix.FromRows(store, "others", WeightType.BF16, 1, 7, Reader(others)).CopyRow(0, row);
        Bits.Same(nearest, row, "rounded");
    }

    [Fact]
    public void A_weight_beyond_bfloat16_is_refused()
    {
        using var store = new WeightStore();
        Assert.Equal(
            "a weight of 3.4028235E+38 does not fit bfloat16; use f32",
            Assert.Throws<NotSupportedException>(() =>
                WeightMatrix.FromRows(store, "w", WeightType.BF16, 1, 1, Reader([float.MaxValue]))).Message);
    }

    [Fact]
    public void Int8_weights_are_within_half_a_step_of_the_stored_ones()
    {
        const int Outputs = 37;
        const int Inputs = 71;
        float[] w = RandomFloats.Of(1, Outputs * Inputs);
        w.AsSpan(3 * Inputs, Inputs).Clear();
        using var store = new WeightStore();
        WeightMatrix weights = WeightMatrix.FromRows(store, "w", WeightType.I8, Outputs, Inputs, Reader(w));
        float[] row = new float[Inputs];
        for (int output = 0; output < Outputs; output++)
        {
            weights.CopyRow(output, row);
            float[] expected = w[(output * Inputs)..((output + 1) * Inputs)];
            float step = expected.Max(MathF.Abs) / 127f;
            for (int k = 0; k < Inputs; k++)
            {
                Assert.InRange(MathF.Abs(row[k] - expected[k]), 0f, step * 0.50001f);
            }
        }
    }

    [Theory]
    [InlineData(768)]
    [InlineData(3072)]
    [InlineData(16384)]
    public void Int8_sums_of_the_largest_inputs_do_not_wrap(int inputs)
    {
        using var store = new WeightStore();
        WeightMatrix weights = WeightMatrix.FromRows(store, "w", WeightType.I8, 2, inputs, (start, to) =>
            to.Fill(1f));
        float[] x = [.. Enumerable.Repeat(-3f, inputs)];
        float[] y = new float[2];
        foreach (WorkerPool pool in Bits.Pools)
        {
            MatrixKernel.Run(pool, weights, [], x, y, 1);
            Assert.InRange(y[0], -3f * inputs * 1.00001f, -3f * inputs * 0.99999f);
            Assert.Equal(y[0], y[1]);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void An_input_that_is_not_finite_makes_all_int8_outputs_of_its_row_NaN(float bad)
    {
        using var store = new WeightStore();
        WeightMatrix weights = WeightMatrix.FromRows(
            store, "w", WeightType.I8, 20, 40, Reader(RandomFloats.Of(1, 800)));
        float[] x = RandomFloats.Of(3, 3 * 40);
        x[57] = bad;
        foreach (WorkerPool pool in Bits.Pools)
        {
            float[] y = Product(pool, weights, [], x, 3);
            Assert.All(y[..20], value => Assert.True(float.IsFinite(value)));
            Assert.All(y[20..40], value => Assert.True(float.IsNaN(value)));
            Assert.All(y[40..], value => Assert.True(float.IsFinite(value)));
        }
    }

    private static float[] Widened(float[] values) =>
        [.. values.Select(v => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(v) & ~0xFFFF))];

    private static void CheckAgainstChains(int rows, int outputs, int inputs, bool withBias)
    {
        foreach (WeightType type in Enum.GetValues<WeightType>())
        {
            CheckAgainstChains(type, rows, outputs, inputs, withBias);
        }
    }

    private static void CheckAgainstChains(WeightType type, int rows, int outputs, int inputs, bool withBias)
    {
        using var store = new WeightStore();
        float[] w = RandomFloats.Of(1, outputs * inputs);
        WeightMatrix weights = WeightMatrix.FromRows(store, "w", type, outputs, inputs, Reader(w));
        float[] bias = withBias ? RandomFloats.Of(2, outputs) : [];
        float[] x = RandomFloats.Of(3, rows * inputs);
        float[] expected = new float[rows * outputs];
        for (int output = 0; output < outputs; output++)
        {
            float[] row = w[(output * inputs)..((output + 1) * inputs)];
            if (type == WeightType.BF16)
            {
                weights.CopyRow(output, row);
            }

            for (int i = 0; i < rows; i++)
            {
                ReadOnlySpan<float> input = x.AsSpan(i * inputs, inputs);
                float y = type == WeightType.I8 ? IntegerProduct(row, input) : Chain(row, input);
                expected[(i * outputs) + output] = withBias ? y + bias[output] : y;
            }
        }

        for (int i = 0; i < Bits.Pools.Length; i++)
        {
            float[] y = Product(Bits.Pools[i], weights, bias, x, rows);
            Bits.Same(expected, y, $"{type} [{rows}, {inputs}] x [{inputs}, {outputs}] at {Bits.Widths[i]} bits");
        }
    }

    private static float Chain(ReadOnlySpan<float> w, ReadOnlySpan<float> x)
    {
        float sum = 0f;
        for (int k = 0; k < w.Length; k++)
        {
            sum = MathF.FusedMultiplyAdd(x[k], w[k], sum);
        }

        return sum;
    }

    /// <summary>The formulas of <see cref="Int8Format"/> and <see cref="QuantiseKernel"/>, one number at a time.</summary>
    private static float IntegerProduct(ReadOnlySpan<float> w, ReadOnlySpan<float> x)
    {
        float weightScale = Largest(w) / 127f;
        float bound = Math.Min(32767, int.MaxValue / 127 / x.Length);
        float inputScale = Largest(x) / bound;
        float inverse = bound / Largest(x);
        long sum = 0;
        for (int k = 0; k < w.Length; k++)
        {
            sum += (long)Math.Round((double)w[k] / weightScale) * (long)Math.Round((double)x[k] * inverse);
        }

        return sum * (weightScale * inputScale);
    }

    private static float Largest(ReadOnlySpan<float> values)
    {
        float largest = 0f;
        foreach (float value in values)
        {
            largest = MathF.Max(largest, MathF.Abs(value));
        }

        return largest;
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
        WeightMatrix.FromRows(
            store, "w", WeightType.F32, outputs, inputs, Reader(RandomFloats.Of(1, outputs * inputs)));

    private static ElementReader Reader(float[] values) =>
        (start, destination) => values.AsSpan((int)start, destination.Length).CopyTo(destination);
}
