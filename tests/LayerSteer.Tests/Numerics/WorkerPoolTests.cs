using System.Diagnostics;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

/// <summary>Tests of processor time and of races run without others beside them.</summary>
[CollectionDefinition(nameof(RunsAlone), DisableParallelization = true)]
public class RunsAlone;

[Collection(nameof(RunsAlone))]
public unsafe class WorkerPoolTests
{
    private const long PlentyOfWork = 1 << 20;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Every_item_runs_once(int threads)
    {
        using var pool = new WorkerPool(threads);
        Assert.Equal(threads, pool.Threads);
        foreach (int items in new[] { 0, 1, 2, 3, 4, 5, 7, 100 })
        {
            int[] counts = new int[items + 1];
            Count(pool, counts, items);
            Assert.Equal([.. Enumerable.Repeat(1, items), 0], counts);
        }
    }

    [Fact]
    public void Little_work_stays_on_the_calling_thread()
    {
        using var pool = new WorkerPool(3);
        int[] threads = new int[30];
        fixed (int* p = threads)
        {
            var kernel = new NoteThread(p);
            pool.Run(ref kernel, threads.Length, work: 100);
            Assert.All(threads, id => Assert.Equal(Environment.CurrentManagedThreadId, id));
            pool.Run(ref kernel, threads.Length, PlentyOfWork);
        }

        Assert.Equal(3, threads.Distinct().Count());
    }

    [Fact]
    public void Callers_that_come_at_once_both_get_their_work_done()
    {
        using var pool = new WorkerPool(2);
        var until = Stopwatch.StartNew();
        Exception? failure = null;
        Thread[] callers = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            int[] counts = new int[64];
            try
            {
                for (int round = 1; until.ElapsedMilliseconds < 500; round++)
                {
                    Count(pool, counts, 63);
                    Assert.Equal(Enumerable.Repeat(round, 63), counts[..63]);
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        }))];
        Array.ForEach(callers, caller => caller.Start());
        Array.ForEach(callers, caller => caller.Join());
        Assert.Null(failure);
    }

    [Fact]
    public void Many_small_regions_with_and_without_pauses_all_finish()
    {
        using var pool = new WorkerPool(3);
        var generator = new SplitMix64(1);
        int[] counts = new int[17];
        int rounds = 0;
        for (var until = Stopwatch.StartNew(); until.ElapsedMilliseconds < 1500; rounds++)
        {
            Count(pool, counts, 16);
            if (rounds % 64 == 0)
            {
                // Around the time that a worker takes to park, so that waking and parking meet in every order.
                Thread.SpinWait(generator.NextInt(200_000));
            }
        }

        Assert.Equal(Enumerable.Repeat(rounds, 16), counts[..16]);
    }

    [Fact]
    public void An_idle_pool_uses_no_processor_time()
    {
        using var pool = new WorkerPool(5);
        int[] counts = new int[65];
        Count(pool, counts, 64);
        Thread.Sleep(100);
        TimeSpan before = Environment.CpuUsage.TotalTime;
        Thread.Sleep(200);
        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        Assert.True(used.TotalMilliseconds < 100, $"200 idle ms took {used.TotalMilliseconds} ms of processor time");
        Count(pool, counts, 64);
        Assert.Equal(Enumerable.Repeat(2, 64), counts[..64]);
    }

    [Fact]
    public void A_pool_ends_whether_its_threads_are_parked_or_not()
    {
        for (int i = 0; i < 20; i++)
        {
            var pool = new WorkerPool(3);
            int[] counts = new int[9];
            Count(pool, counts, 8);
            Thread.SpinWait(i * 20_000);
            pool.Dispose();
            pool.Dispose();
        }
    }

    [Fact]
    public void A_pool_that_has_ended_refuses_work_that_its_threads_would_share()
    {
        var pool = new WorkerPool(2);
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Count(pool, new int[9], 8));
    }

    [Fact]
    public void A_pool_needs_a_thread() => Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerPool(0));

    private static void Count(WorkerPool pool, int[] counts, int items)
    {
        fixed (int* p = counts)
        {
            var kernel = new CountUp(p);
            pool.Run(ref kernel, items, PlentyOfWork);
        }
    }

    private readonly struct CountUp(int* counts) : IKernel
    {
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            for (int i = begin; i < end; i++)
            {
                counts[i]++;
            }
        }
    }

    private readonly struct NoteThread(int* ids) : IKernel
    {
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            for (int i = begin; i < end; i++)
            {
                ids[i] = Environment.CurrentManagedThreadId;
            }
        }
    }
}
