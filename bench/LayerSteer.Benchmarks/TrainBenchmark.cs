using System.Diagnostics;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Training;

namespace LayerSteer.Benchmarks;

/// <summary>
/// One step of the optimiser (name <c>step</c>), and the gradient alone (<c>gradient</c>), at a shape like the pocket
/// model's, in windows of the context given. Operations counted: three products for each matrix and token, the
/// unembedding's included, and attention's scores and sums over the keys that are seen, two products forwards and five
/// backwards. The floor is the time for these at the peak of float32 multiply-adds measured beside it, so the share of
/// the peak is 1 / ratio.
/// </summary>
internal static class TrainBenchmark
{
    private const int MicroBatch = 8;
    private const int Batch = 16;

    private static ArchitectureSpec Spec(int context) => new()
    {
        Family = "gpt2",
        NLayers = 6,
        DModel = 256,
        NHeads = 8,
        NKeyValueHeads = 8,
        DHead = 32,
        DMlp = 1024,
        Vocabulary = 6144,
        ContextLength = context,
        NormEpsilon = 1e-5f,
        Activation = Activation.GeluTanh,
        AttentionScale = 1f / MathF.Sqrt(32f),
        TiedUnembedding = true,
    };

    public static IReadOnlyList<Figure> Run(BenchmarkOptions options)
    {
        using var machine = new MachineSpeed();
        var figures = new List<Figure>();
        foreach (int threads in options.Threads)
        {
            using var pool = new WorkerPool(threads);
            foreach (int context in options.Contexts)
            {
                Console.Error.WriteLine($"{threads} threads, windows of {context}");
                Measure(options, machine, pool, context, figures);
            }
        }

        return figures;
    }

    private static void Measure(
        BenchmarkOptions options, MachineSpeed machine, WorkerPool pool, int context, List<Figure> figures)
    {
        ArchitectureSpec spec = Spec(context);
        using ParameterSet model = TrainableCheckpoint.Initialise(spec, 1);
        using var gradients = new ParameterSet(model.Layout);
        using var gradient = new DecoderGradient(spec, pool, MicroBatch, context);
        var random = new SplitMix64(1);
        int[] tokens = [.. Enumerable.Range(0, 100_000).Select(_ => random.NextInt(spec.Vocabulary))];
        using var trainer = new DecoderTrainer(
            spec,
            model,
            [new TokenSource("random", tokens)],
            new TrainingOptions { Steps = options.Rounds + 1, Batch = Batch, MicroBatch = MicroBatch },
            pool,
            string.Empty);
        double operations = Operations(spec, context);
        var alone = new Figure("gradient", WeightType.F32, pool.Threads, MicroBatch, context);
        var step = new Figure("step", WeightType.F32, pool.Threads, Batch, context);
        int[] windows = tokens[..(MicroBatch * (context + 1))];
        for (int round = -1; round < options.Rounds; round++)
        {
            double peak = machine.PeakFlops(pool);
            double gradientTime = Time(() => gradient.Accumulate(model, gradients, windows, 1f));
            peak = Math.Max(peak, machine.PeakFlops(pool));
            double stepTime = Time(() => trainer.RunStep());
            peak = Math.Max(peak, machine.PeakFlops(pool));
            if (round >= 0)
            {
                alone.Add(gradientTime / MicroBatch / context, 1e3 * operations / peak);
                step.Add(stepTime / Batch / context, 1e3 * operations / peak);
            }
        }

        figures.Add(alone);
        figures.Add(step);
    }

    /// <summary>A token's.</summary>
    private static double Operations(ArchitectureSpec spec, int context)
    {
        double matrices = (spec.NLayers * ((4.0 * spec.DModel * spec.DModel) + (2.0 * spec.DModel * spec.DMlp)))
            + ((double)spec.Vocabulary * spec.DModel);
        double attention = spec.NLayers * 7.0 * 2 * spec.DModel * (context + 1) / 2;
        return (3 * 2 * matrices) + attention;
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
