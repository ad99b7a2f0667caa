using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>Y = X·Wᵀ + b for a block of rows, with weights of any type.</summary>
internal static class MatrixKernel
{
    /// <summary>Computes Y for <paramref name="rows"/> rows; an empty <paramref name="bias"/> is none.</summary>
    public static unsafe void Run(
        WorkerPool pool, WeightMatrix weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> x, Span<float> y, int rows)
    {
        Shape.Require(bias.Length == 0 || bias.Length == weights.Outputs);
        Shape.Require(x.Length >= (long)rows * weights.Inputs && y.Length >= (long)rows * weights.Outputs);
        int n = weights.Outputs;
        int k = weights.Inputs;
        fixed (float* b = bias, px = x, py = y)
        {
            switch (weights.Type)
            {
                case WeightType.F32:
                    new MatrixKernel<Float32Format>(weights.Panels, b, px, k, null, py, n, rows).Run(pool);
                    break;
                case WeightType.BF16:
                    new MatrixKernel<BFloat16Format>(weights.Panels, b, px, k, null, py, n, rows).Run(pool);
                    break;
                default:
                    QuantiseAndRun(pool, weights, bias, x, y, rows);
                    break;
            }
        }
    }

    /// <summary>Computes Y with int8 weights from rows that <see cref="QuantiseKernel"/> has made.</summary>
    public static unsafe void RunInt8(
        WorkerPool pool,
        WeightMatrix weights,
        ReadOnlySpan<float> bias,
        ReadOnlySpan<float> words,
        ReadOnlySpan<float> scales,
        Span<float> y,
        int rows)
    {
        int stride = QuantiseKernel.Words(weights.Inputs);
        Shape.Require(weights.Type == WeightType.I8 && (bias.Length == 0 || bias.Length == weights.Outputs));
        Shape.Require(words.Length >= (long)rows * stride && scales.Length >= rows);
        Shape.Require(y.Length >= (long)rows * weights.Outputs);
        fixed (float* b = bias, pw = words, ps = scales, py = y)
        {
            new MatrixKernel<Int8Format>(weights.Panels, b, pw, stride, ps, py, weights.Outputs, rows).Run(pool);
        }
    }

    private static void QuantiseAndRun(
        WorkerPool pool, WeightMatrix weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> x, Span<float> y, int rows)
    {
        int words = QuantiseKernel.Words(weights.Inputs);
        float[] rented = System.Buffers.ArrayPool<float>.Shared.Rent(rows * (words + 1));
        Span<float> quantised = rented.AsSpan(0, rows * words);
        Span<float> scales = rented.AsSpan(rows * words, rows);
        QuantiseKernel.Run(pool, x, weights.Inputs, quantised, scales, rows);
        RunInt8(pool, weights, bias, quantised, scales, y, rows);
        System.Buffers.ArrayPool<float>.Shared.Return(rented);
    }
}

/// <summary>
/// Y = X·Wᵀ + b for a block of rows.
/// <code>
/// y[r, o] = (… fma(x[r, 1], w[o, 1], fma(x[r, 0], w[o, 0], +0)) …) + b[o],  k ascending
/// X [rows, k], W packed [n, k], b [n], Y [rows, n], row-major
/// </code>
/// Each output is one chain, carried through memory across blocks of k, so one row alone, a block of rows, a tail and
/// any number of threads give the same bits. (int8 sums are exact, so they have no order.) Items: panels of 16 outputs.
/// </summary>
/// <typeparam name="TFormat">The type and layout of the weights.</typeparam>
internal unsafe struct MatrixKernel<TFormat> : IKernel where TFormat : struct, IWeightFormat
{
    private const int TileRows = 6;
    private const int ShortTileRows = 4;

    /// <summary>
    /// A block of k: 72 rows of it are 216 KB, which stay in the second-level cache while panels pass by. On Zen 3
    /// this is 88 to 91 % of the peak; blocks of 128 to 384 inputs, with the panel in the first level, 2 to 4 % less.
    /// </summary>
    private const int BlockWords = 768;

    private const int ChunkRows = 72;

    private const int PanelSums = ChunkRows * Lanes.Count;

