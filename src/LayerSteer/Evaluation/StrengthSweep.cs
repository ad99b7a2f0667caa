using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using Microsoft.Extensions.AI;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Evaluation;

/// <summary>One choice of a sweep: where, by which method, how strongly, and what came of it.</summary>
/// <param name="Point">The hook point.</param>
/// <param name="Method">The method.</param>
/// <param name="Strength">The strength.</param>
/// <param name="Effect">
/// The mean paired difference to the unsteered model of cos(e(continuation), mean vector of the topic's texts).
/// </param>
/// <param name="Low">The lower end of its interval, a bootstrap over prompts; null with one prompt.</param>
/// <param name="High">The upper end.</param>
/// <param name="PerplexityRatio">
/// The perplexity of its continuations under the unsteered model over that of the unsteered ones.
/// </param>
/// <param name="Neutral">What it does to neutral text.</param>
/// <param name="IsWithin">Whether the perplexity ratio is within the budget.</param>
/// <param name="IsOnFront">Whether no other choice has at least its effect at less cost.</param>
public sealed record SweepPoint(
    HookPoint Point,
    SteeringMethod Method,
    double Strength,
    double Effect,
    double? Low,
    double? High,
    double PerplexityRatio,
    InterventionFidelity Neutral,
    bool IsWithin,
    bool IsOnFront);

/// <summary>A method at a place, of which strengths are tried.</summary>
/// <param name="Point">The hook point.</param>
/// <param name="Method">The method.</param>
/// <param name="Strengths">The strengths.</param>
/// <param name="Plan">The plan of a strength.</param>
public sealed record SweptMethod(
    HookPoint Point, SteeringMethod Method, IReadOnlyList<double> Strengths, Func<double, SteeringPlan> Plan);

/// <summary>
/// Effect against cost over places, methods and strengths, on prompts that are neutral; every choice with the same prompts
/// and seeds. The best is the largest effect within the budget.
/// </summary>
/// <param name="Points">All choices, by place, method and strength.</param>
/// <param name="Budget">How many times the unsteered perplexity the best may have.</param>
public sealed record StrengthSweep(IReadOnlyList<SweepPoint> Points, double Budget)
{
    /// <summary>The largest effect within the budget; null if nothing is within it.</summary>
    public SweepPoint? Best => BestOf(Points);

    /// <summary>
    /// The best of another place whose interval reaches up to the best's effect: the two cannot be told apart. Null if the
    /// place of the best is clearly the best.
    /// </summary>
    public SweepPoint? Rival => Best is not { } best ? null
        : Points.Where(point => point.Point != best.Point).GroupBy(point => point.Point)
            .Select(group => BestOf([.. group])).OfType<SweepPoint>()
            .Where(other => other.High is not { } high || high >= best.Effect)
            .OrderByDescending(other => other.Effect).FirstOrDefault();

