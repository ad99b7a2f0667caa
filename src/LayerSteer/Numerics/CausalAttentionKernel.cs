using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>The shapes of <see cref="CausalAttentionKernel"/>.</summary>
/// <param name="Sequences">The number of sequences.</param>
/// <param name="Length">The tokens of each.</param>
/// <param name="Heads">The number of query heads.</param>
/// <param name="KeyValueHeads">The number of key-value heads; divides the former.</param>
/// <param name="DHead">The width of a head.</param>
internal readonly record struct AttentionShape(int Sequences, int Length, int Heads, int KeyValueHeads, int DHead)
{
    /// <summary>The width of q, k and v of one token, side by side.</summary>
    public int Width => (Heads + (2 * KeyValueHeads)) * DHead;
}

/// <summary>
/// Attention of whole sequences over themselves, for training, with its gradient:
/// <code>
/// s_ij = (q_i · k_j)·scale for j ≤ i;  p_i = softmax(s_i);  z_i = Σ_j p_ij v_j
/// dv_j = Σ_i p_ij dz_i;  ds_ij = p_ij·(dz_i · v_j − Σ_l p_il (dz_i · v_l))·scale
/// dq_i = Σ_j ds_ij k_j;  dk_j = Σ_i ds_ij q_i
/// qkv, dqkv [sequences · length, width], z, dz [sequences · length, heads · dHead], row-major
/// </code>
/// Items: one key-value head of one sequence with the query heads that read it. The backward pass makes the weights p
/// again: they would be the largest thing to keep.
/// </summary>
internal unsafe struct CausalAttentionKernel : IKernel
{
    /// <summary>Rows of queries at once: they all see the keys up to the last of them.</summary>
    private const int BlockRows = 48;

    private readonly AttentionShape _shape;
    private readonly float _scale;
    private readonly float* _qkv;
    private readonly float* _z;
    private readonly float* _dz;
    private readonly float* _dqkv;
    private readonly float* _scratch;
    private readonly long _scratchLength;
    private readonly int* _taken;

    private CausalAttentionKernel(
        AttentionShape shape, float scale, float* qkv, float* z, float* dz, float* dqkv, float* scratch, int* taken)
    {
        _shape = shape;
        _scale = scale;
        _qkv = qkv;
        _z = z;
        _dz = dz;
        _dqkv = dqkv;
        _scratch = scratch;
        _scratchLength = ScratchOf(shape);
        _taken = taken;
    }

    /// <summary>The floats of scratch that a pool needs.</summary>
    public static long ScratchLength(WorkerPool pool, AttentionShape shape) => pool.Threads * ScratchOf(shape);

    /// <summary>Computes z.</summary>
    public static void Forward(
        WorkerPool pool,
        AttentionShape shape,
        float scale,
        ReadOnlySpan<float> qkv,
        Span<float> z,
        NativeBuffer scratch)
    {
        Require(pool, shape, qkv.Length, z.Length, scratch);
        int taken = 0;
        fixed (float* pq = qkv, pz = z)
        {
            var kernel = new CausalAttentionKernel(shape, scale, pq, pz, null, null, scratch.Pointer, &taken);
            pool.Run(ref kernel, shape.Sequences * shape.KeyValueHeads, Work(shape));
        }
    }