    private readonly byte* _panels;
    private readonly long _panelBytes;
    private readonly float* _scales;
    private readonly int _outputs;
    private readonly int _words;
    private readonly float* _bias;
    private readonly float* _x;
    private readonly int _stride;
    private readonly float* _xScales;
    private readonly float* _y;
    private readonly int _yStride;
    private readonly int _rows;
    private readonly long _work;

    /// <summary>Makes the kernel ready.</summary>
    /// <param name="panels">W, in this format.</param>
    /// <param name="bias">b, or null.</param>
    /// <param name="x">X in the form that the format reads.</param>
    /// <param name="stride">The 32-bit words from one row of X to the next.</param>
    /// <param name="xScales">The scale of each row of X, or null.</param>
    /// <param name="y">Receives Y.</param>
    /// <param name="yStride">The floats from one row of Y to the next.</param>
    /// <param name="rows">The number of rows.</param>
    public MatrixKernel(
        Panels panels, float* bias, float* x, int stride, float* xScales, float* y, int yStride, int rows)
    {
        _panels = panels.Start;
        _panelBytes = panels.Bytes;
        _scales = panels.Scales;
        _outputs = panels.Outputs;
        _words = TFormat.HasSecond ? panels.Inputs : QuantiseKernel.Words(panels.Inputs);
        _bias = bias;
        _x = x;
        _stride = stride;
        _xScales = xScales;
        _y = y;
        _yStride = yStride;
        _rows = rows;
        _work = (long)rows * panels.Outputs * panels.Inputs;
    }

