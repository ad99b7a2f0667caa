namespace LayerSteer.Numerics;

/// <summary>
/// Y = X·Wᵀ + b for a block of rows.
/// <code>
/// y[r, o] = (… fma(x[r, 1], w[o, 1], fma(x[r, 0], w[o, 0], +0)) …) + b[o],  k ascending
/// X [rows, k], W packed [n, k], b [n], Y [rows, n], row-major
/// </code>
/// Each output is one chain, carried through memory across blocks of k, so one row alone, a block of rows, a tail and
/// any number of threads give the same bits. Items: panels of 16 outputs.
/// </summary>
internal unsafe struct MatrixKernel : IKernel
{
    private const int TileRows = 6;

    /// <summary>
    /// Two panels of 192 inputs are 24 KB: they stay in the first-level cache while a chunk passes by.
    /// </summary>
    private const int BlockInputs = 192;

    private const int ChunkRows = 96;

    private const int PanelSums = ChunkRows * Lanes.Count;

    private readonly float* _panels;
    private readonly int _outputs;
    private readonly int _inputs;
    private readonly float* _bias;
    private readonly float* _x;
    private readonly float* _y;
    private readonly int _rows;

    private MatrixKernel(WeightMatrix weights, float* bias, float* x, float* y, int rows)
    {
        _panels = weights.Panels;
        _outputs = weights.Outputs;
        _inputs = weights.Inputs;
        _bias = bias;
        _x = x;
        _y = y;
        _rows = rows;
    }

    /// <summary>Computes Y for <paramref name="rows"/> rows; an empty <paramref name="bias"/> is none.</summary>
    public static void Run(
        WorkerPool pool, WeightMatrix weights, ReadOnlySpan<float> bias, ReadOnlySpan<float> x, Span<float> y, int rows)
    {
        Shape.Require(bias.Length == 0 || bias.Length == weights.Outputs);
        Shape.Require(x.Length >= (long)rows * weights.Inputs && y.Length >= (long)rows * weights.Outputs);
        fixed (float* b = bias, px = x, py = y)
        {
            var kernel = new MatrixKernel(weights, b, px, py, rows);
            pool.Run(ref kernel, weights.PanelCount, (long)rows * weights.Outputs * weights.Inputs);
        }
    }

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

    /// <summary>One row: two panels at a time, since one chain alone waits for itself.</summary>
    private readonly void RunRow<T>(int begin, int end) where T : struct, ILanes<T>
    {
        long panelSize = (long)_inputs * Lanes.Count;
        int panel = begin;
        for (; panel + 2 <= end; panel += 2)
        {
            float* w0 = _panels + (panel * panelSize);
            float* w1 = w0 + panelSize;
            T c0 = T.Broadcast(0f);
            T c1 = T.Broadcast(0f);
            for (nint k = 0; k < _inputs; k++)
            {
                T x = T.Broadcast(_x[k]);
                c0 = T.Fma(T.Load(w0), x, c0);
                c1 = T.Fma(T.Load(w1), x, c1);
                w0 += Lanes.Count;
                w1 += Lanes.Count;
            }

            Finish(c0, panel, 0);
            Finish(c1, panel + 1, 0);
        }

        if (panel < end)
        {
            float* w = _panels + (panel * panelSize);
            T c = T.Broadcast(0f);
            for (nint k = 0; k < _inputs; k++)
            {
                c = T.Fma(T.Load(w), T.Broadcast(_x[k]), c);
                w += Lanes.Count;
            }

            Finish(c, panel, 0);
        }
    }

    /// <summary>
    /// Several rows: tiles of six rows by one panel, or by two where a register holds a whole panel. Measured on Zen 3
    /// (256 bits), one core: 86 % of the peak of fused multiply-adds for 96 to 256 rows, in blocks of 192 or 256 alike.
    /// </summary>
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

