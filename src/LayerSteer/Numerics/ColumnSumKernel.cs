using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of a bias: <code>y[j] += Σ_r x[r, j], one chain, r ascending;  x [rows, columns], y [columns]</code>
/// Items: groups of 16 columns.
/// </summary>
internal readonly unsafe struct ColumnSumKernel : IKernel
{
    private readonly float* _x;
    private readonly int _rows;
    private readonly int _columns;
    private readonly float* _y;

    private ColumnSumKernel(float* x, int rows, int columns, float* y)
    {
        _x = x;
        _rows = rows;
        _columns = columns;
        _y = y;
    }

    /// <summary>Adds the sums of the columns to y.</summary>
    public static void Run(WorkerPool pool, ReadOnlySpan<float> x, int rows, Span<float> y)
    {
        Shape.Require(x.Length >= (long)rows * y.Length);
        fixed (float* px = x, py = y)
        {
            var kernel = new ColumnSumKernel(px, rows, y.Length, py);
            pool.Run(ref kernel, Lanes.Groups(y.Length), (long)rows * y.Length);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        // Row by row over all columns of the range: each line of x is read once, in order.
        int whole = Math.Min(end, _columns / Lanes.Count);
        for (int row = 0; row < _rows; row++)
        {
            float* x = _x + ((long)row * _columns);
            for (int group = begin; group < whole; group++)
            {
                int column = group * Lanes.Count;
                (T.Load(_y + column) + T.Load(x + column)).Store(_y + column);
            }

            int last = Math.Min(end * Lanes.Count, _columns);
            for (int column = Math.Max(begin, whole) * Lanes.Count; column < last; column++)
            {
                _y[column] += x[column];
            }
        }
    }
}
