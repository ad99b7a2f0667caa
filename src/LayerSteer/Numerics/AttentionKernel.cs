using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>One query row of an attention step: where it looks and how far.</summary>
internal readonly unsafe struct AttentionRow
{
    /// <summary>A row that sees <paramref name="visible"/> keys, one after another.</summary>
    /// <param name="keys">
    /// Holds the keys of the row's sequence, [kvHeads, capacity, dHeadPadded].
    /// </param>
    /// <param name="values">Holds the values, likewise.</param>
    /// <param name="start">Where the first key seen of head 0 begins in both.</param>
    /// <param name="capacity">The number of positions held for each head.</param>
    /// <param name="visible">The number of keys seen; at least 1.</param>
    public AttentionRow(NativeBuffer keys, NativeBuffer values, long start, int capacity, int visible)
    {
        Keys = keys.Pointer + start;
        Values = values.Pointer + start;
        Capacity = capacity;
        Visible = visible;
    }

    public float* Keys { get; }

    public float* Values { get; }

    public int Capacity { get; }

    public int Visible { get; }
}

/// <summary>
/// Attention of query rows over cached keys and values:
/// <code>
/// s_j = (q · k_j)·scale,  capped: s_j ← cap·tanh(s_j / cap),  p = softmax(s),  z = Σ_j p_j v_j,  j ascending from +0
/// q [rows, heads, dHeadPadded], z [rows, heads·dHead]; head h reads key-value head h / (heads / kvHeads)
/// </code>
/// Dot products and the softmax sum use 16 lanes and the fixed tree; the lanes of the sum count from the first key seen,
/// which depends on the query's position and the window alone; keys are never split over threads. Padding of a head to a multiple of 16 is +0 in q and k. Items: heads, so
/// that one head's keys stay in one core's cache and each head has its own scratch.
/// </summary>
internal unsafe struct AttentionKernel : IKernel
{
    private readonly AttentionRow* _rows;
    private readonly int _rowCount;
    private readonly float* _q;
    private readonly float* _z;
    private readonly float* _scores;
    private readonly int _maxVisible;
    private readonly int _heads;
    private readonly int _headsPerKeyValue;
    private readonly int _dHead;
    private readonly int _dHeadPadded;
    private readonly float _scale;
    private readonly float _softCap;

    private AttentionKernel(
        AttentionRow* rows,
        int rowCount,
        float* q,
        float* z,
        float* scores,
        int maxVisible,
        int heads,
        int kvHeads,
        int dHead,
        float scale,
        float softCap)
    {
        _rows = rows;
        _rowCount = rowCount;
        _q = q;
        _z = z;
        _scores = scores;
        _maxVisible = maxVisible;
        _heads = heads;
        _headsPerKeyValue = heads / kvHeads;
        _dHead = dHead;
        _dHeadPadded = Padded(dHead);
        _scale = scale;
        _softCap = softCap;
    }

    /// <summary>A head's length in q and in the cache: rounded up to whole lanes.</summary>
    public static int Padded(int dHead) => (dHead + Lanes.Count - 1) / Lanes.Count * Lanes.Count;

    /// <summary>
    /// The floats of scratch that <see cref="Run"/> needs for queries that see up to <paramref name="visible"/> keys.
    /// </summary>
    public static int ScratchLength(int heads, int visible) => heads * Padded(visible);

