using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Rows plus sparse sums of the rows of a matrix: the decoding of many tokens.
/// <code>
/// Y[r] = Y[r] + Σ_s value[s]·M[column[s]],  slots s of row r ascending, one chain of fused multiply-adds an element
/// Y [rows, width], M [columns, width], row-major
/// </code>
/// Items: rows.
/// </summary>
internal readonly unsafe struct SparseAddKernel : IKernel
{
    private readonly int* _starts;
    private readonly int* _counts;
    private readonly int* _columns;
    private readonly float* _values;
    private readonly float* _matrix;
    private readonly int _width;
    private readonly float* _y;

    private SparseAddKernel(
        int* starts, int* counts, int* columns, float* values, float* matrix, int width, float* y)
    {
        _starts = starts;
        _counts = counts;
        _columns = columns;
        _values = values;
        _matrix = matrix;
        _width = width;
        _y = y;
    }

    /// <summary>Adds to Y.</summary>
    public static void Run(WorkerPool pool, SparseRows rows, ReadOnlySpan<float> matrix, int width, Span<float> y)
    {
        Shape.Require(y.Length >= (long)rows.Rows * width);
        fixed (int* starts = rows.Starts, counts = rows.Counts, columns = rows.Columns)
        {
            fixed (float* values = rows.Values, m = matrix, py = y)
            {
                var kernel = new SparseAddKernel(starts, counts, columns, values, m, width, py);
                pool.Run(ref kernel, rows.Rows, rows.Count * width);
            }
        }
    }

    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            int start = _starts[row];
            WeightedSum.Add<T>(
                _columns + start, null, _values + start, _counts[row], _matrix, _width, _y + ((long)row * _width));
        }
    }
}

/// <summary>y += Σ_e value[e]·M[row[e]], the inner loop of sparse sums.</summary>
internal static unsafe class WeightedSum
{
    /// <summary>Adds to y, [width]; with slots, entry e has the value of slots[e].</summary>
    [MethodImpl(KernelCode.Loop)]
    public static void Add<T>(int* rows, int* slots, float* values, int count, float* matrix, int width, float* y)
        where T : struct, ILanes<T>
    {
        const int Four = 4 * Lanes.Count;
        int i = 0;
        for (; i + Four <= width; i += Four)
        {
            T a = T.Load(y + i);
            T b = T.Load(y + i + Lanes.Count);
            T c = T.Load(y + i + (2 * Lanes.Count));
            T d = T.Load(y + i + (3 * Lanes.Count));
            for (int e = 0; e < count; e++)
            {
                float* row = matrix + ((long)rows[e] * width) + i;
                T value = T.Broadcast(values[slots is null ? e : slots[e]]);
                a = T.Fma(value, T.Load(row), a);
                b = T.Fma(value, T.Load(row + Lanes.Count), b);
                c = T.Fma(value, T.Load(row + (2 * Lanes.Count)), c);
                d = T.Fma(value, T.Load(row + (3 * Lanes.Count)), d);
            }

            a.Store(y + i);
            b.Store(y + i + Lanes.Count);
            c.Store(y + i + (2 * Lanes.Count));
            d.Store(y + i + (3 * Lanes.Count));
        }

        for (; i + Lanes.Count <= width; i += Lanes.Count)
        {
            T a = T.Load(y + i);
            for (int e = 0; e < count; e++)
            {
                T value = T.Broadcast(values[slots is null ? e : slots[e]]);
                a = T.Fma(value, T.Load(matrix + ((long)rows[e] * width) + i), a);
            }

            a.Store(y + i);
        }

        for (; i < width; i++)
        {
            for (int e = 0; e < count; e++)
            {
                float value = values[slots is null ? e : slots[e]];
                y[i] = MathF.FusedMultiplyAdd(value, matrix[((long)rows[e] * width) + i], y[i]);
            }
        }
    }
}
