using System.Diagnostics;
using System.Runtime.CompilerServices;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>What the machine can do: the floors that a measurement is compared with.</summary>
internal sealed class MachineSpeed : IDisposable
{
    private const int Part = 66_592; // floats of one item, no power of two: two streams apart by one would share sets and banks
    private const int Parts = 2048;
    private const int PeakItems = 64;
    private const int PeakRounds = 50_000;

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

    /// <summary>Milliseconds of one reading of a matrix.</summary>
    public unsafe double TimeToRead(WorkerPool pool, WeightMatrix matrix)
    {
        int parts = (int)(matrix.Bytes / sizeof(float) / Part) / (2 * pool.Threads) * 2 * pool.Threads;
        var kernel = new ReadKernel((float*)matrix.Panels.Start, _sink.Pointer);
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref kernel, parts, matrix.Bytes);
        double share = (double)parts * Part * sizeof(float) / matrix.Bytes;
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / share;
    }

    /// <summary>Floating-point operations per second of independent fused multiply-adds.</summary>
    public unsafe double PeakFlops(WorkerPool pool)
    {
        var kernel = new PeakKernel(_sink.Pointer);
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref kernel, PeakItems, long.MaxValue);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return 2.0 * PeakItems * PeakRounds * PeakKernel.Chains * Lanes.Count / seconds;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _sink.Dispose();
    }

    /// <summary>
    /// Additions of two streams, one from each half of the range, as a matrix is read: faster than one stream. The sums
    /// are written so that nothing can be left out.
    /// </summary>
    private readonly unsafe struct ReadKernel(float* memory, float* sink) : IKernel
    {
        [MethodImpl(KernelCode.Loop)]
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            int half = (end - begin) / 2;
            for (int item = begin; item < begin + half; item++)
            {
                float* x = memory + ((long)item * Part);
                float* y = x + ((long)half * Part);
                T a = T.Broadcast(0f);
                T b = a;
                T c = a;
                T d = a;
                for (int i = 0; i < Part; i += 2 * Lanes.Count)
                {
                    a += T.Load(x + i);
                    b += T.Load(y + i);
                    c += T.Load(x + i + 16);
                    d += T.Load(y + i + 16);
                }

                (a + b + (c + d)).Store(sink + (item * Lanes.Count));
            }
        }
    }

    private readonly unsafe struct PeakKernel(float* sink) : IKernel
    {
        public const int Chains = 6;

        [MethodImpl(KernelCode.Loop)]
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
                for (int i = 0; i < PeakRounds; i++)
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
