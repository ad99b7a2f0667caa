using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>What steers toward a topic in an evaluation.</summary>
/// <param name="Semantic">The scores of the references' distances.</param>
/// <param name="Contrastive">The scores of the topic's own texts.</param>
/// <param name="MeanDifference">[dIn]: what diffmean adds.</param>
public sealed record EvaluatedScores(LatentScores Semantic, LatentScores Contrastive, IReadOnlyList<float> MeanDifference);

/// <summary>What is evaluated: a model, an autoencoder in its place, and the scores of topics. Owns nothing.</summary>
public sealed record EvaluatedModel
{
    /// <summary>The model.</summary>
    public required Decoder Decoder { get; init; }

    /// <summary>Its tokenizer.</summary>
    public required TextTokenizer Tokenizer { get; init; }

    /// <summary>Where it is steered, and through what.</summary>
    public required SteeringSite Site { get; init; }

    /// <summary>What steers toward each topic, by its name.</summary>
    public required IReadOnlyDictionary<string, EvaluatedScores> Scores { get; init; }

    /// <summary>What the uncertainty card says of each topic, by its name; empty where no card was made.</summary>
    public IReadOnlyDictionary<string, string> Verdicts { get; init; } = new Dictionary<string, string>();

    /// <summary>[dSae]: on how many reference tokens each latent fired.</summary>
    public required IReadOnlyList<long> Frequencies { get; init; }

    /// <summary>
    /// Loads the checkpoint that was trained on a topic, by the topic's name; the evaluation disposes it after use.
    /// </summary>
    public IReadOnlyDictionary<string, Func<Decoder>> FineTuned { get; init; } =
        new Dictionary<string, Func<Decoder>>();

    /// <summary>A plan that steers a topic.</summary>
    /// <param name="arm">The arm.</param>
    /// <param name="strength">The strength of an arm that has one.</param>
    /// <param name="evaluation">The evaluation, which says how many latents are edited.</param>
    /// <param name="topic">The topic; null for an arm that needs none.</param>
    /// <param name="seed">The seed of the shuffle of a matched arm.</param>
    internal SteeringPlan Plan(EvaluationArm arm, double strength, EvaluationOptions evaluation, string? topic, ulong seed)
    {
        var options = new SteeringOptions
        {
            Method = arm.Method,
            Mode = arm.Mode,
            Strength = arm.HasStrength ? (float)strength : 1f,
            ClampCount = evaluation.ClampCount,
            LatentCount = evaluation.LatentCount,
        };
        SteeringTopic[] topics = topic is null ? [] : [Steering(arm, Scores[topic], seed)];
        IReadOnlySet<int> special = BosPolicies.SpecialTokens(Decoder.Spec, Tokenizer);
        return arm.Kind == ArmKind.WrongLayer
            ? SteeringPlan.Elsewhere(
                Decoder.Spec, options, [new LayerEdit(WrongPoint(), Site.Autoencoder, topics, options)], special)
            : new SteeringPlan(
                Decoder.Spec, options, [new LayerEdit(Site.Point, Site.Autoencoder, topics, options)], special);
    }

    private SteeringTopic Steering(EvaluationArm arm, EvaluatedScores known, ulong seed)
    {
        LatentScores scores = arm.Scoring == ScoringKind.Semantic ? known.Semantic : known.Contrastive;
        return new SteeringTopic(arm.Kind == ArmKind.Matched ? MatchedScores.Of(scores, Frequencies, seed) : scores)
        {
            MeanDifference = known.MeanDifference,
        };
    }

    /// <summary>The layer at half the depth of the right one, or the last where that is the right one itself.</summary>
    private HookPoint WrongPoint()
    {
        int layer = Site.Point.Layer / 2;
        return new HookPoint(Site.Point.Kind, layer == Site.Point.Layer ? Decoder.Spec.NLayers - 1 : layer);
    }
}
