using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// Measures the side effects of arms at the strengths that their results are reported at. Minimal pairs are shared out, so
/// that every topic has pairs of its own and every arm the same ones.
/// </summary>
internal sealed class SideEffectMeter
{
    private const int NeutralParagraphs = 4;

    private readonly EvaluatedModel _model;
    private readonly EvaluationOptions _options;
    private readonly IReadOnlyList<int[]> _neutral;

    public SideEffectMeter(EvaluatedModel model, EvaluationOptions options)
    {
        _model = model;
        _options = options;
        _neutral = InterventionFidelity.NeutralIds(model.Decoder, model.Tokenizer, NeutralParagraphs);
    }

    /// <summary>Measures all arms.</summary>
    /// <param name="plan">The plan of an arm for a topic; null for one that edits nothing.</param>
    /// <param name="topicsOf">The topics that an arm is run for.</param>
    /// <param name="stage">Told which arm is next.</param>
    /// <param name="cancellation">Checked between texts.</param>
    public IReadOnlyList<SideEffect> Measure(
        Func<EvaluationArm, string, SteeringPlan?> plan,
        Func<EvaluationArm, IEnumerable<string>> topicsOf,
        Action<string> stage,
        CancellationToken cancellation)
    {
        var effects = new List<SideEffect>();
        foreach (EvaluationArm arm in _options.Arms.Where(
            arm => arm.Edits || arm.Kind is ArmKind.Unsteered or ArmKind.FineTuned))
        {
            stage($"side effects of {arm.Name}");
            string[] topics = [.. topicsOf(arm)];
            InterventionFidelity[] found = arm.Edits
                ? [.. topics.Take(arm.DependsOnTopic ? topics.Length : 1).Select(topic => InterventionFidelity.Measure(
                    _model.Decoder, plan(arm, topic)!, _neutral, _model.Scores[topic].Semantic, cancellation))]
                : [];
            int right = 0;
            int pairs = 0;
            for (int t = 0; t < topics.Length && _options.Pairs.Count > 0; t++)
            {
                (int hits, int count) = Prefers(arm, plan(arm, topics[t]), topics[t], t, topics.Length, cancellation);
                right += hits;
                pairs += count;
            }

            if (topics.Length > 0)
            {
                effects.Add(new SideEffect(
                    arm.Name, found.Length > 0 ? Mean(found) : null, pairs > 0 ? (double)right / pairs : null, pairs));
            }
        }

        return effects;
    }

    private (int Right, int Pairs) Prefers(
        EvaluationArm arm, SteeringPlan? plan, string topic, int turn, int topics, CancellationToken cancellation)
    {
        using Decoder? tuned = arm.Kind == ArmKind.FineTuned ? _model.FineTuned[topic]() : null;
        using var likelihood = new LogLikelihood(tuned ?? _model.Decoder, plan);
        int right = 0;
        int pairs = 0;
        for (int i = turn; i < _options.Pairs.Count; i += topics)
        {
            cancellation.ThrowIfCancellationRequested();
            right += LanguageMeasures.Prefers(likelihood, _model.Tokenizer, _options.Pairs[i]) ? 1 : 0;
            pairs++;
        }

        return (right, pairs);
    }

    private static InterventionFidelity Mean(InterventionFidelity[] all) => new(
        all.Sum(one => one.Tokens),
        all.Average(one => one.Divergence),
        all.Average(one => one.LossChange),
        all.Average(one => one.FirstChoiceChanged),
        all.Average(one => one.Change),
        all.Average(one => one.Cosine),
        all.Average(one => one.Overlap),
        all.Average(one => one.OffTopicMass));
}