    /// <summary>
    /// Runs the rows; a <paramref name="softCap"/> of 0 is none. The caches that they point into must stay alive.
    /// </summary>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<AttentionRow> rows,
        ReadOnlySpan<float> q,
        Span<float> z,
        Span<float> scratch,
        int heads,
        int kvHeads,
        int dHead,
        float scale,
        float softCap = 0f)
    {
        long keys = 0;
        int maxVisible = 0;
        foreach (AttentionRow row in rows)
        {
            keys += row.Visible;
            maxVisible = Math.Max(maxVisible, row.Visible);
        }

        Shape.Require(
            q.Length >= (long)rows.Length * heads * Padded(dHead) && z.Length >= (long)rows.Length * heads * dHead);
        Shape.Require(scratch.Length >= ScratchLength(heads, maxVisible));
        fixed (AttentionRow* pr = rows)
        {
            fixed (float* pq = q, pz = z, ps = scratch)
            {
                var kernel = new AttentionKernel(
                    pr, rows.Length, pq, pz, ps, Padded(maxVisible), heads, kvHeads, dHead, scale, softCap);
                pool.Run(ref kernel, heads, 2 * keys * heads * dHead);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int head = begin; head < end; head++)
        {
            float* scores = _scores + ((long)head * _maxVisible);
            for (int row = 0; row < _rowCount; row++)
            {
                RunOne<T>(_rows + row, row, head, scores);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private readonly void RunOne<T>(AttentionRow* row, int rowIndex, int head, float* scores)
        where T : struct, ILanes<T>
    {
        int visible = row->Visible;
        long first = (long)(head / _headsPerKeyValue) * row->Capacity * _dHeadPadded;
        float* q = _q + ((((long)rowIndex * _heads) + head) * _dHeadPadded);
        Scores<T>(q, row->Keys + first, scores, visible);
        if (_softCap > 0f)
        {
            SoftCapKernel.Cap<T>(scores, visible, _softCap);
        }

        Softmax<T>(scores, visible);

        float* z = _z + ((((long)rowIndex * _heads) + head) * _dHead);
        float* values = row->Values + first;
        int lane = 0;
        for (; lane + (4 * Lanes.Count) <= _dHead; lane += 4 * Lanes.Count)
        {
            Values64<T>(scores, values + lane, z + lane, visible);
        }

        for (; lane < _dHead; lane += Lanes.Count)
        {
            Values16<T>(scores, values + lane, z + lane, visible, Math.Min(Lanes.Count, _dHead - lane));
        }
    }

    /// <summary>64 elements of z at once: each weight is loaded once, and no sum waits for itself.</summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void Values64<T>(float* weights, float* v, float* z, int visible) where T : struct, ILanes<T>
    {
        T z0 = T.Broadcast(0f);
        T z1 = z0;
        T z2 = z0;
        T z3 = z0;
        for (int j = 0; j < visible; j++)
        {
            T p = T.Broadcast(weights[j]);
            z0 = T.Fma(p, T.Load(v), z0);
            z1 = T.Fma(p, T.Load(v + 16), z1);
            z2 = T.Fma(p, T.Load(v + 32), z2);
            z3 = T.Fma(p, T.Load(v + 48), z3);
            v += _dHeadPadded;
        }

        z0.Store(z);
        z1.Store(z + 16);
        z2.Store(z + 32);
        z3.Store(z + 48);
    }

    [MethodImpl(KernelCode.Loop)]
    private readonly void Values16<T>(float* weights, float* v, float* z, int visible, int count)
        where T : struct, ILanes<T>
    {
        T sum = T.Broadcast(0f);
        for (int j = 0; j < visible; j++)
        {
            sum = T.Fma(T.Broadcast(weights[j]), T.Load(v), sum);
            v += _dHeadPadded;
        }

        if (count == Lanes.Count)
        {
            sum.Store(z);
        }
        else
        {
            Lanes.StoreFirst(sum, z, count);
        }
    }

    /// <summary>s_j for every visible key; four keys at a time, since one dot product alone waits for itself.</summary>
    [MethodImpl(KernelCode.Loop)]
    private readonly void Scores<T>(float* q, float* keys, float* scores, int visible) where T : struct, ILanes<T>
    {
        int stride = _dHeadPadded;
        int j = 0;
        for (; j + 4 <= visible; j += 4)
        {
            float* k0 = keys + ((long)j * stride);
            float* k1 = k0 + stride;
            float* k2 = k1 + stride;
            float* k3 = k2 + stride;
            T s0 = T.Broadcast(0f);
            T s1 = s0;
            T s2 = s0;
            T s3 = s0;
            for (int i = 0; i < stride; i += Lanes.Count)
            {
                T x = T.Load(q + i);
                s0 = T.Fma(x, T.Load(k0 + i), s0);
                s1 = T.Fma(x, T.Load(k1 + i), s1);
                s2 = T.Fma(x, T.Load(k2 + i), s2);
                s3 = T.Fma(x, T.Load(k3 + i), s3);
            }

            scores[j] = s0.Sum() * _scale;
            scores[j + 1] = s1.Sum() * _scale;
            scores[j + 2] = s2.Sum() * _scale;
            scores[j + 3] = s3.Sum() * _scale;
        }

        for (; j < visible; j++)
        {
            float* k = keys + ((long)j * stride);
            T s = T.Broadcast(0f);
            for (int i = 0; i < stride; i += Lanes.Count)
            {
                s = T.Fma(T.Load(q + i), T.Load(k + i), s);
            }

            scores[j] = s.Sum() * _scale;
        }
    }

    /// <summary>p_j = e^(s_j − max) / Σ in place.</summary>
    [MethodImpl(KernelCode.Loop)]
    public static void Softmax<T>(float* scores, int count) where T : struct, ILanes<T>
    {
        int whole = count / Lanes.Count * Lanes.Count;
        float largest = scores[0];
        if (whole > 0)
        {
            T most = T.Load(scores);
            for (int j = Lanes.Count; j < whole; j += Lanes.Count)
            {
                most = T.Max(most, T.Load(scores + j));
            }

            largest = most.Largest();
        }

        for (int j = whole; j < count; j++)
        {
            largest = MathF.Max(largest, scores[j]);
        }

        T shift = T.Broadcast(largest);
        T sum = T.Broadcast(0f);
        for (int j = 0; j < whole; j += Lanes.Count)
        {
            T e = Lanes.Exp(T.Load(scores + j) - shift);
            e.Store(scores + j);
            sum += e;
        }

        if (whole < count)
        {
            T e = Lanes.KeepFirst(Lanes.Exp(Lanes.LoadFirst<T>(scores + whole, count - whole) - shift), count - whole);
            Lanes.StoreFirst(e, scores + whole, count - whole);
            sum += e;
        }

        float inverse = 1f / sum.Sum();
        T inverses = T.Broadcast(inverse);
        for (int j = 0; j < whole; j += Lanes.Count)
        {
            (T.Load(scores + j) * inverses).Store(scores + j);
        }

        for (int j = whole; j < count; j++)
        {
            scores[j] *= inverse;
        }
    }
}
