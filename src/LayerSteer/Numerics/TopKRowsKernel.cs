using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The k largest elements of each row of a matrix, ties to the lower column; of these only those above 0. Items: rows.
/// </summary>
internal readonly unsafe struct TopKRowsKernel : IKernel
{
    private readonly float* _matrix;
    private readonly int _width;
    private readonly int* _among;
    private readonly int _count;
    private readonly int _k;
    private readonly int* _starts;
    private readonly int* _counts;
    private readonly int* _columns;
    private readonly float* _values;

    private TopKRowsKernel(
        float* matrix, int width, int* among, int count, int k, int* starts, int* counts, int* columns, float* values)
    {
        _matrix = matrix;
        _width = width;
        _among = among;
        _count = count;
        _k = k;
        _starts = starts;
        _counts = counts;
        _columns = columns;
        _values = values;
    }

    /// <summary>Selects.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="matrix">[rows, width]; with <paramref name="among"/> it is overwritten.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="width">The number of columns.</param>
    /// <param name="among">The columns to choose from, ascending; empty for all.</param>
    /// <param name="k">How many of a row.</param>
    /// <param name="selected">Receives them.</param>
    public static void Run(
        WorkerPool pool,
        Span<float> matrix,
        int rows,
        int width,
        ReadOnlySpan<int> among,
        int k,
        SparseRows selected)
    {
        Shape.Require(matrix.Length >= (long)rows * width);
        selected.SetRows(rows);
        selected.SetRoom(k);
        fixed (int* a = among, starts = selected.Starts, counts = selected.Counts, columns = selected.Columns)
        {
            fixed (float* m = matrix, values = selected.Values)
            {
                int count = among.IsEmpty ? width : among.Length;
                var kernel = new TopKRowsKernel(
                    m, width, among.IsEmpty ? null : a, count, k, starts, counts, columns, values);
                pool.Run(ref kernel, rows, (long)rows * count);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            float* from = _matrix + ((long)row * _width);
            if (_among is not null)
            {
                // In place: the columns ascend, so that none is read after it was overwritten.
                for (int i = 0; i < _count; i++)
                {
                    from[i] = from[_among[i]];
                }
            }

            int start = _starts[row];
            int* columns = _columns + start;
            int found = TopK.Select(new ReadOnlySpan<float>(from, _count), new Span<int>(columns, _k));
            int kept = 0;
            for (int i = 0; i < found; i++)
            {
                int at = columns[i];
                if (from[at] > 0f)
                {
                    columns[kept] = _among is null ? at : _among[at];
                    _values[start + kept++] = from[at];
                }
            }

            _counts[row] = kept;
        }
    }
}
