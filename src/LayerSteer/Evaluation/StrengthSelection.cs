namespace LayerSteer.Evaluation;

/// <summary>One strength of an arm on the dev prompts of a topic.</summary>
/// <param name="Method">The arm's name.</param>
/// <param name="Topic">The topic.</param>
/// <param name="Strength">The strength.</param>
/// <param name="Similarity">The mean topic similarity; null if every text was blank.</param>
/// <param name="SimilarityGain">Its mean paired difference to the unsteered model.</param>
/// <param name="Probability">The classifier's mean probability of the topic.</param>
/// <param name="PerplexityRatio">exp of the mean paired difference of nats a token: 1 is no cost.</param>
/// <param name="Divergence">Mean KL(arm ‖ unsteered), nats a token.</param>
/// <param name="Repetition">The mean share of repeated 4-grams.</param>
/// <param name="WithinBudget">Whether the ratio is within the budget.</param>
/// <param name="Chosen">Whether results are reported at this strength.</param>
public sealed record StrengthPoint(
    string Method,
    string Topic,
    double Strength,
    double? Similarity,
    double? SimilarityGain,
    double? Probability,
    double PerplexityRatio,
    double Divergence,
    double? Repetition,
    bool WithinBudget,
    bool Chosen);

/// <summary>
/// The strength of each arm for each topic, chosen on prompts that results are not reported on: the highest
/// topic similarity among the strengths whose perplexity ratio is within the budget; where none is, the lowest ratio.
/// Ties go to the lower strength. Immutable.
/// </summary>
public sealed class StrengthSelection
{
    private readonly Dictionary<(string Arm, string Topic), double> _chosen = [];

    /// <summary>Chooses from the log of the dev prompts.</summary>
    /// <param name="options">The evaluation.</param>
    /// <param name="topics">The topics' names.</param>
    /// <param name="log">The log, in which the dev prompts are complete.</param>
    public StrengthSelection(EvaluationOptions options, IReadOnlyList<string> topics, EvaluationLog log)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentNullException.ThrowIfNull(log);
        var points = new List<StrengthPoint>();
        foreach (EvaluationArm arm in options.ArmsWithStrength)
        {
            foreach (string topic in topics)
            {
                if (options.DevPrompts.Count == 0)
                {
                    _chosen.Add((arm.Name, topic), options.Strengths[arm.Method][0]);
                    continue;
                }

                StrengthPoint[] tried =
                    [.. options.Strengths[arm.Method].Select(strength => Point(options, arm.Name, topic, strength, log))];
                StrengthPoint best = Best(tried);
                _chosen.Add((arm.Name, topic), best.Strength);
                points.AddRange(tried.Select(point => point with { Chosen = point == best }));
            }
        }

        Points = points;
    }

    /// <summary>Every strength that was tried, by arm, topic and strength.</summary>
    public IReadOnlyList<StrengthPoint> Points { get; }

    /// <summary>The strength that results of an arm are reported at; 0 for one that has none.</summary>
    public double Chosen(EvaluationArm arm, string topic)
    {
        ArgumentNullException.ThrowIfNull(arm);
        return arm.HasStrength ? _chosen[(arm.StrengthOf, topic)] : 0;
    }

    internal static StrengthPoint Best(IReadOnlyList<StrengthPoint> tried) =>
        tried.Where(point => point.WithinBudget)
            .OrderByDescending(point => point.SimilarityGain ?? double.NegativeInfinity).ThenBy(point => point.Strength)
            .FirstOrDefault()
        ?? tried.OrderBy(point => point.PerplexityRatio).ThenBy(point => point.Strength).First();

    private static StrengthPoint Point(
        EvaluationOptions options, string name, string topic, double strength, EvaluationLog log)
    {
        (EvaluationLine Steered, EvaluationLine Unsteered)[] pairs =
        [
            .. from prompt in options.DevPrompts
            from draw in Enumerable.Range(0, options.Seeds)
            select (
                log[new EvaluationCell(name, strength, topic, prompt, draw)],
                log[new EvaluationCell(EvaluationArm.Unsteered.Name, 0, topic, prompt, draw)]),
        ];
        double ratio = Math.Exp(
            pairs.Average(pair => pair.Steered.NegativeLogLikelihood - pair.Unsteered.NegativeLogLikelihood));
        return new StrengthPoint(
            name,
            topic,
            strength,
            pairs.Average(pair => pair.Steered.Similarity),
            pairs.Average(pair => pair.Steered.Similarity - pair.Unsteered.Similarity),
            pairs.Average(pair => pair.Steered.Probability),
            ratio,
            pairs.Average(pair => pair.Steered.Divergence),
            pairs.Average(pair => pair.Steered.Repetition),
            ratio <= options.PerplexityBudget,
            false);
    }
}
