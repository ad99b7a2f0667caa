using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The k largest elements of each row of a matrix, ties to the lower column; of these only those above 0. The largest
/// of each group of 16 comes first: the k-th of these is a value that k elements reach, so that only the groups which
/// reach it are looked into. Items: rows.
/// </summary>
internal readonly unsafe struct TopKRowsKernel : IKernel
{
    /// <summary>Columns of which each 16th is in one group.</summary>
    private const int Block = Lanes.Count * Lanes.Count;

    /// <summary>Room for candidates on the stack, in units of k.</summary>
    private const int Room = 4;

    private const int LargestK = 1024;
    private const int LargestWidth = 1 << 17;

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
        int groups = _count / Block * Lanes.Count;
        bool screens = groups >= 2 * _k && _k <= LargestK && _count <= LargestWidth;
        float* largest = stackalloc float[screens ? groups : 0];
        int* candidates = stackalloc int[screens ? Room * _k : 0];
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

            int* columns = _columns + _starts[row];
            int found = screens ? Screen<T>(from, groups, largest, columns, candidates) : -1;
            if (found < 0)
            {
                found = TopK.Select(new ReadOnlySpan<float>(from, _count), new Span<int>(columns, _k));
            }

            float* values = _values + _starts[row];
            int kept = 0;
            for (int i = 0; i < found; i++)
            {
                int at = columns[i];
                if (from[at] > 0f)
                {
                    columns[kept] = _among is null ? at : _among[at];
                    values[kept++] = from[at];
                }
            }

            _counts[row] = kept;
        }
    }

    /// <summary>The k largest above 0, columns ascending; −1 if too many may be among them.</summary>
    [MethodImpl(KernelCode.Loop)]
    private int Screen<T>(float* from, int groups, float* largest, int* columns, int* candidates)
        where T : struct, ILanes<T>
    {
        for (int group = 0; group < groups; group += Lanes.Count)
        {
            float* block = from + (group * Lanes.Count);
            T most = T.Load(block);
            for (int i = Lanes.Count; i < Block; i += Lanes.Count)
            {
                most = T.FastMax(most, T.Load(block + i));
            }

            most.Store(largest + group);
        }

        var top = new Span<int>(columns, _k);
        TopK.Select(new ReadOnlySpan<float>(largest, groups), top);
        float least = float.PositiveInfinity;
        foreach (int group in top)
        {
            least = MathF.Min(least, largest[group]);
        }

        least = MathF.Max(least, float.Epsilon);
        int count = 0;
        for (int group = 0; group < groups; group++)
        {
            if (!(largest[group] >= least))
            {
                continue;
            }

            int first = (group / Lanes.Count * Block) + (group % Lanes.Count);
            for (int column = first; column < first + Block; column += Lanes.Count)
            {
                if (from[column] >= least)
                {
                    if (count == Room * _k)
                    {
                        return -1;
                    }

                    candidates[count++] = column;
                }
            }
        }

        for (int column = groups * Lanes.Count; column < _count; column++)
        {
            if (from[column] >= least)
            {
                if (count == Room * _k)
                {
                    return -1;
                }

                candidates[count++] = column;
            }
        }

        return Select(from, candidates, count, columns);
    }

    /// <summary>The k largest of the candidates, columns ascending.</summary>
    private int Select(float* from, int* candidates, int count, int* columns)
    {
        var sorted = new Span<int>(candidates, count);
        sorted.Sort();
        if (count <= _k)
        {
            sorted.CopyTo(new Span<int>(columns, _k));
            return count;
        }

        Span<float> values = stackalloc float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = from[candidates[i]];
        }

        TopK.Select(values, new Span<int>(columns, _k));
        for (int i = 0; i < _k; i++)
        {
            columns[i] = candidates[columns[i]];
        }

        return _k;
    }
}
