using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LayerSteer.Numerics;

/// <summary>
/// Persistent threads that share the items of a kernel in contiguous ranges. A waiting worker spins briefly and then
/// parks, so an idle pool costs nothing. When two requests come at once, the second runs its kernel on its own thread:
/// the result does not depend on the number of threads. Thread-safe.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeParking = 2000;

    /// <summary>Below this many elementary operations a kernel runs on the caller's thread: waking costs more.</summary>
    private const long LeastWork = 32_768;

    private readonly Lock _running = new();
    private readonly Worker[] _workers;
    private readonly int _vectorBits;
    private delegate*<void*, int, int, int, void> _run;
    private void* _kernel;
    private int _items;
    private volatile int _generation;
    private Padded _remaining;
    private volatile bool _stopping;

    /// <summary>Starts a pool.</summary>
    /// <param name="threads">The number of threads that work at once, the caller's included; at least 1.</param>
    public WorkerPool(int threads)
        : this(threads, VectorBits)
    {
    }

    /// <summary>A pool whose kernels use registers of another width, which every machine can imitate.</summary>
    internal WorkerPool(int threads, int vectorBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _vectorBits = vectorBits;
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker(this, i + 1);
        }
    }

    /// <summary>The process's pool: as many threads as the machine, or its container, allows.</summary>
    public static WorkerPool Shared { get; } = new(Environment.ProcessorCount);

    /// <summary>The number of threads that work at once, the caller's included.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>The width in bits of the vector registers that the kernels use on this machine; 32 when there are none.</summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 32;

    /// <summary>Ends the threads. No kernel may be running.</summary>
    public void Dispose()
    {
        _stopping = true;
        foreach (Worker worker in _workers)
        {
            worker.Dispose();
        }
    }

    /// <summary>Runs all items of a kernel and returns when they are done.</summary>
    /// <param name="kernel">The kernel; must not hold managed references.</param>
    /// <param name="items">The number of items.</param>
    /// <param name="work">About how many elementary operations that is in all.</param>
    internal void Run<TKernel>(ref TKernel kernel, int items, long work) where TKernel : unmanaged, IKernel
    {
        if (_workers.Length == 0 || items < 2 || work < LeastWork || !_running.TryEnter())
        {
            RunRange(ref kernel, 0, items, _vectorBits);
            return;
        }

        try
        {
            ObjectDisposedException.ThrowIf(_stopping, this); // its threads are gone: waiting for them would not end
            fixed (TKernel* pointer = &kernel)
            {
                _kernel = pointer;
                _run = &RunErased<TKernel>;
                _items = items;
                Volatile.Write(ref _remaining.Value, _workers.Length);
                _generation++;
                Interlocked.MemoryBarrier();
                foreach (Worker worker in _workers)
                {
                    worker.WakeIfParked();
                }

                RunRange(ref kernel, 0, End(0), _vectorBits);
                SpinWait wait = default;
                while (Volatile.Read(ref _remaining.Value) != 0)
                {
                    wait.SpinOnce(sleep1Threshold: -1);
                }
            }
        }
        finally
        {
            _running.Exit();
        }
    }

    /// <summary>Runs all items on the calling thread.</summary>
    internal static void RunHere<TKernel>(ref TKernel kernel, int items) where TKernel : unmanaged, IKernel =>
        RunRange(ref kernel, 0, items, VectorBits);

    private static void RunErased<TKernel>(void* kernel, int begin, int end, int vectorBits)
        where TKernel : unmanaged, IKernel =>
        RunRange(ref Unsafe.AsRef<TKernel>(kernel), begin, end, vectorBits);

    private static void RunRange<TKernel>(ref TKernel kernel, int begin, int end, int vectorBits)
        where TKernel : unmanaged, IKernel
    {
        switch (vectorBits)
        {
            case 512:
                kernel.Run<Lanes512>(begin, end);
                break;
            case 256:
                kernel.Run<Lanes256>(begin, end);
                break;
            case 128:
                kernel.Run<Lanes128>(begin, end);
                break;
            default:
                kernel.Run<ScalarLanes>(begin, end);
                break;
        }
    }

    /// <summary>Where part <paramref name="part"/> of the items ends; part 0 is the caller's.</summary>
    private int End(int part) => (int)((long)_items * (part + 1) / Threads);

    /// <summary>Alone on its cache line, so that counting down does not slow the readers of other fields.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Padded
    {
        [FieldOffset(64)]
        public int Value;
    }

    private sealed class Worker : IDisposable
    {
        private readonly WorkerPool _pool;
        private readonly int _part;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _wake = new(0);
        private int _parked;

        public Worker(WorkerPool pool, int part)
        {
            _pool = pool;
            _part = part;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"LayerSteer worker {part}" };
            _thread.Start();
        }

        public void WakeIfParked()
        {
            if (Volatile.Read(ref _parked) != 0)
            {
                Wake();
            }
        }

        public void Wake()
        {
            if (Interlocked.Exchange(ref _parked, 0) != 0)
            {
                _wake.Release();
            }
        }

        public void Dispose()
        {
            // A worker that is about to park when the pool stops may park after a wake and must be woken again.
            do
            {
                Wake();
            }
            while (!_thread.Join(1));

            _wake.Dispose();
        }

        private void Loop()
        {
            int done = 0;
            while (true)
            {
                int spins = 0;
                while (_pool._generation == done)
                {
                    if (_pool._stopping)
                    {
                        return;
                    }

                    if (++spins < SpinsBeforeParking)
                    {
                        Thread.SpinWait(8);
                    }
                    else
                    {
                        Park(done);
                        spins = 0;
                    }
                }

                done = _pool._generation;
                _pool._run(_pool._kernel, _pool.End(_part - 1), _pool.End(_part), _pool._vectorBits);
                Interlocked.Decrement(ref _pool._remaining.Value);
            }
        }

        private void Park(int done)
        {
            Volatile.Write(ref _parked, 1);
            Interlocked.MemoryBarrier();
            if (_pool._generation != done || _pool._stopping)
            {
                // Work came in between: take the mark back, or the release that the waker already gave.
                if (Interlocked.Exchange(ref _parked, 0) == 0)
                {
                    _wake.Wait();
                }

                return;
            }

            _wake.Wait();
        }
    }
}
