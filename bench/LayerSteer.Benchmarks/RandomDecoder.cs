using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>Random weights at the shape of GPT-2 small, made in memory, and decoders that read them.</summary>
internal sealed class RandomDecoder : IDisposable
{
    private readonly WeightStore _store = new();
    private readonly WeightStore _nothing = new(); // what the decoders own
    private readonly DecoderWeights _weights;
    private int _matrices;

    public RandomDecoder(WeightType type)
    {
        int d = Spec.DModel;
        Norm norm = new(Enumerable.Repeat(1f, d).ToArray(), new float[d], Spec.NormEpsilon);
        BlockWeights[] blocks =
        [
            .. Enumerable.Range(0, Spec.NLayers).Select(_ => new BlockWeights(
                norm,
                Linear(type, d, 3 * d),
                Linear(type, d, d),
                norm,
                Linear(type, d, Spec.DMlp),
                Linear(type, Spec.DMlp, d))),
        ];
        WeightMatrix embedding = Linear(type, d, Spec.Vocabulary).Weights;
        _weights = new DecoderWeights(embedding, new float[Spec.ContextLength * d], blocks, norm, embedding);
    }

    public static ArchitectureSpec Spec { get; } = new()
    {
        Family = "gpt2",
        NLayers = 12,
        DModel = 768,
        NHeads = 12,
        NKeyValueHeads = 12,
        DHead = 64,
        DMlp = 3072,
        Vocabulary = 50257,
        ContextLength = 1024,
        NormEpsilon = 1e-5f,
        Activation = Activation.GeluTanh,
        AttentionScale = 0.125f,
        TiedUnembedding = true,
    };

    /// <summary>The weights that one token is multiplied with.</summary>
    public static long Parameters =>
        (Spec.NLayers * BlockParameters) + ((long)Spec.Vocabulary * Spec.DModel);

    private static long BlockParameters => (long)Spec.DModel * ((4L * Spec.DModel) + (2L * Spec.DMlp));

    /// <summary>Floating-point operations of the linear layers of all blocks.</summary>
    public static double MatrixOperations(int tokens) => 2.0 * tokens * Spec.NLayers * BlockParameters;

    /// <summary>Floating-point operations of scores and sums over the visible keys, from position 0.</summary>
    public static double AttentionOperations(int tokens) =>
        4.0 * Spec.NLayers * Spec.DModel * tokens * (tokens + 1) / 2;

    /// <summary>A decoder that works with these threads.</summary>
    public Decoder With(WorkerPool pool) => new(string.Empty, Spec, _weights, _nothing, new(string.Empty), pool);

    /// <summary>Measures with each number of threads, with a decoder of each weight type.</summary>
    /// <param name="options">Say which.</param>
    /// <param name="measure">Is given the threads and the decoders, which live until it returns.</param>
    public static void ForEachPool(BenchmarkOptions options, Action<WorkerPool, Decoder[]> measure)
    {
        RandomDecoder[] weights = [.. options.Types.Select(type => new RandomDecoder(type))];
        foreach (int threads in options.Threads)
        {
            using var pool = new WorkerPool(threads);
            Decoder[] decoders = [.. weights.Select(w => w.With(pool))];
            measure(pool, decoders);
            Array.ForEach(decoders, decoder => decoder.Dispose());
        }

        Array.ForEach(weights, w => w.Dispose());
    }

    public void Dispose()
    {
        _store.Dispose();
        _nothing.Dispose();
    }

    private Linear Linear(WeightType type, int inputs, int outputs) =>
        new(
            WeightMatrix.FromRows(_store, $"{_matrices++}", type, outputs, inputs, Random), new float[outputs]);

    private static void Random(long start, Span<float> destination)
    {
        var generator = new SplitMix64((ulong)start);
        foreach (ref float value in destination)
        {
            value = (float)((generator.NextDouble() - 0.5) * 0.04);
        }
    }
}
