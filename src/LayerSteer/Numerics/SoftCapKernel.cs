using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Keeps values within (−cap, cap), in place: <code>x ← cap·tanh(x / cap)</code> (Gemma Team 2024, "Gemma 2", section 2).
/// Items: groups of 16 elements.
/// </summary>
internal unsafe struct SoftCapKernel : IKernel
{
    private readonly float* _x;
    private readonly long _length;
    private readonly float _cap;

    private SoftCapKernel(float* x, long length, float cap)
    {
        _x = x;
        _length = length;
        _cap = cap;
    }

    /// <summary>Caps each element; <paramref name="cap"/> is above 0.</summary>
    public static void Run(WorkerPool pool, Span<float> x, float cap)
    {
        Shape.Require(cap > 0f);
        fixed (float* px = x)
        {
            var kernel = new SoftCapKernel(px, x.Length, cap);
            pool.Run(ref kernel, Lanes.Groups(x.Length), x.Length * 32L);
        }
    }

    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        long first = (long)begin * Lanes.Count;
        Cap<T>(_x + first, Math.Min((long)end * Lanes.Count, _length) - first, _cap);
    }

    /// <summary>Caps <paramref name="count"/> elements on the calling thread.</summary>
    [MethodImpl(KernelCode.Loop)]
    public static void Cap<T>(float* x, long count, float cap) where T : struct, ILanes<T>
    {
        T caps = T.Broadcast(cap);
        long i = 0;
        for (; i + Lanes.Count <= count; i += Lanes.Count)
        {
            (Lanes.Tanh(T.Load(x + i) / caps) * caps).Store(x + i);
        }

        if (i < count)
        {
            int left = (int)(count - i);
            Lanes.StoreFirst(Lanes.Tanh(Lanes.LoadFirst<T>(x + i, left) / caps) * caps, x + i, left);
        }
    }
}
