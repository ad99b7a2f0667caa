using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LayerSteer.Numerics;

/// <summary>
/// Persistent threads that share the items of a kernel in contiguous ranges. Whoever waits spins briefly and then
/// parks, so an idle pool costs nothing. When two requests come at once, the second runs its kernel on its own thread:
/// the result does not depend on the number of threads. Thread-safe.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    /// <summary>
    /// About 30 µs. Measured with decoding on two Zen 3 cores: from 50 to 2000 spins the same on a quiet machine (1.0
    /// times the time to read the weights); with another process on one core 1.0 up to 200 spins, and 3.0 at 2000,
    /// since a caller that spins keeps its core from the worker that it waits for.
    /// </summary>
    private const int SpinsBeforeParking = 100;

    /// <summary>
    /// Below this many elementary operations a kernel runs on the caller's thread: waking costs more.
    /// </summary>
    private const long LeastWork = 32_768;

    private readonly Lock _running = new();
    private readonly Worker[] _workers;
    private readonly int _vectorBits;
    private readonly Gate _finished;
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
        _finished = new Gate(() => Volatile.Read(ref _remaining.Value) == 0);
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

    /// <summary>
    /// The width in bits of the vector registers that the kernels use on this machine; 32 when there are none.
    /// </summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512
        : Vector256.IsHardwareAccelerated ? 256
        : Vector128.IsHardwareAccelerated ? 128
        : 32;

    /// <summary>Ends the threads. No kernel may be running.</summary>
    public void Dispose()
    {
        _stopping = true;
        Interlocked.MemoryBarrier();
        foreach (Worker worker in _workers)
        {
            worker.Dispose();
        }

        _finished.Dispose();
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
                    worker.Wake();
                }

                RunRange(ref kernel, 0, End(0), _vectorBits);
                _finished.Wait();
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

    [MethodImpl(MethodImplOptions.NoInlining)]
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
        private readonly Gate _gate;
        private int _done;

        public Worker(WorkerPool pool, int part)
        {
            _pool = pool;
            _part = part;
            _gate = new Gate(() => _pool._generation != _done || _pool._stopping);
            _thread = new Thread(Loop) { IsBackground = true, Name = $"LayerSteer worker {part}" };
            _thread.Start();
        }

        public void Wake() => _gate.Open();

        public void Dispose()
        {
            _gate.Open();
            _thread.Join();
            _gate.Dispose();
        }

        private void Loop()
        {
            while (true)
            {
                _gate.Wait();
                if (_pool._stopping)
                {
                    return;
                }

                _done = _pool._generation;
                _pool._run(_pool._kernel, _pool.End(_part - 1), _pool.End(_part), _pool._vectorBits);
                if (Interlocked.Decrement(ref _pool._remaining.Value) == 0)
                {
                    _pool._finished.Open();
                }
            }
        }
    }

    /// <summary>
    /// Where one thread waits until others have made a condition true. It spins for some microseconds, about as long as
    /// waking it would take, and then parks, which also lets a thread that it waits for have its core.
    /// </summary>
    private sealed class Gate(Func<bool> isOpen) : IDisposable
    {
        private readonly SemaphoreSlim _wake = new(0);
        private int _parked;

        public void Wait()
        {
            for (int spins = 0; !isOpen(); spins++)
            {
                if (spins < SpinsBeforeParking)
                {
                    Thread.SpinWait(8);
                }
                else
                {
                    Park();
                }
            }
        }

        /// <summary>Wakes the thread if it has parked. The condition must be true, behind a full barrier.</summary>
        public void Open()
        {
            if (Volatile.Read(ref _parked) != 0 && Interlocked.Exchange(ref _parked, 0) != 0)
            {
                _wake.Release();
            }
        }

        public void Dispose() => _wake.Dispose();

        private void Park()
        {
            Volatile.Write(ref _parked, 1);
            Interlocked.MemoryBarrier();

            // If the gate opened in between, the mark is taken back, or else the release that was already given.
            if (!isOpen() || Interlocked.Exchange(ref _parked, 0) == 0)
            {
                _wake.Wait();
            }
        }
    }
}
