using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of a weight matrix, a sum of outer products over rows:
/// <code>
/// C[i, j] = C[i, j] + Σ_r A[r, i]·B[r, j],  one chain of fused multiply-adds from C, r ascending
/// A [rows, n], B [rows, m], C [n, m], row-major
/// </code>
/// Items: panels of 16 columns of C. A is copied into tiles [rows][6] and B into panels [rows][16] first, so that the
/// loop reads both in one stream: rows of a power of two would share cache sets.
/// </summary>
internal unsafe struct OuterProductKernel : IKernel
{
    /// <summary>The rows of a tile of C; with 16 columns it fills twelve 256-bit registers.</summary>
    public const int TileRows = 6;

    /// <summary>Rows of A and B at once: a panel of them is 16 KB, and stays in the first-level cache.</summary>
    private const int BlockRows = 256;

    private readonly float* _tiles;
    private readonly float* _panels;
    private readonly long _panelFloats;
    private readonly int _rows;
    private readonly int _n;
    private readonly int _m;
    private readonly float* _c;

    private OuterProductKernel(float* tiles, Panels panels, int rows, int n, int m, float* c)
    {
        _tiles = tiles;
        _panels = (float*)panels.Start;
        _panelFloats = panels.Bytes / sizeof(float);
        _rows = rows;
        _n = n;
        _m = m;
        _c = c;
    }

    /// <summary>Adds Aᵀ·B to C.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="a">A, in tiles.</param>
    /// <param name="b">B, packed by columns: [rows] inputs, [m] outputs.</param>
    /// <param name="c">C, [n, m].</param>
    public static void Run(WorkerPool pool, TileBuffer a, PanelBuffer b, Span<float> c)
    {
        Panels panels = b.Panels;
        Shape.Require(panels.Inputs == a.Rows && c.Length >= (long)a.Columns * panels.Outputs);
        fixed (float* pc = c)
        {
            var kernel = new OuterProductKernel(a.Pointer, panels, a.Rows, a.Columns, panels.Outputs, pc);
            pool.Run(ref kernel, Lanes.Groups(panels.Outputs), (long)a.Rows * a.Columns * panels.Outputs);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int panel = begin; panel < end; panel++)
        {
            int column = panel * Lanes.Count;
            for (int row = 0; row < _rows; row += BlockRows)
            {
                int count = Math.Min(BlockRows, _rows - row);
                float* b = _panels + (panel * _panelFloats) + ((long)row * Lanes.Count);
                for (int i = 0; i < _n; i += TileRows)
                {
                    float* a = _tiles + ((long)i * _rows) + ((long)row * TileRows);
                    Add<T>(a, TileRows, b, count, _c + ((long)i * _m) + column, _m, _n - i, _m - column);
                }
            }
        }
    }

