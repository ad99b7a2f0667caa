using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The elements of each row of a matrix that lie in an interval of their column:
/// <code>low[c] &lt; a &lt; high[c], and of those with a = low[c] the first ties[r] of row r</code>
/// Items: rows.
/// </summary>
internal readonly unsafe struct IntervalRowsKernel : IKernel
{
    private readonly float* _matrix;
    private readonly int _width;
    private readonly float* _low;
    private readonly float* _high;
    private readonly int* _ties;
    private readonly int* _starts;
    private readonly int* _counts;
    private readonly int* _columns;
    private readonly float* _values;

    private IntervalRowsKernel(
        float* matrix,
        int width,
        float* low,
        float* high,
        int* ties,
        int* starts,
        int* counts,
        int* columns,
        float* values)
    {
        _matrix = matrix;
        _width = width;
        _low = low;
        _high = high;
        _ties = ties;
        _starts = starts;
        _counts = counts;
        _columns = columns;
        _values = values;
    }

    /// <summary>Selects.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="matrix">[rows, width].</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="low">[width].</param>
    /// <param name="high">[width].</param>
    /// <param name="ties">How many equal to low are taken in all, those of earlier rows and columns first.</param>
    /// <param name="selected">Receives them.</param>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> matrix,
        int rows,
        ReadOnlySpan<float> low,
        ReadOnlySpan<float> high,
        long ties,
        SparseRows selected)
    {
        int width = low.Length;
        Shape.Require(high.Length == width && matrix.Length >= (long)rows * width);
        int[] rowTies = new int[rows];
        selected.SetRows(rows);
        fixed (float* m = matrix, l = low, h = high)
        {
            fixed (int* t = rowTies, counts = selected.Counts)
            {
                var count = new IntervalRowsKernel(m, width, l, h, t, null, counts, null, null);
                pool.Run(ref count, rows, (long)rows * width);
                for (int row = 0; row < rows; row++)
                {
                    rowTies[row] = (int)Math.Min(rowTies[row], ties);
                    ties -= rowTies[row];
                    counts[row] += rowTies[row];
                }

                selected.SetRoomOfCounts();
                fixed (int* starts = selected.Starts, columns = selected.Columns)
                {
                    fixed (float* values = selected.Values)
                    {
                        var fill = new IntervalRowsKernel(m, width, l, h, t, starts, counts, columns, values);
                        pool.Run(ref fill, rows, (long)rows * width);
                    }
                }
            }
        }
    }

    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            if (_columns is null)
            {
                Count(row);
            }
            else
            {
                Fill(row);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private void Count(int row)
    {
        float* a = _matrix + ((long)row * _width);
        int inside = 0;
        int ties = 0;
        for (int c = 0; c < _width; c++)
        {
            inside += a[c] > _low[c] && a[c] < _high[c] ? 1 : 0;
            ties += a[c] == _low[c] ? 1 : 0;
        }

        _counts[row] = inside;
        _ties[row] = ties;
    }

    [MethodImpl(KernelCode.Loop)]
    private void Fill(int row)
    {
        float* a = _matrix + ((long)row * _width);
        int slot = _starts[row];
        int ties = _ties[row];
        for (int c = 0; c < _width; c++)
        {
            bool tie = a[c] == _low[c] && ties > 0;
            if (tie || (a[c] > _low[c] && a[c] < _high[c]))
            {
                ties -= tie ? 1 : 0;
                _columns[slot] = c;
                _values[slot++] = a[c];
            }
        }
    }
}
