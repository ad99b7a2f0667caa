using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Benchmarks;

/// <summary>
/// One-token steps at GPT-2-small shape: without steering and with each method through an autoencoder of 32,768 latents
/// after layer 6, by weight type, context, batch and number of threads. The floor of a step is the longer of
/// <code>
/// (weights + keys and values of all sequences + int8 rows of the encoder if the method encodes) / bandwidth
/// 2·weights·batch / peak of float32 multiply-adds
/// </code>
/// at the bandwidth (the better of one reading before and one after) and the peak measured beside it.
/// </summary>
internal static class DecodeBenchmark
{
    private const double LeastMilliseconds = 60;

    public static IReadOnlyList<Figure> Run(BenchmarkOptions options)
    {
        using var machine = new MachineSpeed();
        using var steering = new RandomSteering();
        var figures = new List<Figure>();
        RandomDecoder.ForEachPool(options, (pool, decoders) =>
        {
            using var edits = steering.With(pool);
            foreach (int batch in options.Batches)
            {
                foreach (int context in options.Contexts)
                {
                    KvCache[] caches = [.. Enumerable.Range(0, batch).Select(_ => Filled(decoders[0], context))];
                    Arm[] arms = [.. decoders.SelectMany(decoder => options.Names.Select(
                        name => new Arm(decoder, caches, context, name, edits)))];
                    Console.Error.WriteLine($"{pool.Threads} threads, batch {batch}, context {context}");
                    Measure(machine, pool, arms, options.Rounds);
                    figures.AddRange(arms.Select(arm => arm.Figure));
                    Array.ForEach(arms, arm => arm.Dispose());
                    Array.ForEach(caches, cache => cache.Dispose());
                }
            }
        });
        return figures;
    }

    private static void Measure(MachineSpeed machine, WorkerPool pool, Arm[] arms, int rounds)
    {
        Array.ForEach(arms, arm => arm.WarmUp());
        double before = machine.Bandwidth(pool);
        for (int round = 0; round < rounds; round++)
        {
            double peak = machine.PeakFlops(pool);
            foreach (Arm arm in arms)
            {
                double milliseconds = arm.Time();
                double after = machine.Bandwidth(pool);
                arm.Add(milliseconds, Math.Max(before, after), peak);
                before = after;
            }
        }
    }

    /// <summary>
    /// A cache as long as the context; what it holds does not change the time, but that it was written does: pages that
    /// never were are one and the same.
    /// </summary>
    public static KvCache Filled(Decoder decoder, int context)
    {
        KvCache cache = decoder.CreateCache(context + 1);
        float[] row = new float[decoder.Spec.DHead];
        Array.Fill(row, 0.01f);
        for (int layer = 0; layer < cache.Layers; layer++)
        {
            for (int head = 0; head < decoder.Spec.NKeyValueHeads; head++)
            {
                for (int position = 0; position < context; position++)
                {
                    cache.Write(layer, head, position, row, row);
                }
            }
        }

        cache.Length = context;
        return cache;
    }

    private sealed class Arm : IDisposable
    {
        private readonly Decoder _decoder;
        private readonly KvCache[] _caches;
        private readonly DecoderRun _run;
        private readonly SequenceBlock[] _step;
        private readonly HookSet? _hooks;
        private readonly long _bytes;

        public Arm(Decoder decoder, KvCache[] caches, int context, string name, RandomSteering.Edits edits)
        {
            _decoder = decoder;
            _caches = caches;
            _run = decoder.CreateRun(caches.Length);
            _step = [.. caches.Select((cache, i) => new SequenceBlock(cache, new[] { 100 + i }))];
            SteeringPlan? plan = edits.Plan(name);
            _hooks = new SteeringPass().HooksFor([.. caches.Select(_ => new SteeredSequence(1, plan))]);
            _bytes = decoder.BytesPerToken + edits.Bytes(plan)
                + (2L * caches.Length * context * decoder.Spec.DModel * decoder.Spec.NLayers * sizeof(float));
            Figure = new Figure(name, decoder.Type, decoder.Pool.Threads, caches.Length, context);
        }

        public Figure Figure { get; }

        public void Step(int count)
        {
            for (int i = 0; i < count; i++)
            {
                foreach (KvCache cache in _caches)
                {
                    cache.Truncate(Figure.Context);
                }

                _run.Forward(_step, _hooks);
            }
        }

        /// <summary>Steps until the JIT has little left to do, which takes the cores that the steps need.</summary>
        public void WarmUp()
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < 60 && Stopwatch.GetElapsedTime(start).TotalMilliseconds < 800; i++)
            {
                Step(1);
            }
        }

        /// <summary>Milliseconds of a step, over as many as take a while.</summary>
        public double Time()
        {
            Step(1); // what the reading before has left in the caches is not the model's
            long start = Stopwatch.GetTimestamp();
            int steps = 0;
            do
            {
                Step(1);
                steps++;
            }
            while (Stopwatch.GetElapsedTime(start).TotalMilliseconds < LeastMilliseconds);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds / steps;
        }

        public void Add(double milliseconds, double bandwidth, double peak)
        {
            double operations = 2.0 * _caches.Length * RandomDecoder.Parameters;
            double floor = 1e3 * Math.Max(_bytes / bandwidth, operations / peak);
            Figure.Add(milliseconds / _caches.Length, floor / _caches.Length);
        }

        public void Dispose() => _run.Dispose();
    }
}
