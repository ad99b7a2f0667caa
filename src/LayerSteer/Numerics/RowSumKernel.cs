using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// A weighted sum of some rows of a matrix:
/// <code>
/// y[i] = Σ_j w_j · M[r_j, i],  one chain of fused multiply-adds from +0, j ascending;  M [rows, width], row-major
/// </code>
/// Items: groups of 16 outputs.
/// </summary>
internal unsafe struct RowSumKernel : IKernel
{
    private readonly float* _matrix;
    private readonly int _width;
    private readonly int* _rows;
    private readonly float* _weights;
    private readonly int _count;
    private readonly float* _y;

    private RowSumKernel(float* matrix, int width, int* rows, float* weights, int count, float* y)
    {
        _matrix = matrix;
        _width = width;
        _rows = rows;
        _weights = weights;
        _count = count;
        _y = y;
    }

    /// <summary>Computes y, [width], from the rows given by index and weight.</summary>
    public static void Run(
        WorkerPool pool,
        NativeBuffer matrix,
        int width,
        ReadOnlySpan<int> rows,
        ReadOnlySpan<float> weights,
        Span<float> y)
    {
        Shape.Require(rows.Length == weights.Length && y.Length >= width);
        foreach (int row in rows)
        {
            Shape.Require(row >= 0 && ((long)row + 1) * width <= matrix.Length);
        }

        fixed (int* pr = rows)
        {
            fixed (float* pw = weights, py = y)
            {
                var kernel = new RowSumKernel(matrix.Pointer, width, pr, pw, rows.Length, py);
                pool.Run(ref kernel, Lanes.Groups(width), (long)rows.Length * width);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int group = begin; group < end; group++)
        {
            int first = group * Lanes.Count;
            int count = Math.Min(Lanes.Count, _width - first);
            T sum = T.Broadcast(0f);
            for (int j = 0; j < _count; j++)
            {
                float* row = _matrix + ((long)_rows[j] * _width) + first;
                T values = count == Lanes.Count ? T.Load(row) : Lanes.LoadFirst<T>(row, count);
                sum = T.Fma(T.Broadcast(_weights[j]), values, sum);
            }

            if (count == Lanes.Count)
            {
                sum.Store(_y + first);
            }
            else
            {
                Lanes.StoreFirst(sum, _y + first, count);
            }
        }
    }
}