    private readonly void RunChunk<T>(int panel, int panels, int firstRow, int rows, float* sums)
        where T : struct, ILanes<T>
    {
        long panelSize = (long)_inputs * Lanes.Count;
        float* w = _panels + (panel * panelSize);
        float* x = _x + ((long)firstRow * _inputs);
        for (int k = 0; k < _inputs; k += BlockInputs)
        {
            int count = Math.Min(BlockInputs, _inputs - k);
            for (int row = 0; row < rows; row += TileRows)
            {
                float* tileX = x + ((long)row * _inputs) + k;
                float* tileSums = sums + (row * Lanes.Count);
                if (panels == 2 && typeof(T) == typeof(Lanes512))
                {
                    WideTile<T>(w, w + panelSize, tileX, rows - row, tileSums, count, k == 0);
                    continue;
                }

                for (int p = 0; p < panels; p++)
                {
                    Tile<T>(w + (p * panelSize), tileX, rows - row, tileSums + (p * PanelSums), count, k == 0);
                }
            }

            w += (long)count * Lanes.Count;
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
    private readonly void Tile<T>(float* w, float* x0, int rows, float* sums, int count, bool first)
        where T : struct, ILanes<T>
    {
        float* x1 = rows > 1 ? x0 + _inputs : x0;
        float* x2 = rows > 2 ? x1 + _inputs : x1;
        float* x3 = rows > 3 ? x2 + _inputs : x2;
        float* x4 = rows > 4 ? x3 + _inputs : x3;
        float* x5 = rows > 5 ? x4 + _inputs : x4;
        T c0 = first ? T.Broadcast(0f) : T.Load(sums);
        T c1 = first ? T.Broadcast(0f) : T.Load(sums + 16);
        T c2 = first ? T.Broadcast(0f) : T.Load(sums + 32);
        T c3 = first ? T.Broadcast(0f) : T.Load(sums + 48);
        T c4 = first ? T.Broadcast(0f) : T.Load(sums + 64);
        T c5 = first ? T.Broadcast(0f) : T.Load(sums + 80);
        for (nint k = 0; k < count; k++)
        {
            T v = T.Load(w);
            w += Lanes.Count;
            c0 = T.Fma(v, T.Broadcast(x0[k]), c0);
            c1 = T.Fma(v, T.Broadcast(x1[k]), c1);
            c2 = T.Fma(v, T.Broadcast(x2[k]), c2);
            c3 = T.Fma(v, T.Broadcast(x3[k]), c3);
            c4 = T.Fma(v, T.Broadcast(x4[k]), c4);
            c5 = T.Fma(v, T.Broadcast(x5[k]), c5);
        }

        c0.Store(sums);
        c1.Store(sums + 16);
        c2.Store(sums + 32);
        c3.Store(sums + 48);
        c4.Store(sums + 64);
        c5.Store(sums + 80);
    }

    /// <summary>
    /// Six rows by 32 outputs where a panel is one register: twelve sums, for six alone would wait for themselves (two
    /// units, four cycles each), and each input is loaded once for both panels.
    /// </summary>
    private readonly void WideTile<T>(float* w, float* u, float* x0, int rows, float* sums, int count, bool first)
        where T : struct, ILanes<T>
    {
        float* x1 = rows > 1 ? x0 + _inputs : x0;
        float* x2 = rows > 2 ? x1 + _inputs : x1;
        float* x3 = rows > 3 ? x2 + _inputs : x2;
        float* x4 = rows > 4 ? x3 + _inputs : x3;
        float* x5 = rows > 5 ? x4 + _inputs : x4;
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
        for (nint k = 0; k < count; k++)
        {
            T v = T.Load(w + (k * Lanes.Count));
            T t = T.Load(u + (k * Lanes.Count));
            T x = T.Broadcast(x0[k]);
            c0 = T.Fma(v, x, c0);
            d0 = T.Fma(t, x, d0);
            x = T.Broadcast(x1[k]);
            c1 = T.Fma(v, x, c1);
            d1 = T.Fma(t, x, d1);
            x = T.Broadcast(x2[k]);
            c2 = T.Fma(v, x, c2);
            d2 = T.Fma(t, x, d2);
            x = T.Broadcast(x3[k]);
            c3 = T.Fma(v, x, c3);
            d3 = T.Fma(t, x, d3);
            x = T.Broadcast(x4[k]);
            c4 = T.Fma(v, x, c4);
            d4 = T.Fma(t, x, d4);
            x = T.Broadcast(x5[k]);
            c5 = T.Fma(v, x, c5);
            d5 = T.Fma(t, x, d5);
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

    /// <summary>Adds the bias and writes the outputs that exist.</summary>
    private readonly void Finish<T>(T sums, int panel, int row) where T : struct, ILanes<T>
    {
        int first = panel * Lanes.Count;
        int count = Math.Min(Lanes.Count, _outputs - first);
        float* y = _y + ((long)row * _outputs) + first;
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
