using System.Diagnostics;
using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Benchmarks;

/// <summary>
/// What indexing costs without the sentence encoder: tokens of several texts side by side through layers 0 to 6 and no
/// further, and their latents, 64 rows encoded at once. The floor is the time for the multiply-adds at the float32 peak
/// measured beside it. Name <c>layers</c> is without the autoencoder.
/// </summary>
internal static class IndexBenchmark
{
    private const int RowsEncodedAtOnce = 64;

    public static IReadOnlyList<Figure> Run(BenchmarkOptions options)
    {
        using var machine = new MachineSpeed();
        using var steering = new RandomSteering();
        var figures = new List<Figure>();
        RandomDecoder.ForEachPool(options, (pool, decoders) =>
        {
            using var edits = steering.With(pool);
            foreach (int tokens in options.Contexts)
            {
                Arm[] arms = [.. decoders.SelectMany(decoder => new[] { "layers", "index" }.Select(
                    name => new Arm(decoder, edits.Autoencoder, name, tokens)))];
                Console.Error.WriteLine($"{pool.Threads} threads, {tokens} tokens");
                for (int round = -1; round < options.Rounds; round++)
                {
                    double peak = machine.PeakFlops(pool);
                    foreach (Arm arm in arms)
                    {
                        double milliseconds = arm.Pass();
                        if (round >= 0)
                        {
                            arm.Figure.Add(milliseconds / tokens, 1e3 * arm.Operations / peak / tokens);
                        }
                    }
                }

                figures.AddRange(arms.Select(arm => arm.Figure));
                Array.ForEach(arms, arm => arm.Dispose());
            }
        });
        return figures;
    }

    private sealed class Arm : IDisposable
    {
        private readonly DecoderRun _run;
        private readonly KvCache _cache;
        private readonly SequenceBlock[] _prompt;
        private readonly HookSet? _hooks;

        public Arm(Decoder decoder, SparseAutoencoder autoencoder, string name, int tokens)
        {
            _run = decoder.CreateRun(tokens);
            _cache = decoder.CreateCache(tokens, RandomSteering.Layer);
            _prompt = [new SequenceBlock(_cache, Enumerable.Range(0, tokens).ToArray())];
            Figure = new Figure(name, decoder.Type, decoder.Pool.Threads, 1, tokens);
            ArchitectureSpec spec = decoder.Spec;
            Operations = (RandomSteering.Layer + 1)
                * (RandomDecoder.MatrixOperations(tokens) + RandomDecoder.AttentionOperations(tokens)) / spec.NLayers;
            if (name == "layers")
            {
                return;
            }

            Operations += 2.0 * tokens * autoencoder.DSae * autoencoder.DIn;
            EncodedRows encoded = autoencoder.CreateRows(RowsEncodedAtOnce);
            var latents = new SparseLatents();
            _hooks = new HookSet().Add(HookPoint.ResidualPost(RandomSteering.Layer), rows =>
            {
                for (int first = 0; first < rows.Count; first += RowsEncodedAtOnce)
                {
                    int count = Math.Min(RowsEncodedAtOnce, rows.Count - first);
                    autoencoder.Encode(rows.Values[(first * rows.Width)..], count, encoded);
                    for (int row = 0; row < count; row++)
                    {
                        encoded.Activate(row, latents);
                    }
                }
            });
        }

        public Figure Figure { get; }

        public double Operations { get; }

        public double Pass()
        {
            _cache.Truncate(0);
            long start = Stopwatch.GetTimestamp();
            _run.Forward(_prompt, _hooks, LogitRows.None);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        public void Dispose()
        {
            _cache.Dispose();
            _run.Dispose();
        }
    }
}
