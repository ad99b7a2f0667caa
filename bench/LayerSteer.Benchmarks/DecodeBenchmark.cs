using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// One-token steps at GPT-2-small shape, float32, batch 1, context 32. The floor is the time to read the weights of a
/// step once at the bandwidth measured beside it.
/// </summary>
internal static class DecodeBenchmark
{
    private const int Context = 32;
    private const int Rounds = 15;
    private const int Steps = 8;

    public static void Run()
    {
        int[] threadCounts = [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        using var machine = new MachineSpeed();
        WorkerPool[] pools = [.. threadCounts.Select(threads => new WorkerPool(threads))];
        using var weights = new RandomDecoder(WeightType.F32);
        Arm[] arms = [.. pools.Select(pool => new Arm(weights.With(pool)))];
        Console.WriteLine($"{Measured.Machine}; context {Context}");
        for (int round = -1; round < Rounds; round++)
        {
            foreach (Arm arm in arms)
            {
                arm.Round(machine, counts: round >= 0);
            }
        }

        foreach (Arm arm in arms)
        {
            arm.Print();
            arm.Dispose();
        }

        Array.ForEach(pools, pool => pool.Dispose());
    }

    private sealed class Arm : IDisposable
    {
        private readonly Decoder _decoder;
        private readonly DecoderRun _run;
        private readonly KvCache _cache;
        private readonly SequenceBlock[] _step;
        private readonly Measured _bandwidth = new();
        private readonly Measured _time = new();
        private readonly Measured _ratio = new();

        public Arm(Decoder decoder)
        {
            _decoder = decoder;
            _run = decoder.CreateRun(Context);
            _cache = decoder.CreateCache(Context + 1);
            _run.Forward([new SequenceBlock(_cache, new int[Context])]);
            _step = [new SequenceBlock(_cache, new[] { 7 })];
        }

        public void Round(MachineSpeed machine, bool counts)
        {
            double bandwidth = machine.Bandwidth(_decoder.Pool);
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Steps; i++)
            {
                _cache.Truncate(Context);
                _run.Forward(_step);
            }

            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds / Steps;
            bandwidth = Math.Max(bandwidth, machine.Bandwidth(_decoder.Pool));
            if (counts)
            {
                _bandwidth.Add(bandwidth / 1e9);
                _time.Add(milliseconds);
                _ratio.Add(milliseconds / (_decoder.BytesPerToken / bandwidth * 1e3));
            }
        }

        public void Print()
        {
            double floor = _decoder.BytesPerToken / _bandwidth.Median / 1e6;
            Console.WriteLine(FormattableString.Invariant($"{_decoder.Pool.Threads} threads: {_time} ms a token; ")
                + FormattableString.Invariant($"{_bandwidth} GB/s, floor {floor:F2} ms; ratio {_ratio}"));
        }

        public void Dispose()
        {
            _cache.Dispose();
            _run.Dispose();
            _decoder.Dispose();
        }
    }
}
