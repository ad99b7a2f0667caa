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

    /// <summary>16 · 256 weights are 16 KB: they stay in the first-level cache while the rows of a chunk pass by.</summary>
    private const int BlockInputs = 256;

    private const int ChunkRows = 96;

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

    private readonly void RunRows<T>(int begin, int end) where T : struct, ILanes<T>
    {
        float* sums = stackalloc float[ChunkRows * Lanes.Count]; // one panel between blocks of k
        for (int panel = begin; panel < end; panel++)
        {
            for (int row = 0; row < _rows; row += ChunkRows)
            {
                RunChunk<T>(panel, row, Math.Min(ChunkRows, _rows - row), sums);
            }
        }
    }

    private readonly void RunChunk<T>(int panel, int firstRow, int rows, float* sums) where T : struct, ILanes<T>
    {
        float* w = _panels + ((long)panel * _inputs * Lanes.Count);
        float* x = _x + ((long)firstRow * _inputs);
        for (int k = 0; k < _inputs; k += BlockInputs)
        {
            int count = Math.Min(BlockInputs, _inputs - k);
            int row = 0;
            for (; row + TileRows <= rows; row += TileRows)
            {
                Tile<T>(w, x + ((long)row * _inputs) + k, sums + (row * Lanes.Count), count, k == 0);
            }

            for (; row < rows; row++)
            {
                SingleRow<T>(w, x + ((long)row * _inputs) + k, sums + (row * Lanes.Count), count, k == 0);
            }

            w += (long)count * Lanes.Count;
        }

        for (int row = 0; row < rows; row++)
        {
            Finish(T.Load(sums + (row * Lanes.Count)), panel, firstRow + row);
        }
    }

    /// <summary>Six rows by 16 outputs: twelve 256-bit sums, the most that sixteen registers hold.</summary>
    private readonly void Tile<T>(float* w, float* x, float* sums, int count, bool first) where T : struct, ILanes<T>
    {
        long stride = _inputs;
        float* x0 = x;
        float* x1 = x0 + stride;
        float* x2 = x1 + stride;
        float* x3 = x2 + stride;
        float* x4 = x3 + stride;
        float* x5 = x4 + stride;
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

    private static void SingleRow<T>(float* w, float* x, float* sums, int count, bool first) where T : struct, ILanes<T>
    {
        T c = first ? T.Broadcast(0f) : T.Load(sums);
        for (nint k = 0; k < count; k++)
        {
            c = T.Fma(T.Load(w), T.Broadcast(x[k]), c);
            w += Lanes.Count;
        }

        c.Store(sums);
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
