using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// A prompt of 256 tokens in one pass at GPT-2-small shape, float32, without logits. Operations counted: the linear
/// layers of the blocks, and scores and sums of attention over the visible keys.
/// </summary>
internal static class PrefillBenchmark
{
    private const int Tokens = 256;
    private const int Rounds = 15;

    public static void Run()
    {
        int[] threadCounts = [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        using var machine = new MachineSpeed();
        WorkerPool[] pools = [.. threadCounts.Select(threads => new WorkerPool(threads))];
        using var weights = new RandomDecoder();
        Console.WriteLine($"{Measured.Machine}; {Tokens} tokens");
        var speeds = pools.ToDictionary(
            pool => pool, _ => (Prefill: new Measured(), Peak: new Measured(), Share: new Measured()));
        int[] ids = [.. Enumerable.Range(0, Tokens)];
        for (int round = -1; round < Rounds; round++)
        {
            foreach (WorkerPool pool in pools)
            {
                using Decoder decoder = weights.With(pool);
                using DecoderRun run = decoder.CreateRun(Tokens);
                using KvCache cache = decoder.CreateCache(Tokens);
                double peak = machine.PeakFlops(pool) / 1e9;
                long start = Stopwatch.GetTimestamp();
                run.Forward([new SequenceBlock(cache, ids)], null, LogitRows.None);
                double speed = Operations(decoder.Spec) / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
                if (round >= 0)
                {
                    speeds[pool].Prefill.Add(speed);
                    speeds[pool].Peak.Add(peak);
                    speeds[pool].Share.Add(100 * speed / peak);
                }
            }
        }

        foreach (WorkerPool pool in pools)
        {
            (Measured prefill, Measured peak, Measured share) = speeds[pool];
            double milliseconds = Operations(RandomDecoder.Spec) / prefill.Median / 1e6 / Tokens;
            Console.WriteLine(FormattableString.Invariant($"{pool.Threads} threads: {prefill} GFLOP/s, ")
                + FormattableString.Invariant($"{milliseconds:F2} ms a token; FMA peak {peak}, share {share} %"));
            pool.Dispose();
        }
    }

    private static double Operations(ArchitectureSpec spec)
    {
        double weights = (double)spec.DModel * ((4.0 * spec.DModel) + (2.0 * spec.DMlp));
        double keys = Tokens * (Tokens + 1) / 2.0;
        return spec.NLayers * ((2 * Tokens * weights) + (4 * keys * spec.DModel));
    }
}
