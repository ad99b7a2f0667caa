using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Dropout (Srivastava et al. 2014) in place: each element is kept with probability 1 − p and divided by it, or set to
/// 0. Which are kept is a hash of the key and the index, so a backward pass with the same key drops the same ones, on
/// any number of threads. Items: groups of 16 elements.
/// </summary>
internal readonly unsafe struct DropoutKernel : IKernel
{
    private readonly float* _x;
    private readonly long _length;
    private readonly ulong _key;
    private readonly uint _least;
    private readonly float _scale;

    private DropoutKernel(float* x, long length, ulong key, float probability)
    {
        _x = x;
        _length = length;
        _key = key;
        _least = (uint)(probability * (double)uint.MaxValue);
        _scale = 1f / (1f - probability);
    }

    /// <summary>Drops elements with the given probability, at least 0 and below 1.</summary>
    public static void Run(WorkerPool pool, Span<float> x, ulong key, float probability)
    {
        if (probability == 0f)
        {
            return;
        }

        fixed (float* px = x)
        {
            var kernel = new DropoutKernel(px, x.Length, key, probability);
            pool.Run(ref kernel, Lanes.Groups(x.Length), x.Length * 4L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        long last = Math.Min((long)end * Lanes.Count, _length);
        for (long i = (long)begin * Lanes.Count; i < last; i++)
        {
            var random = new SplitMix64(_key + (ulong)i);
            _x[i] = (uint)(random.Next() >> 32) >= _least ? _x[i] * _scale : 0f;
        }
    }
}
