using System.Diagnostics;
using LayerSteer.Models;

namespace LayerSteer.Benchmarks;

/// <summary>
/// A prompt in one pass at GPT-2-small shape, without logits (name <c>unsteered</c>); its matrix products alone, with
/// weights from memory (<c>products</c>); and one of them again and again, which is the kernel alone (<c>kernel</c>). Operations counted: the linear layers of the blocks, and scores and sums of attention over
/// the visible keys. The floor is the time for these at the peak of float32 multiply-adds measured beside it, so the
/// share of the peak is 1 / ratio; int8 may be below 1.
/// </summary>
internal static class PrefillBenchmark
{
    public static IReadOnlyList<Figure> Run(BenchmarkOptions options)
    {
        using var machine = new MachineSpeed();
        var figures = new List<Figure>();
        RandomDecoder.ForEachPool(options, (pool, decoders) =>
        {
            foreach (int tokens in options.Contexts)
            {
                Arm[] arms = [.. decoders.Select(decoder => new Arm(decoder, tokens))];
                Console.Error.WriteLine($"{pool.Threads} threads, {tokens} tokens");
                for (int round = -1; round < options.Rounds; round++)
                {
                    foreach (Arm arm in arms)
                    {
                        arm.Round(machine, counts: round >= 0);
                    }
                }

                figures.AddRange(arms.SelectMany(arm => new[] { arm.Kernel, arm.Products, arm.Pass }));
                Array.ForEach(arms, arm => arm.Dispose());
            }
        });
        return figures;
    }

    private sealed class Arm : IDisposable
    {
        private const int Repeats = 16;

        private readonly Decoder _decoder;
        private readonly int _tokens;
        private readonly DecoderRun _run;
        private readonly KvCache _cache;
        private readonly SequenceBlock[] _prompt;
        private readonly float[] _x;
        private readonly float[] _y;

        public Arm(Decoder decoder, int tokens)
        {
            _decoder = decoder;
            _tokens = tokens;
            _run = decoder.CreateRun(tokens);
            _cache = decoder.CreateCache(tokens);
            _prompt = [new SequenceBlock(_cache, Enumerable.Range(0, tokens).ToArray())];
            _x = [.. Enumerable.Range(0, tokens * decoder.Spec.DMlp).Select(i => (i % 17) - 8f)];
            _y = new float[tokens * decoder.Spec.DMlp];
            Kernel = new Figure("kernel", decoder.Type, decoder.Pool.Threads, 1, tokens);
            Products = new Figure("products", decoder.Type, decoder.Pool.Threads, 1, tokens);
            Pass = new Figure(BenchmarkOptions.Unsteered, decoder.Type, decoder.Pool.Threads, 1, tokens);
        }

        public Figure Kernel { get; }

        public Figure Products { get; }

        public Figure Pass { get; }

        public void Round(MachineSpeed machine, bool counts)
        {
            double peak = machine.PeakFlops(_decoder.Pool);
            double kernel = Time(MultiplyOne);
            peak = Math.Max(peak, machine.PeakFlops(_decoder.Pool));
            double products = Time(MultiplyAll);
            peak = Math.Max(peak, machine.PeakFlops(_decoder.Pool));
            double pass = Time(() =>
            {
                _cache.Truncate(0);
                _run.Forward(_prompt, null, LogitRows.None);
            });
            peak = Math.Max(peak, machine.PeakFlops(_decoder.Pool));
            if (counts)
            {
                double linear = RandomDecoder.MatrixOperations(_tokens);
                double all = linear + RandomDecoder.AttentionOperations(_tokens);
                Linear one = _decoder.Weights.Blocks[0].MlpIn;
                double operations = 2.0 * Repeats * _tokens * one.Weights.Outputs * one.Weights.Inputs;
                Kernel.Add(kernel / Repeats / _tokens, 1e3 * operations / peak / Repeats / _tokens);
                Products.Add(products / _tokens, 1e3 * linear / peak / _tokens);
                Pass.Add(pass / _tokens, 1e3 * all / peak / _tokens);
            }
        }

        public void Dispose()
        {
            _cache.Dispose();
            _run.Dispose();
        }

        private static double Time(Action action)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        private void MultiplyOne()
        {
            for (int i = 0; i < Repeats; i++)
            {
                _decoder.Weights.Blocks[0].MlpIn.Run(_decoder.Pool, _x, _y, _tokens);
            }
        }

        /// <summary>All matrix products of the blocks, and nothing else.</summary>
        private void MultiplyAll()
        {
            foreach (BlockWeights block in _decoder.Weights.Blocks)
            {
                foreach (Linear linear in new[] { block.QueryKeyValue, block.AttentionOut, block.MlpIn, block.MlpOut })
                {
                    linear.Run(_decoder.Pool, _x, _y, _tokens);
                }
            }
        }
    }
}
