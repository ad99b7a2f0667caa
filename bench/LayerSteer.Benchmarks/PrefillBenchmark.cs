using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// A prompt of 256 tokens in one pass at GPT-2-small shape, without logits, and its matrix products alone. Operations
/// counted: the linear layers of the blocks, and scores and sums of attention over the visible keys. The floor is the
/// time for these at the peak of float32 multiply-adds measured beside it.
/// </summary>
internal static class PrefillBenchmark
{
    private const int Tokens = 256;
    private const int Rounds = 9;

    public static void Run(string[] types)
    {
        using var machine = new MachineSpeed();
        WorkerPool[] pools = [.. Measured.ThreadCounts.Select(threads => new WorkerPool(threads))];
        RandomDecoder[] weights = [.. types.Select(type => new RandomDecoder(WeightTypes.Parse(type)))];
        Arm[] arms = [.. weights.SelectMany(w => pools.Select(pool => new Arm(w.With(pool))))];
        Console.WriteLine($"{Measured.Machine}; {Tokens} tokens");
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

        Array.ForEach(weights, w => w.Dispose());
        Array.ForEach(pools, pool => pool.Dispose());
    }

    private sealed class Arm : IDisposable
    {
        private readonly Decoder _decoder;
        private readonly DecoderRun _run;
        private readonly KvCache _cache;
        private readonly SequenceBlock[] _prompt;
        private readonly float[] _x = [.. Enumerable.Range(0, Tokens * 3072).Select(i => (i % 17) - 8f)];
        private readonly float[] _y = new float[Tokens * 3072];
        private readonly Measured _peak = new();
        private readonly Measured _products = new();
        private readonly Measured _productShare = new();
        private readonly Measured _pass = new();
        private readonly Measured _passShare = new();

        public Arm(Decoder decoder)
        {
            _decoder = decoder;
            _run = decoder.CreateRun(Tokens);
            _cache = decoder.CreateCache(Tokens);
            _prompt = [new SequenceBlock(_cache, Enumerable.Range(0, Tokens).ToArray())];
        }

        public void Round(MachineSpeed machine, bool counts)
        {
            double peak = machine.PeakFlops(_decoder.Pool) / 1e9;
            double products = Speed(MatrixOperations, Products);
            double pass = Speed(MatrixOperations + AttentionOperations, () =>
            {
                _cache.Truncate(0);
                _run.Forward(_prompt, null, LogitRows.None);
            });
            peak = Math.Max(peak, machine.PeakFlops(_decoder.Pool) / 1e9);
            if (counts)
            {
                _peak.Add(peak);
                _products.Add(products);
                _productShare.Add(100 * products / peak);
                _pass.Add(pass);
                _passShare.Add(100 * pass / peak);
            }
        }

        public void Print()
        {
            double milliseconds = (MatrixOperations + AttentionOperations) / _pass.Median / 1e6 / Tokens;
            Console.WriteLine(
                FormattableString.Invariant($"{WeightTypes.NameOf(_decoder.Type),-4} {_decoder.Pool.Threads} threads: ")
                + FormattableString.Invariant($"products {_products} GFLOP/s, {_productShare} % of the peak; ")
                + FormattableString.Invariant($"pass {_pass}, {_passShare} %, {milliseconds:F2} ms a token; peak {_peak}"));
        }

        public void Dispose()
        {
            _cache.Dispose();
            _run.Dispose();
            _decoder.Dispose();
        }

        private double MatrixOperations => 2.0 * Tokens * _decoder.Spec.NLayers * _decoder.Spec.DModel
            * ((4.0 * _decoder.Spec.DModel) + (2.0 * _decoder.Spec.DMlp));

        private double AttentionOperations =>
            4.0 * _decoder.Spec.NLayers * _decoder.Spec.DModel * Tokens * (Tokens + 1) / 2;

        private static double Speed(double operations, Action action)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            return operations / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
        }

        /// <summary>All matrix products of the blocks, and nothing else.</summary>
        private void Products()
        {
            foreach (BlockWeights block in _decoder.Weights.Blocks)
            {
                foreach (Linear linear in new[] { block.QueryKeyValue, block.AttentionOut, block.MlpIn, block.MlpOut })
                {
                    linear.Run(_decoder.Pool, _x, _y, Tokens);
                }
            }
        }
    }
}
