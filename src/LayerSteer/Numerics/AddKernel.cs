using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>y += x, element by element. Items: groups of 16 elements.</summary>
internal unsafe struct AddKernel : IKernel
{
    private readonly float* _y;
    private readonly float* _x;
    private readonly long _length;

    private AddKernel(float* y, float* x, long length)
    {
        _y = y;
        _x = x;
        _length = length;
    }

    /// <summary>Adds x to y.</summary>
    public static void Run(WorkerPool pool, Span<float> y, ReadOnlySpan<float> x)
    {
        Shape.Require(x.Length == y.Length);
        fixed (float* px = x, py = y)
        {
            var kernel = new AddKernel(py, px, y.Length);
            pool.Run(ref kernel, Lanes.Groups(y.Length), y.Length);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        long i = (long)begin * Lanes.Count;
        long stop = Math.Min((long)end * Lanes.Count, _length);
        for (; i + Lanes.Count <= stop; i += Lanes.Count)
        {
            (T.Load(_y + i) + T.Load(_x + i)).Store(_y + i);
        }

        for (; i < stop; i++)
        {
            _y[i] += _x[i];
        }
    }
}