    /// <summary>Runs a sweep.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="methods">What is tried.</param>
    /// <param name="encoder">The sentence encoder that judges.</param>
    /// <param name="topic">The topic's texts.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="sampling">How tokens are drawn; each prompt has a seed of its own.</param>
    /// <param name="tokens">The most tokens of a continuation.</param>
    /// <param name="budget">How many times the unsteered perplexity the best may have.</param>
    /// <param name="progress">Told how many choices are done.</param>
    /// <param name="cancellation">Checked at each token.</param>
    public static async Task<StrengthSweep> RunAsync(
        Decoder decoder,
        TextTokenizer tokenizer,
        IReadOnlyList<SweptMethod> methods,
        IEmbeddingGenerator<string, Embedding<float>> encoder,
        IReadOnlyList<string> topic,
        IReadOnlyList<string> prompts,
        SamplerOptions sampling,
        int tokens,
        double budget,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(methods);
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(sampling);
        float[] centre = Mean(await encoder.GenerateAsync(topic, cancellationToken: cancellation).ConfigureAwait(false));
        IReadOnlyList<int[]> neutral = InterventionFidelity.NeutralIds(decoder, tokenizer);
        using var generator = new Generator(decoder, tokenizer);
        using var fitter = new ContinuationFitter(decoder);
        (double?[] Similarity, double[] Loss) unsteered = await JudgeAsync(null).ConfigureAwait(false);
        var points = new List<SweepPoint>();
        var bootstrap = new PairedBootstrap(seed: sampling.Seed);
        foreach (SweptMethod method in methods)
        {
            foreach (double strength in method.Strengths)
            {
                progress?.Report(points.Count);
                SteeringPlan plan = method.Plan(strength);
                (double?[] similarity, double[] loss) = await JudgeAsync(plan).ConfigureAwait(false);
                PairedUnit[] units =
                [
                    .. Enumerable.Range(0, prompts.Count)
                        .Where(i => similarity[i] is not null && unsteered.Similarity[i] is not null)
                        .Select(i => new PairedUnit("topic", prompts[i], similarity[i]!.Value - unsteered.Similarity[i]!.Value)),
                ];
                PairedDifference? difference = units.Length > 0 ? bootstrap.Of(units) : null;
                double ratio = Math.Exp(loss.Zip(unsteered.Loss, (here, there) => here - there).Average());
                points.Add(new SweepPoint(
                    method.Point, method.Method, strength, difference?.Mean ?? 0, difference?.Low, difference?.High, ratio,
                    InterventionFidelity.Measure(decoder, plan, neutral, cancellation: cancellation), ratio <= budget,
                    IsOnFront: false));
            }
        }

        progress?.Report(points.Count);
        IReadOnlyList<int> front = ParetoFront.Of([.. points.Select(point => (point.PerplexityRatio, point.Effect))]);
        return new StrengthSweep([.. points.Select((point, i) => point with { IsOnFront = front.Contains(i) })], budget);

        async Task<(double?[] Similarity, double[] Loss)> JudgeAsync(SteeringPlan? plan)
        {
            IReadOnlyList<GenerationResult> results = generator.Generate(
                [
                    .. prompts.Select((prompt, i) => new GenerationRequest
                    {
                        Prompt = prompt,
                        Plan = plan,
                        MaxNewTokens = tokens,
                        Sampling = sampling with { Seed = sampling.Seed + (ulong)i },
                    }),
                ],
                cancellation: cancellation);
            IReadOnlyList<ContinuationFit> fits = fitter.Measure(
                [.. results.Select(result => new MeasuredContinuation(result.PromptIds, result.PromptIds, result.Ids, plan))],
                cancellation: cancellation);
            int[] written = [.. Enumerable.Range(0, results.Count).Where(i => !string.IsNullOrWhiteSpace(results[i].Text))];
            var similarity = new double?[results.Count];
            GeneratedEmbeddings<Embedding<float>> vectors = await encoder.GenerateAsync(
                written.Select(i => results[i].Text), cancellationToken: cancellation).ConfigureAwait(false);
            for (int i = 0; i < written.Length; i++)
            {
                similarity[written[i]] = Cosine(vectors[i].Vector.Span, centre);
            }

            return (similarity, [.. fits.Select(fit => fit.NegativeLogLikelihood)]);
        }
    }

    private static SweepPoint? BestOf(IReadOnlyList<SweepPoint> points) => points.Where(point => point.IsWithin)
        .OrderByDescending(point => point.Effect).ThenBy(point => point.PerplexityRatio).FirstOrDefault();

    private static float[] Mean(GeneratedEmbeddings<Embedding<float>> vectors)
    {
        double[] sum = new double[vectors[0].Vector.Length];
        foreach (Embedding<float> vector in vectors)
        {
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += vector.Vector.Span[i];
            }
        }

        return [.. sum.Select(value => (float)(value / vectors.Count))];
    }

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double dot = 0;
        double squaresA = 0;
        double squaresB = 0;
        for (int i = 0; i < a.Length; i++)
        {
            dot += (double)a[i] * b[i];
            squaresA += (double)a[i] * a[i];
            squaresB += (double)b[i] * b[i];
        }

        return squaresA > 0 && squaresB > 0 ? dot / Math.Sqrt(squaresA * squaresB) : 0;
    }
}
