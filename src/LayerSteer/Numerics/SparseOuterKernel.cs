namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of a matrix whose rows were used sparsely:
/// <code>
/// C[c] = C[c] + Σ_e value[slot[e]]·X[row[e]],  entries e of column c, rows ascending, one chain an element
/// C [columns, width], X [rows, width], row-major
/// </code>
/// Items: columns.
/// </summary>
internal readonly unsafe struct SparseOuterKernel : IKernel
{
    private readonly int* _starts;
    private readonly int* _rows;
    private readonly int* _slots;
    private readonly float* _values;
    private readonly float* _x;
    private readonly int _width;
    private readonly float* _c;

    private SparseOuterKernel(int* starts, int* rows, int* slots, float* values, float* x, int width, float* c)
    {
        _starts = starts;
        _rows = rows;
        _slots = slots;
        _values = values;
        _x = x;
        _width = width;
        _c = c;
    }

    /// <summary>Adds to C.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="columns">Which rows each column has entries in.</param>
    /// <param name="values">The value of each slot.</param>
    /// <param name="x">X.</param>
    /// <param name="width">The width of X and C.</param>
    /// <param name="c">C.</param>
    public static void Run(
        WorkerPool pool,
        SparseColumns columns,
        ReadOnlySpan<float> values,
        ReadOnlySpan<float> x,
        int width,
        Span<float> c)
    {
        Shape.Require(c.Length >= (long)columns.Columns * width);
        fixed (int* starts = columns.Starts, rows = columns.Rows, slots = columns.Slots)
        {
            fixed (float* v = values, px = x, pc = c)
            {
                var kernel = new SparseOuterKernel(starts, rows, slots, v, px, width, pc);
                pool.Run(ref kernel, columns.Columns, (long)columns.Starts[columns.Columns] * width);
            }
        }
    }

    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int column = begin; column < end; column++)
        {
            int start = _starts[column];
            WeightedSum.Add<T>(
                _rows + start,
                _slots + start,
                _values,
                _starts[column + 1] - start,
                _x,
                _width,
                _c + ((long)column * _width));
        }
    }
}