    public void Run(WorkerPool pool) => pool.Run(ref this, Lanes.Groups(_outputs), _work);

    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        if (_rows == 1)
        {
            RunRow<T>(begin, end);
        }
        else
        {
            RunRows<T>(begin, end);
        }
    }

    /// <summary>
    /// One row: two panels at a time, since one chain alone waits for itself. They come from the two halves of the
    /// range, so that each is read in one stream to its end; neighbours would make each stream leap over the other.
    /// </summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void RunRow<T>(int begin, int end) where T : struct, ILanes<T>
    {
        int half = (end - begin) / 2;
        byte* w = _panels + (begin * _panelBytes);
        byte* u = w + (half * _panelBytes);
        float* x = _x;
        nint whole = _words / TFormat.StepWords * TFormat.StepWords;
        for (int i = 0; i < half; i++)
        {
            byte* nextW = w + _panelBytes;
            byte* nextU = u + _panelBytes;
            T c = T.Broadcast(0f);
            T d = T.Broadcast(0f);
            nint k = 0;
            for (; k < whole; k += TFormat.StepWords)
            {
                c = TFormat.MultiplyAdd(TFormat.First<T>(w), x + k, c);
                d = TFormat.MultiplyAdd(TFormat.First<T>(u), x + k, d);
                if (TFormat.HasSecond)
                {
                    c = TFormat.MultiplyAdd(TFormat.Second<T>(w), x + k + 1, c);
                    d = TFormat.MultiplyAdd(TFormat.Second<T>(u), x + k + 1, d);
                }

                w += TFormat.StepBytes;
                u += TFormat.StepBytes;
            }

            if (k < _words)
            {
                c = TFormat.MultiplyAdd(TFormat.First<T>(w), x + k, c);
                d = TFormat.MultiplyAdd(TFormat.First<T>(u), x + k, d);
            }

            Finish(c, begin + i, 0);
            Finish(d, begin + half + i, 0);
            w = nextW;
            u = nextU;
        }

        if (begin + (2 * half) < end)
        {
            RunRows<T>(end - 1, end);
        }
    }

    /// <summary>
    /// Several rows: tiles of six rows by one panel, or by two where a register holds a whole panel.
    /// </summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void RunRows<T>(int begin, int end) where T : struct, ILanes<T>
    {
        float* sums = stackalloc float[2 * PanelSums]; // both panels between blocks of k
        for (int panel = begin; panel < end; panel += 2)
        {
            for (int row = 0; row < _rows; row += ChunkRows)
            {
                RunChunk<T>(panel, Math.Min(2, end - panel), row, Math.Min(ChunkRows, _rows - row), sums);
            }
        }
    }

    /// <summary>Rows of the next tile when so many are left: as few as can be are computed for nothing.</summary>
    private static int HeightOf(int rows) => rows is <= ShortTileRows or 7 or 8 ? ShortTileRows : TileRows;

    [MethodImpl(KernelCode.Loop)]
    private readonly void RunChunk<T>(int panel, int panels, int firstRow, int rows, float* sums)
        where T : struct, ILanes<T>
    {
        byte* w = _panels + (panel * _panelBytes);
        float* x = _x + ((long)firstRow * _stride);
        for (int k = 0; k < _words; k += BlockWords)
        {
            int count = Math.Min(BlockWords, _words - k);
            int height;
            for (int row = 0; row < rows; row += height)
            {
                height = HeightOf(rows - row);
                float* tileX = x + ((long)row * _stride) + k;
                float* tileSums = sums + (row * Lanes.Count);
                if (height == TileRows && panels == 2 && typeof(T) == typeof(Lanes512))
                {
                    WideTile<T>(w, w + _panelBytes, tileX, rows - row, tileSums, count, k == 0);
                    continue;
                }

                for (int p = 0; p < panels; p++)
                {
                    byte* tileW = w + (p * _panelBytes);
                    if (height == TileRows)
                    {
                        Tile<T>(tileW, tileX, rows - row, tileSums + (p * PanelSums), count, k == 0);
                    }
                    else
                    {
                        ShortTile<T>(tileW, tileX, rows - row, tileSums + (p * PanelSums), count, k == 0);
                    }
                }
            }

            w += BlockWords / TFormat.StepWords * TFormat.StepBytes;
        }

        for (int p = 0; p < panels; p++)
        {
            for (int row = 0; row < rows; row++)
            {
                Finish(T.Load(sums + (p * PanelSums) + (row * Lanes.Count)), panel + p, firstRow + row);
            }
        }
    }

    /// <summary>
    /// Six rows by 16 outputs: twelve 256-bit sums, the most that sixteen registers hold. Where fewer rows are left,
    /// the last one stands in for those missing, and nobody reads their sums.
    /// </summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void Tile<T>(byte* w, float* x0, int rows, float* sums, int count, bool first)
        where T : struct, ILanes<T>
    {
        float* x1 = rows > 1 ? x0 + _stride : x0;
        float* x2 = rows > 2 ? x1 + _stride : x1;
        float* x3 = rows > 3 ? x2 + _stride : x2;
        float* x4 = rows > 4 ? x3 + _stride : x3;
        float* x5 = rows > 5 ? x4 + _stride : x4;
        T c0 = first ? T.Broadcast(0f) : T.Load(sums);
        T c1 = first ? T.Broadcast(0f) : T.Load(sums + 16);
        T c2 = first ? T.Broadcast(0f) : T.Load(sums + 32);
        T c3 = first ? T.Broadcast(0f) : T.Load(sums + 48);
        T c4 = first ? T.Broadcast(0f) : T.Load(sums + 64);
        T c5 = first ? T.Broadcast(0f) : T.Load(sums + 80);
        nint k = 0;
        for (nint end = count / TFormat.StepWords * TFormat.StepWords; k < end; k += TFormat.StepWords)
        {
            T v = TFormat.First<T>(w);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
            c4 = TFormat.MultiplyAdd(v, x4 + k, c4);
            c5 = TFormat.MultiplyAdd(v, x5 + k, c5);
            if (TFormat.HasSecond)
            {
                v = TFormat.Second<T>(w);
                c0 = TFormat.MultiplyAdd(v, x0 + k + 1, c0);
                c1 = TFormat.MultiplyAdd(v, x1 + k + 1, c1);
                c2 = TFormat.MultiplyAdd(v, x2 + k + 1, c2);
                c3 = TFormat.MultiplyAdd(v, x3 + k + 1, c3);
                c4 = TFormat.MultiplyAdd(v, x4 + k + 1, c4);
                c5 = TFormat.MultiplyAdd(v, x5 + k + 1, c5);
            }

            w += TFormat.StepBytes;
        }

        if (k < count)
        {
            T v = TFormat.First<T>(w);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
            c4 = TFormat.MultiplyAdd(v, x4 + k, c4);
            c5 = TFormat.MultiplyAdd(v, x5 + k, c5);
        }

        c0.Store(sums);
        c1.Store(sums + 16);
        c2.Store(sums + 32);
        c3.Store(sums + 48);
        c4.Store(sums + 64);
        c5.Store(sums + 80);
    }

    /// <summary>Four rows by 16 outputs, for what six leave over: eight 256-bit sums keep both units busy.</summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void ShortTile<T>(byte* w, float* x0, int rows, float* sums, int count, bool first)
        where T : struct, ILanes<T>
    {
        float* x1 = rows > 1 ? x0 + _stride : x0;
        float* x2 = rows > 2 ? x1 + _stride : x1;
        float* x3 = rows > 3 ? x2 + _stride : x2;
        T c0 = first ? T.Broadcast(0f) : T.Load(sums);
        T c1 = first ? T.Broadcast(0f) : T.Load(sums + 16);
        T c2 = first ? T.Broadcast(0f) : T.Load(sums + 32);
        T c3 = first ? T.Broadcast(0f) : T.Load(sums + 48);
        nint k = 0;
        for (nint end = count / TFormat.StepWords * TFormat.StepWords; k < end; k += TFormat.StepWords)
        {
            T v = TFormat.First<T>(w);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
            if (TFormat.HasSecond)
            {
                v = TFormat.Second<T>(w);
                c0 = TFormat.MultiplyAdd(v, x0 + k + 1, c0);
                c1 = TFormat.MultiplyAdd(v, x1 + k + 1, c1);
                c2 = TFormat.MultiplyAdd(v, x2 + k + 1, c2);
                c3 = TFormat.MultiplyAdd(v, x3 + k + 1, c3);
            }

            w += TFormat.StepBytes;
        }

        if (k < count)
        {
            T v = TFormat.First<T>(w);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
        }

        c0.Store(sums);
        c1.Store(sums + 16);
        c2.Store(sums + 32);
        c3.Store(sums + 48);
    }

    /// <summary>
    /// Six rows by 32 outputs where a panel is one register: twelve sums, for six alone would wait for themselves (two
    /// units, four cycles each), and each input is loaded once for both panels.
    /// </summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void WideTile<T>(byte* w, byte* u, float* x0, int rows, float* sums, int count, bool first)
        where T : struct, ILanes<T>
    {
        float* x1 = rows > 1 ? x0 + _stride : x0;
        float* x2 = rows > 2 ? x1 + _stride : x1;
        float* x3 = rows > 3 ? x2 + _stride : x2;
        float* x4 = rows > 4 ? x3 + _stride : x3;
        float* x5 = rows > 5 ? x4 + _stride : x4;
        float* more = sums + PanelSums;
        T c0 = first ? T.Broadcast(0f) : T.Load(sums);
        T c1 = first ? T.Broadcast(0f) : T.Load(sums + 16);
        T c2 = first ? T.Broadcast(0f) : T.Load(sums + 32);
        T c3 = first ? T.Broadcast(0f) : T.Load(sums + 48);
        T c4 = first ? T.Broadcast(0f) : T.Load(sums + 64);
        T c5 = first ? T.Broadcast(0f) : T.Load(sums + 80);
        T d0 = first ? T.Broadcast(0f) : T.Load(more);
        T d1 = first ? T.Broadcast(0f) : T.Load(more + 16);
        T d2 = first ? T.Broadcast(0f) : T.Load(more + 32);
        T d3 = first ? T.Broadcast(0f) : T.Load(more + 48);
        T d4 = first ? T.Broadcast(0f) : T.Load(more + 64);
        T d5 = first ? T.Broadcast(0f) : T.Load(more + 80);
        nint k = 0;
        for (nint end = count / TFormat.StepWords * TFormat.StepWords; k < end; k += TFormat.StepWords)
        {
            T v = TFormat.First<T>(w);
            T t = TFormat.First<T>(u);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            d0 = TFormat.MultiplyAdd(t, x0 + k, d0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            d1 = TFormat.MultiplyAdd(t, x1 + k, d1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            d2 = TFormat.MultiplyAdd(t, x2 + k, d2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
            d3 = TFormat.MultiplyAdd(t, x3 + k, d3);
            c4 = TFormat.MultiplyAdd(v, x4 + k, c4);
            d4 = TFormat.MultiplyAdd(t, x4 + k, d4);
            c5 = TFormat.MultiplyAdd(v, x5 + k, c5);
            d5 = TFormat.MultiplyAdd(t, x5 + k, d5);
            if (TFormat.HasSecond)
            {
                v = TFormat.Second<T>(w);
                t = TFormat.Second<T>(u);
                c0 = TFormat.MultiplyAdd(v, x0 + k + 1, c0);
                d0 = TFormat.MultiplyAdd(t, x0 + k + 1, d0);
                c1 = TFormat.MultiplyAdd(v, x1 + k + 1, c1);
                d1 = TFormat.MultiplyAdd(t, x1 + k + 1, d1);
                c2 = TFormat.MultiplyAdd(v, x2 + k + 1, c2);
                d2 = TFormat.MultiplyAdd(t, x2 + k + 1, d2);
                c3 = TFormat.MultiplyAdd(v, x3 + k + 1, c3);
                d3 = TFormat.MultiplyAdd(t, x3 + k + 1, d3);
                c4 = TFormat.MultiplyAdd(v, x4 + k + 1, c4);
                d4 = TFormat.MultiplyAdd(t, x4 + k + 1, d4);
                c5 = TFormat.MultiplyAdd(v, x5 + k + 1, c5);
                d5 = TFormat.MultiplyAdd(t, x5 + k + 1, d5);
            }

            w += TFormat.StepBytes;
            u += TFormat.StepBytes;
        }

        if (k < count)
        {
            T v = TFormat.First<T>(w);
            T t = TFormat.First<T>(u);
            c0 = TFormat.MultiplyAdd(v, x0 + k, c0);
            d0 = TFormat.MultiplyAdd(t, x0 + k, d0);
            c1 = TFormat.MultiplyAdd(v, x1 + k, c1);
            d1 = TFormat.MultiplyAdd(t, x1 + k, d1);
            c2 = TFormat.MultiplyAdd(v, x2 + k, c2);
            d2 = TFormat.MultiplyAdd(t, x2 + k, d2);
            c3 = TFormat.MultiplyAdd(v, x3 + k, c3);
            d3 = TFormat.MultiplyAdd(t, x3 + k, d3);
            c4 = TFormat.MultiplyAdd(v, x4 + k, c4);
            d4 = TFormat.MultiplyAdd(t, x4 + k, d4);
            c5 = TFormat.MultiplyAdd(v, x5 + k, c5);
            d5 = TFormat.MultiplyAdd(t, x5 + k, d5);
        }

        c0.Store(sums);
        c1.Store(sums + 16);
        c2.Store(sums + 32);
        c3.Store(sums + 48);
        c4.Store(sums + 64);
        c5.Store(sums + 80);
        d0.Store(more);
        d1.Store(more + 16);
        d2.Store(more + 32);
        d3.Store(more + 48);
        d4.Store(more + 64);
        d5.Store(more + 80);
    }

    /// <summary>Scales the sums, adds the bias and writes the outputs that exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Finish<T>(T sums, int panel, int row) where T : struct, ILanes<T>
    {
        int first = panel * Lanes.Count;
        int count = Math.Min(Lanes.Count, _outputs - first);
        float* y = _y + ((long)row * _yStride) + first;
        sums = TFormat.Result(sums, _scales + first, _xScales is null ? 1f : _xScales[row]);
        if (count == Lanes.Count)
        {
            if (_bias is not null)
            {
                sums += T.Load(_bias + first);
            }

            sums.Store(y);
            return;
        }

        if (_bias is not null)
        {
            sums += Lanes.LoadFirst<T>(_bias + first, count);
        }

        Lanes.StoreFirst(sums, y, count);
    }
}
