using System.Diagnostics;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>What the machine can do: the floors that a measurement is compared with.</summary>
internal sealed class MachineSpeed : IDisposable
{
    private const int Part = 1 << 18; // floats of one item: 1 MB
    private const int Parts = 512;
    private const int PeakItems = 64;
    private const int PeakRounds = 100_000;

    private readonly NativeBuffer _memory = new((long)Parts * Part);
    private readonly NativeBuffer _sink = new((long)Parts * Lanes.Count);

    public MachineSpeed()
    {
        for (int i = 0; i < Parts; i++)
        {
            _memory.Span((long)i * Part, Part).Fill(1f); // pages that were never written are one and the same
        }
    }

    /// <summary>Bytes per second of one reading of 512 MB.</summary>
    public unsafe double Bandwidth(WorkerPool pool)
    {
        var kernel = new ReadKernel(_memory.Pointer, _sink.Pointer);
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref kernel, Parts, _memory.Length);
        return _memory.Length * sizeof(float) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Floating-point operations per second of independent fused multiply-adds.</summary>
    public unsafe double PeakFlops(WorkerPool pool, int rounds = PeakRounds)
    {
        var kernel = new PeakKernel(_sink.Pointer, rounds);
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref kernel, PeakItems, long.MaxValue);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return 2.0 * PeakItems * rounds * PeakKernel.Chains * Lanes.Count / seconds;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _sink.Dispose();
    }

    /// <summary>Four streams of additions; the sums are written so that nothing can be left out.</summary>
    private readonly unsafe struct ReadKernel(float* memory, float* sink) : IKernel
    {
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            for (int item = begin; item < end; item++)
            {
                float* x = memory + ((long)item * Part);
                T a = T.Broadcast(0f);
                T b = a;
                T c = a;
                T d = a;
                for (int i = 0; i < Part; i += 4 * Lanes.Count)
                {
                    a += T.Load(x + i);
                    b += T.Load(x + i + 16);
                    c += T.Load(x + i + 32);
                    d += T.Load(x + i + 48);
                }

                (a + b + (c + d)).Store(sink + (item * Lanes.Count));
            }
        }
    }

    private readonly unsafe struct PeakKernel(float* sink, int rounds) : IKernel
    {
        public const int Chains = 6;

        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            T scale = T.Broadcast(0.999f);
            for (int item = begin; item < end; item++)
            {
                T a = T.Broadcast(item);
                T b = a;
                T c = a;
                T d = a;
                T e = a;
                T f = a;
                for (int i = 0; i < rounds; i++)
                {
                    a = T.Fma(a, scale, scale);
                    b = T.Fma(b, scale, scale);
                    c = T.Fma(c, scale, scale);
                    d = T.Fma(d, scale, scale);
                    e = T.Fma(e, scale, scale);
                    f = T.Fma(f, scale, scale);
                }

                (a + b + (c + d) + (e + f)).Store(sink + (item * Lanes.Count));
            }
        }
    }
}
