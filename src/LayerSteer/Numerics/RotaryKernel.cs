using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Rotary position embedding (Su et al. 2021) of the first heads of rows, in place, in the half-split layout:
/// <code>
/// [x₁ | x₂ | rest] → [x₁·cos − x₂·sin | x₂·cos + x₁·sin | rest];  x₁, x₂ [dims / 2] of each head
/// x [rows, stride], turns [rows, dims]: cos and then sin of the row's angles
/// </code>
/// Items: rows.
/// </summary>
internal unsafe struct RotaryKernel : IKernel
{
    private readonly float* _x;
    private readonly int _stride;
    private readonly int _heads;
    private readonly int _dHead;
    private readonly float* _turns;
    private readonly int _half;

    private RotaryKernel(float* x, int stride, int heads, int dHead, float* turns, int half)
    {
        _x = x;
        _stride = stride;
        _heads = heads;
        _dHead = dHead;
        _turns = turns;
        _half = half;
    }

    /// <summary>Turns <paramref name="heads"/> heads of each row.</summary>
    public static void Run(
        WorkerPool pool,
        Span<float> x,
        int stride,
        int heads,
        int dHead,
        ReadOnlySpan<float> turns,
        int dims,
        int rows)
    {
        Shape.Require(dims % 2 == 0 && dims <= dHead && heads * dHead <= stride);
        Shape.Require(x.Length >= (long)rows * stride && turns.Length >= (long)rows * dims);
        fixed (float* px = x, pt = turns)
        {
            var kernel = new RotaryKernel(px, stride, heads, dHead, pt, dims / 2);
            pool.Run(ref kernel, rows, (long)rows * heads * dims * 2);
        }
    }

    /// <summary>Cos and sin of one position's angles, in float32: position·frequency, rounded, then its functions.</summary>
    /// <param name="position">From 0.</param>
    /// <param name="frequencies">[dims / 2].</param>
    /// <param name="turns">Receives cos and then sin, [dims].</param>
    public static void Turns(int position, ReadOnlySpan<float> frequencies, Span<float> turns)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            // In double and rounded, so that the machine's mathematics library does not show.
            (double sin, double cos) = Math.SinCos(position * frequencies[i]);
            turns[i] = (float)cos;
            turns[frequencies.Length + i] = (float)sin;
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (long row = begin; row < end; row++)
        {
            float* cos = _turns + (row * 2 * _half);
            float* sin = cos + _half;
            for (int head = 0; head < _heads; head++)
            {
                float* x = _x + (row * _stride) + ((long)head * _dHead);
                float* y = x + _half;
                int i = 0;
                for (; i + Lanes.Count <= _half; i += Lanes.Count)
                {
                    T a = T.Load(x + i);
                    T b = T.Load(y + i);
                    T c = T.Load(cos + i);
                    T s = T.Load(sin + i);
                    ((a * c) - (b * s)).Store(x + i);
                    ((b * c) + (a * s)).Store(y + i);
                }

                for (; i < _half; i++)
                {
                    float a = x[i];
                    float b = y[i];
                    x[i] = (a * cos[i]) - (b * sin[i]);
                    y[i] = (b * cos[i]) + (a * sin[i]);
                }
            }
        }
    }
}
