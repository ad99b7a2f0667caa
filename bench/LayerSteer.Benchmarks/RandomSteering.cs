using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Benchmarks;

/// <summary>
/// An autoencoder of 32,768 latents, TopK(32), with random weights at the width of GPT-2 small, made in memory, and
/// random scores.
/// </summary>
internal sealed class RandomSteering : IDisposable
{
    public const int Latents = 32_768;
    public const int K = 32;
    public const int Layer = 6;

    private readonly WeightStore _store = new();
    private readonly ScreenedEncoder _encoder;
    private readonly NativeBuffer _decoder;
    private readonly LatentScores _scores;

    public RandomSteering()
    {
        int d = RandomDecoder.Spec.DModel;
        var normal = new Normal(2);
        float[] weights = [.. Enumerable.Range(0, Latents * d).Select(_ => normal.Next() / MathF.Sqrt(d))];
        _encoder = new ScreenedEncoder(_store, Latents, d, new float[Latents], (start, to) =>
            weights.AsSpan((int)start, to.Length).CopyTo(to));
        _decoder = _store.Take("decoder", (long)Latents * d, rows => weights.CopyTo(rows.Span(0, weights.Length)));
        var generator = new SplitMix64(3);
        double[] scores = [.. Enumerable.Range(0, Latents).Select(_ => generator.NextDouble())];
        _scores = new LatentScores(scores, [.. scores.Select(score => score > 0.05)]);
    }

    /// <summary>The edits with these threads.</summary>
    public Edits With(WorkerPool pool) => new(this, pool);

    public void Dispose() => _store.Dispose();

    internal sealed class Edits(RandomSteering owner, WorkerPool pool) : IDisposable
    {
        private readonly WeightStore _nothing = new(); // what the autoencoder owns

        /// <summary>The encoder of <see cref="Autoencoder"/>.</summary>
        public ScreenedEncoder Encoder => owner._encoder;

        /// <summary>The autoencoder.</summary>
        public SparseAutoencoder Autoencoder => field ??= new SparseAutoencoder(
            "random",
            owner._encoder,
            owner._decoder,
            new float[RandomDecoder.Spec.DModel],
            new SaeActivation(SaeActivationKind.TopK, K),
            InputNormalisation.LayerNorm,
            _nothing,
            new Lazy<string>("random"),
            pool);

        /// <summary>The plan of a method; null for none.</summary>
        public SteeringPlan? Plan(string name)
        {
            if (name == BenchmarkOptions.Unsteered)
            {
                return null;
            }

            var options = new SteeringOptions { Method = SteeringMethods.Parse(name) };
            var edit = new LayerEdit(HookPoint.ResidualPost(Layer), Autoencoder, owner._scores, options);
            return new SteeringPlan(RandomDecoder.Spec, options, [edit], []);
        }

        /// <summary>The bytes that a plan has to read at each step, beyond the model's.</summary>
        public long Bytes(SteeringPlan? plan) =>
            plan is not null && plan.Edits[0].Encodes ? owner._encoder.Quantised.Bytes : 0;

        public void Dispose()
        {
            _nothing.Dispose();
            Autoencoder.Dispose();
        }
    }
}
