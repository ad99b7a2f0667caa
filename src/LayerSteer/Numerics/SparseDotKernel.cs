using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Products of rows with the rows of a matrix that their entries name:
/// <code>out[s] = X[r]·M[column[s]],  slots s of row r;  X [rows, width], M [columns, width], row-major</code>
/// In 16 lanes by absolute index and the fixed tree. Items: rows.
/// </summary>
internal readonly unsafe struct SparseDotKernel : IKernel
{
    private readonly int* _starts;
    private readonly int* _counts;
    private readonly int* _columns;
    private readonly float* _x;
    private readonly float* _matrix;
    private readonly int _width;
    private readonly float* _out;

    private SparseDotKernel(
        int* starts, int* counts, int* columns, float* x, float* matrix, int width, float* output)
    {
        _starts = starts;
        _counts = counts;
        _columns = columns;
        _x = x;
        _matrix = matrix;
        _width = width;
        _out = output;
    }

    /// <summary>Writes the product of each slot.</summary>
    public static void Run(
        WorkerPool pool,
        SparseRows rows,
        ReadOnlySpan<float> x,
        ReadOnlySpan<float> matrix,
        int width,
        Span<float> output)
    {
        Shape.Require(x.Length >= (long)rows.Rows * width);
        fixed (int* starts = rows.Starts, counts = rows.Counts, columns = rows.Columns)
        {
            fixed (float* px = x, m = matrix, po = output)
            {
                var kernel = new SparseDotKernel(starts, counts, columns, px, m, width, po);
                pool.Run(ref kernel, rows.Rows, rows.Count * width);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            float* x = _x + ((long)row * _width);
            int stop = _starts[row] + _counts[row];
            for (int slot = _starts[row]; slot < stop; slot++)
            {
                _out[slot] = Dot.Of<T>(x, _matrix + ((long)_columns[slot] * _width), _width);
            }
        }
    }
}

/// <summary>a·b in 16 lanes by absolute index and the fixed tree.</summary>
internal static unsafe class Dot
{
    [MethodImpl(KernelCode.Loop)]
    public static float Of<T>(float* a, float* b, int width) where T : struct, ILanes<T>
    {
        T sum = T.Broadcast(0f);
        int i = 0;
        for (; i + Lanes.Count <= width; i += Lanes.Count)
        {
            sum = T.Fma(T.Load(a + i), T.Load(b + i), sum);
        }

        if (i < width)
        {
            sum = T.Fma(Lanes.LoadFirst<T>(a + i, width - i), Lanes.LoadFirst<T>(b + i, width - i), sum);
        }

        return sum.Sum();
    }
}
