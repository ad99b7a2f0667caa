using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LayerSteer.Numerics;

/// <summary>
/// A float32 matrix in rows, of which single rows are read: [rows, width], row-major. Rows are gathered into panels and
/// multiplied by <see cref="MatrixKernel{TFormat}"/>, so a product has the same bits for one row as for all. Immutable;
/// thread-safe; the memory belongs to its store.
/// </summary>
internal sealed unsafe class RowMatrix
{
    /// <summary>Rows that are gathered at a time: 3 MB at width 768.</summary>
    public const int BlockRows = 1024;

    private readonly NativeBuffer _rows;

    /// <summary>Takes the matrix from a store, or reads it into it.</summary>
    public RowMatrix(WeightStore store, string name, int rows, int width, ElementReader read)
    {
        Rows = rows;
        Width = width;
        _rows = store.Take(name, (long)rows * width, buffer =>
        {
            for (int row = 0; row < rows; row += BlockRows)
            {
                int count = Math.Min(BlockRows, rows - row);
                read((long)row * width, buffer.Span((long)row * width, count * width));
            }
        });
    }

    /// <summary>The number of rows.</summary>
    public int Rows { get; }

    /// <summary>The number of columns.</summary>
    public int Width { get; }

    /// <summary>The floats of scratch that a product needs.</summary>
    public int ScratchLength => Math.Min(BlockRows, Lanes.Groups(Rows) * Lanes.Count) * WeightMatrix.Even(Width);

    /// <summary>One row, [width].</summary>
    public ReadOnlySpan<float> Row(int row) => _rows.Span((long)row * Width, Width);

    /// <summary>Reads elements in row-major order.</summary>
    public void Read(long start, Span<float> destination) => _rows.Span(start, destination.Length).CopyTo(destination);

    /// <summary>y[j] = x·row(chosen[j]), for one x.</summary>
    public void Product(
        WorkerPool pool, ReadOnlySpan<int> chosen, ReadOnlySpan<float> x, Span<float> y, Span<float> scratch)
    {
        Shape.Require(x.Length >= Width && y.Length >= chosen.Length && scratch.Length >= ScratchLength);
        fixed (float* px = x, py = y, ps = scratch)
        {
            fixed (int* pc = chosen)
            {
                int block = Math.Min(BlockRows, scratch.Length / WeightMatrix.Even(Width) / Lanes.Count * Lanes.Count);
                for (int first = 0; first < chosen.Length; first += block)
                {
                    int count = Math.Min(block, chosen.Length - first);
                    Multiply(pool, pc + first, 0, count, null, px, py + first, count, 1, ps);
                }
            }
        }
    }

    /// <summary>Y = X·Wᵀ + b, for all rows of the matrix. [count, rows]</summary>
    public void Product(
        WorkerPool pool,
        ReadOnlySpan<float> bias,
        ReadOnlySpan<float> x,
        Span<float> y,
        int count,
        Span<float> scratch)
    {
        Shape.Require(bias.Length == Rows && x.Length >= (long)count * Width && y.Length >= (long)count * Rows);
        Shape.Require(scratch.Length >= ScratchLength);
        fixed (float* pb = bias, px = x, py = y, ps = scratch)
        {
            for (int first = 0; first < Rows; first += BlockRows)
            {
                int rows = Math.Min(BlockRows, Rows - first);
                Multiply(pool, null, first, rows, pb + first, px, py + first, Rows, count, ps);
            }
        }
    }

    private void Multiply(
        WorkerPool pool,
        int* chosen,
        int first,
        int rows,
        float* bias,
        float* x,
        float* y,
        int yStride,
        int count,
        float* scratch)
    {
        var gather = new GatherKernel(_rows.Pointer + ((long)first * Width), Rows, chosen, rows, Width, scratch);
        pool.Run(ref gather, Lanes.Groups(rows), (long)rows * Width);
        var panels = new Panels((byte*)scratch, (long)WeightMatrix.Even(Width) * Lanes.Count * sizeof(float), null, rows, Width);
        new MatrixKernel<Float32Format>(panels, bias, x, Width, null, y, yStride, count).Run(pool);
    }

    /// <summary>Rows side by side as panels [16 rows][k][16]. Items: panels.</summary>
    private readonly struct GatherKernel(float* matrix, int limit, int* chosen, int rows, int width, float* panels)
        : IKernel
    {
        /// <summary>Columns at a time, so that what is written stays in the first-level cache.</summary>
        private const int Block = 128;

        [MethodImpl(KernelCode.Loop)]
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            for (int panel = begin; panel < end; panel++)
            {
                float* target = panels + ((long)panel * WeightMatrix.Even(width) * Lanes.Count);
                int first = panel * Lanes.Count;
                for (int k = 0; k < width; k += Block)
                {
                    int stop = Math.Min(width, k + Block);
                    for (int lane = 0; lane < Lanes.Count; lane += 4)
                    {
                        float* a = Row(first + lane);
                        float* b = Row(first + lane + 1);
                        float* c = Row(first + lane + 2);
                        float* d = Row(first + lane + 3);
                        for (nint i = k; i < stop; i++)
                        {
                            Vector128.Create(a[i], b[i], c[i], d[i]).Store(target + (i * Lanes.Count) + lane);
                        }
                    }
                }
            }
        }

        /// <summary>A last panel that is not full repeats its last row; nobody reads those outputs.</summary>
        private float* Row(int at)
        {
            at = Math.Min(at, rows - 1);
            int row = chosen is null ? at : chosen[at];
            Shape.Require((uint)row < (uint)limit);
            return matrix + ((long)row * width);
        }
    }
}