    /// <summary>Computes dqkv from dz; every element is written.</summary>
    public static void Backward(
        WorkerPool pool,
        AttentionShape shape,
        float scale,
        ReadOnlySpan<float> qkv,
        ReadOnlySpan<float> dz,
        Span<float> dqkv,
        NativeBuffer scratch)
    {
        Require(pool, shape, qkv.Length, dz.Length, scratch);
        Shape.Require(dqkv.Length == qkv.Length);
        dqkv.Clear();
        int taken = 0;
        fixed (float* pq = qkv, pdz = dz, pdq = dqkv)
        {
            var kernel = new CausalAttentionKernel(shape, scale, pq, null, pdz, pdq, scratch.Pointer, &taken);
            pool.Run(ref kernel, shape.Sequences * shape.KeyValueHeads, 3 * Work(shape));
        }
    }

    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        // Each thread gets one range, so this hands every thread its own part.
        float* scratch = _scratch + ((Interlocked.Increment(ref *_taken) - 1) * _scratchLength);
        for (int item = begin; item < end; item++)
        {
            int sequence = item / _shape.KeyValueHeads;
            int keyValueHead = item % _shape.KeyValueHeads;
            int group = _shape.Heads / _shape.KeyValueHeads;
            for (int i = 0; i < group; i++)
            {
                var head = new Head(this, sequence, (keyValueHead * group) + i, keyValueHead, scratch);
                if (_dz is null)
                {
                    head.Forward<T>();
                }
                else
                {
                    head.Backward<T>();
                }
            }
        }
    }

    private static long Work(AttentionShape shape) =>
        (long)shape.Sequences * shape.Heads * shape.Length * shape.Length * shape.DHead;

    /// <summary>Weights and their gradients, [length, padded] each; q, k, v, dz in panels; k and v once more.</summary>
    private static long ScratchOf(AttentionShape shape)
    {
        long weights = (long)Padded(shape.Length) * Padded(shape.Length);
        long panels = (long)Padded(shape.DHead) * Padded(shape.Length);
        return (2 * weights) + (5 * panels);
    }

    /// <summary>A multiple of the lanes and of the blocks, so that tiles may read past the end of a row.</summary>
    private static int Padded(int length) => (length + BlockRows - 1) / BlockRows * BlockRows;

    private static void Require(WorkerPool pool, AttentionShape shape, int qkv, int z, NativeBuffer scratch)
    {
        long rows = (long)shape.Sequences * shape.Length;
        Shape.Require(qkv == rows * shape.Width && z == rows * shape.Heads * shape.DHead);
        Shape.Require(scratch.Length >= ScratchLength(pool, shape));
    }

    /// <summary>One query head of one sequence.</summary>
    private readonly struct Head
    {
        private readonly CausalAttentionKernel _kernel;
        private readonly int _length;
        private readonly int _dHead;
        private readonly int _width;
        private readonly int _zWidth;
        private readonly int _padded;
        private readonly int _even;
        private readonly long _qAt;
        private readonly long _kAt;
        private readonly long _vAt;
        private readonly long _zAt;
        private readonly float* _weights;
        private readonly float* _gradients;
        private readonly float* _panels;
        private readonly long _panelsLength;

        public Head(CausalAttentionKernel kernel, int sequence, int head, int keyValueHead, float* scratch)
        {
            AttentionShape shape = kernel._shape;
            _kernel = kernel;
            _length = shape.Length;
            _dHead = shape.DHead;
            _width = shape.Width;
            _zWidth = shape.Heads * shape.DHead;
            _padded = Padded(shape.Length);
            _even = WeightMatrix.Even(shape.DHead);
            long row = (long)sequence * shape.Length;
            _qAt = (row * _width) + ((long)head * _dHead);
            _kAt = (row * _width) + ((long)(shape.Heads + keyValueHead) * _dHead);
            _vAt = _kAt + ((long)shape.KeyValueHeads * _dHead);
            _zAt = (row * _zWidth) + ((long)head * _dHead);
            _weights = scratch;
            _gradients = scratch + ((long)_padded * _padded);
            _panels = _gradients + ((long)_padded * _padded);
            _panelsLength = (long)Padded(shape.DHead) * _padded;
        }

        public void Forward<T>() where T : struct, ILanes<T>
        {
            Panels keys = PackRows<T>(0, _kernel._qkv + _kAt, _width);
            Panels values = PackColumns<T>(1, _kernel._qkv + _vAt, _width);
            for (int first = 0; first < _length; first += BlockRows)
            {
                int rows = Math.Min(BlockRows, _length - first);
                Weights<T>(keys, first, rows);
                Multiply<T>(
                    values, first + rows, _weights + ((long)first * _padded), _padded,
                    _kernel._z + _zAt + ((long)first * _zWidth), _zWidth, rows);
            }
        }

        public void Backward<T>() where T : struct, ILanes<T>
        {
            float* qkv = _kernel._qkv;
            float* dz = _kernel._dz + _zAt;
            float* dqkv = _kernel._dqkv;
            Panels keys = PackRows<T>(0, qkv + _kAt, _width);
            Panels values = PackRows<T>(1, qkv + _vAt, _width);
            Panels keyColumns = PackColumns<T>(2, qkv + _kAt, _width);
            for (int first = 0; first < _length; first += BlockRows)
            {
                int rows = Math.Min(BlockRows, _length - first);
                long at = (long)first * _padded;
                Weights<T>(keys, first, rows);
                Multiply<T>(
                    Seen(values, first + rows), _dHead, dz + ((long)first * _zWidth), _zWidth,
                    _gradients + at, _padded, rows);
                for (int row = first; row < first + rows; row++)
                {
                    long start = (long)row * _padded;
                    SoftmaxGradient<T>(_weights + start, _gradients + start, row + 1);
                    Clear(_gradients + start, row + 1, Past(first + rows));
                }

                Multiply<T>(
                    keyColumns, first + rows, _gradients + at, _padded,
                    dqkv + _qAt + ((long)first * _width), _width, rows);
            }

            AddTransposed<T>(_weights, PackColumns<T>(3, dz, _zWidth), dqkv + _vAt);
            AddTransposed<T>(_gradients, PackColumns<T>(4, qkv + _qAt, _width), dqkv + _kAt);
        }

        /// <summary>p of a block of rows, +0 where they do not see.</summary>
        private void Weights<T>(Panels keys, int first, int rows) where T : struct, ILanes<T>
        {
            float* q = _kernel._qkv + _qAt + ((long)first * _width);
            Multiply<T>(
                Seen(keys, first + rows), _dHead, q, _width, _weights + ((long)first * _padded), _padded, rows);
            for (int row = first; row < first + rows; row++)
            {
                float* weights = _weights + ((long)row * _padded);
                Scale<T>(weights, row + 1, _kernel._scale);
                AttentionKernel.Softmax<T>(weights, row + 1);
                Clear(weights, row + 1, Past(first + rows));
            }
        }

        /// <summary>Where the tiles that begin before <paramref name="seen"/> end.</summary>
        private static int Past(int seen) => (seen + BlockRows - 1) / BlockRows * BlockRows;

        /// <summary>d[j, :] += Σ_i m[i, j]·b[i, :]; rows before j hold nothing for it.</summary>
        private void AddTransposed<T>(float* m, Panels b, float* d) where T : struct, ILanes<T>
        {
            long panelFloats = b.Bytes / sizeof(float);
            for (int j = 0; j < _length; j += OuterProductKernel.TileRows)
            {
                for (int column = 0; column < _dHead; column += Lanes.Count)
                {
                    float* panel = (float*)b.Start + (column / Lanes.Count * panelFloats) + ((long)j * Lanes.Count);
                    OuterProductKernel.Add<T>(
                        m + ((long)j * _padded) + j, _padded, panel, _length - j,
                        d + ((long)j * _width) + column, _width, _length - j, _dHead - column);
                }
            }
        }

        /// <summary>Rows of x times a matrix in panels.</summary>
        private static void Multiply<T>(
            Panels panels, int inputs, float* x, int xStride, float* y, int yStride, int rows)
            where T : struct, ILanes<T>
        {
            var used = new Panels(panels.Start, panels.Bytes, null, panels.Outputs, inputs);
            new MatrixKernel<Float32Format>(used, null, x, xStride, null, y, yStride, rows)
                .Run<T>(0, Lanes.Groups(panels.Outputs));
        }

        /// <summary>The panels of the first keys or values.</summary>
        private static Panels Seen(Panels panels, int count) =>
            new(panels.Start, panels.Bytes, null, count, panels.Inputs);

        /// <summary>Panels whose outputs are the tokens.</summary>
        private Panels PackRows<T>(int slot, float* source, int stride) where T : struct, ILanes<T>
        {
            float* panels = _panels + (slot * _panelsLength);
            long panelFloats = (long)_even * Lanes.Count;
            new PackKernel(source, 1, stride, panels, panelFloats, _length, _dHead)
                .Run<T>(0, Lanes.Groups(_length));
            return new Panels((byte*)panels, panelFloats * sizeof(float), null, _length, _dHead);
        }

        /// <summary>Panels whose inputs are the tokens.</summary>
        private Panels PackColumns<T>(int slot, float* source, int stride) where T : struct, ILanes<T>
        {
            float* panels = _panels + (slot * _panelsLength);
            long panelFloats = (long)_padded * Lanes.Count;
            new PackKernel(source, stride, 1, panels, panelFloats, _dHead, _length)
                .Run<T>(0, Lanes.Groups(_dHead));
            return new Panels((byte*)panels, panelFloats * sizeof(float), null, _dHead, _length);
        }

        [MethodImpl(KernelCode.Loop)]
        private static void Scale<T>(float* x, int count, float scale) where T : struct, ILanes<T>
        {
            T scales = T.Broadcast(scale);
            int i = 0;
            for (; i + Lanes.Count <= count; i += Lanes.Count)
            {
                (T.Load(x + i) * scales).Store(x + i);
            }

            for (; i < count; i++)
            {
                x[i] *= scale;
            }
        }

        /// <summary>From dz · v to ds, in place.</summary>
        [MethodImpl(KernelCode.Loop)]
        private void SoftmaxGradient<T>(float* p, float* d, int count) where T : struct, ILanes<T>
        {
            int whole = count / Lanes.Count * Lanes.Count;
            T sum = T.Broadcast(0f);
            for (int i = 0; i < whole; i += Lanes.Count)
            {
                sum = T.Fma(T.Load(p + i), T.Load(d + i), sum);
            }

            if (whole < count)
            {
                sum = T.Fma(
                    Lanes.LoadFirst<T>(p + whole, count - whole), Lanes.LoadFirst<T>(d + whole, count - whole), sum);
            }

            float mean = sum.Sum();
            T means = T.Broadcast(mean);
            T scales = T.Broadcast(_kernel._scale);
            for (int i = 0; i < whole; i += Lanes.Count)
            {
                (T.Load(p + i) * (T.Load(d + i) - means) * scales).Store(d + i);
            }

            for (int i = whole; i < count; i++)
            {
                d[i] = p[i] * (d[i] - mean) * _kernel._scale;
            }
        }

        private static void Clear(float* x, int from, int to) => new Span<float>(x + from, to - from).Clear();
    }
}
