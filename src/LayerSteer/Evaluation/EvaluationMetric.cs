namespace LayerSteer.Evaluation;

/// <summary>A figure of a continuation that is averaged over an arm.</summary>
/// <param name="Name">Its name in files.</param>
/// <param name="Title">Its name in tables.</param>
/// <param name="Description">What it is.</param>
/// <param name="Of">Its value; null where it cannot be told.</param>
public sealed record EvaluationMetric(
    string Name, string Title, string Description, Func<EvaluationLine, double?> Of)
{
    /// <summary>How near the topic: what strengths are chosen by.</summary>
    public static EvaluationMetric Similarity { get; } = new(
        "similarity", "topic similarity",
        "cosine with the centroid of the topic's held-out texts minus the mean cosine with the other topics'",
        line => line.Similarity);

    /// <summary>The cost in nats; its exponential is the perplexity.</summary>
    public static EvaluationMetric Surprise { get; } = new(
        "nll", "nats a token",
        "−mean log probability of the continuation given the prompt under the unsteered model; perplexity = exp of it",
        line => line.NegativeLogLikelihood);

    /// <summary>All metrics, in the order of a report.</summary>
    public static IReadOnlyList<EvaluationMetric> All { get; } =
    [
        Similarity,
        new("probability", "P(topic)", "the topic's probability by the word classifier", line => line.Probability),
        new(
            "hit", "classified", "the share of continuations that the word classifier takes for the topic",
            line => AsShare(line.IsMostProbable)),
        new(
            "nearest", "nearest", "the share of continuations that are nearer to the topic than to any other",
            line => AsShare(line.IsNearest)),
        Surprise,
        new(
            "kl", "KL", "mean KL(arm ‖ unsteered) over the continuation's tokens, in nats", line => line.Divergence),
        new("distinct_1", "distinct-1", "different tokens / tokens", line => line.Distinct1),
        new("distinct_2", "distinct-2", "different pairs of tokens / pairs", line => line.Distinct2),
        new(
            "repetition", "repeated 4-grams", "the share of 4-grams of tokens that were there before",
            line => line.Repetition),
        new(
            "adherence", "prompt adherence", "cosine of the continuation with the prompt, by the sentence encoder",
            line => line.Adherence),
        new(
            "leakage", "copied", "the share of runs of five words that stand in the topic's alignment texts",
            line => line.Leakage),
        new("tokens", "tokens", "the length of the continuation", line => line.Tokens),
    ];

    private static double? AsShare(bool? value) => value is { } known ? known ? 1 : 0 : null;
}