    /// <summary>Adds to the part of a tile of C that exists.</summary>
    /// <param name="a">Six columns of A from the first row on, readable even where C has fewer rows.</param>
    /// <param name="aStride">The floats from one row of A to the next.</param>
    /// <param name="b">A panel of B.</param>
    /// <param name="count">The number of rows of A and B.</param>
    /// <param name="c">The tile.</param>
    /// <param name="cStride">The floats from one row of C to the next.</param>
    /// <param name="height">How many rows of C there are from the tile's first on.</param>
    /// <param name="width">How many columns.</param>
    public static void Add<T>(
        float* a, nint aStride, float* b, int count, float* c, int cStride, int height, int width)
        where T : struct, ILanes<T>
    {
        if (height >= TileRows && width >= Lanes.Count)
        {
            Tile<T>(a, aStride, b, count, c, cStride);
            return;
        }

        float* whole = stackalloc float[TileRows * Lanes.Count];
        for (int i = 0; i < TileRows * Lanes.Count; i++)
        {
            int row = i / Lanes.Count;
            int column = i % Lanes.Count;
            whole[i] = row < height && column < width ? c[((long)row * cStride) + column] : 0f;
        }

        Tile<T>(a, aStride, b, count, whole, Lanes.Count);
        for (int row = 0; row < Math.Min(height, TileRows); row++)
        {
            for (int column = 0; column < Math.Min(width, Lanes.Count); column++)
            {
                c[((long)row * cStride) + column] = whole[(row * Lanes.Count) + column];
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private static void Tile<T>(float* a, nint aStride, float* b, int count, float* c, nint cStride)
        where T : struct, ILanes<T>
    {
        T c0 = T.Load(c);
        T c1 = T.Load(c + cStride);
        T c2 = T.Load(c + (2 * cStride));
        T c3 = T.Load(c + (3 * cStride));
        T c4 = T.Load(c + (4 * cStride));
        T c5 = T.Load(c + (5 * cStride));
        int r = 0;
        for (; r + 2 <= count; r += 2)
        {
            T v = T.Load(b);
            c0 = T.Fma(v, T.Broadcast(a[0]), c0);
            c1 = T.Fma(v, T.Broadcast(a[1]), c1);
            c2 = T.Fma(v, T.Broadcast(a[2]), c2);
            c3 = T.Fma(v, T.Broadcast(a[3]), c3);
            c4 = T.Fma(v, T.Broadcast(a[4]), c4);
            c5 = T.Fma(v, T.Broadcast(a[5]), c5);
            a += aStride;
            v = T.Load(b + Lanes.Count);
            c0 = T.Fma(v, T.Broadcast(a[0]), c0);
            c1 = T.Fma(v, T.Broadcast(a[1]), c1);
            c2 = T.Fma(v, T.Broadcast(a[2]), c2);
            c3 = T.Fma(v, T.Broadcast(a[3]), c3);
            c4 = T.Fma(v, T.Broadcast(a[4]), c4);
            c5 = T.Fma(v, T.Broadcast(a[5]), c5);
            a += aStride;
            b += 2 * Lanes.Count;
        }

        if (r < count)
        {
            T v = T.Load(b);
            c0 = T.Fma(v, T.Broadcast(a[0]), c0);
            c1 = T.Fma(v, T.Broadcast(a[1]), c1);
            c2 = T.Fma(v, T.Broadcast(a[2]), c2);
            c3 = T.Fma(v, T.Broadcast(a[3]), c3);
            c4 = T.Fma(v, T.Broadcast(a[4]), c4);
            c5 = T.Fma(v, T.Broadcast(a[5]), c5);
        }

        c0.Store(c);
        c1.Store(c + cStride);
        c2.Store(c + (2 * cStride));
        c3.Store(c + (3 * cStride));
        c4.Store(c + (4 * cStride));
        c5.Store(c + (5 * cStride));
    }
}

/// <summary>A matrix [rows, columns] in tiles [rows][6] for <see cref="OuterProductKernel"/>.</summary>
internal sealed unsafe class TileBuffer : IDisposable
{
    private NativeBuffer _buffer = new(0);

    /// <summary>The number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>The number of columns.</summary>
    public int Columns { get; private set; }

    /// <summary>The first tile; tile t holds columns 6t to 6t + 5.</summary>
    public float* Pointer => _buffer.Pointer;

    /// <summary>Copies a matrix, row-major, whose rows are <paramref name="stride"/> apart.</summary>
    public void Pack(WorkerPool pool, ReadOnlySpan<float> source, int rows, int columns, int stride)
    {
        Shape.Require(source.Length >= ((long)(rows - 1) * stride) + columns && stride >= columns);
        Rows = rows;
        Columns = columns;
        int tiles = (columns + OuterProductKernel.TileRows - 1) / OuterProductKernel.TileRows;
        long length = (long)tiles * rows * OuterProductKernel.TileRows;
        if (_buffer.Length < length)
        {
            _buffer.Dispose();
            _buffer = new NativeBuffer(length);
        }

        fixed (float* s = source)
        {
            var kernel = new TileKernel(s, stride, _buffer.Pointer, rows, columns);
            pool.Run(ref kernel, tiles, (long)rows * columns);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    /// <summary>Items: tiles.</summary>
    private readonly struct TileKernel(float* source, nint stride, float* tiles, int rows, int columns) : IKernel
    {
        private readonly float* _source = source;
        private readonly nint _stride = stride;
        private readonly float* _tiles = tiles;
        private readonly int _rows = rows;
        private readonly int _columns = columns;

        /// <summary>Blocks of rows, so that a line of the source is used by all its tiles while it is near.</summary>
        [MethodImpl(KernelCode.Loop)]
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            const int Block = 64;
            for (int first = 0; first < _rows; first += Block)
            {
                int last = Math.Min(first + Block, _rows);
                for (int tile = begin; tile < end; tile++)
                {
                    int column = tile * OuterProductKernel.TileRows;
                    float* to = _tiles + ((((long)tile * _rows) + first) * OuterProductKernel.TileRows);
                    float* from = _source + (first * _stride) + column;
                    int count = Math.Min(OuterProductKernel.TileRows, _columns - column);
                    for (int row = first; row < last; row++)
                    {
                        if (count == OuterProductKernel.TileRows)
                        {
                            *(long*)to = *(long*)from;
                            *(long*)(to + 2) = *(long*)(from + 2);
                            *(long*)(to + 4) = *(long*)(from + 4);
                        }
                        else
                        {
                            for (int i = 0; i < OuterProductKernel.TileRows; i++)
                            {
                                to[i] = i < count ? from[i] : 0f;
                            }
                        }

                        to += OuterProductKernel.TileRows;
                        from += _stride;
                    }
                }
            }
        }
    }
}
