using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>What is evaluated: a model, an autoencoder in its place, and the scores of topics. Owns nothing.</summary>
public sealed record EvaluatedModel
{
    /// <summary>The model.</summary>
    public required Decoder Decoder { get; init; }

    /// <summary>Its tokenizer.</summary>
    public required TextTokenizer Tokenizer { get; init; }

    /// <summary>Where it is steered, and through what.</summary>
    public required SteeringSite Site { get; init; }

    /// <summary>The scores of each topic, by name.</summary>
    public required IReadOnlyDictionary<string, LatentScores> Scores { get; init; }

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
    /// <param name="clampCount">How many latents clamp raises.</param>
    /// <param name="scores">The topic's scores; null for a method that needs none.</param>
    internal SteeringPlan Plan(EvaluationArm arm, double strength, int clampCount, LatentScores? scores)
    {
        var options = new SteeringOptions
        {
            Method = arm.Method,
            Mode = arm.Mode,
            Strength = arm.HasStrength ? (float)strength : 1f,
            ClampCount = clampCount,
        };
        return new SteeringPlan(
            Decoder.Spec,
            options,
            [new LayerEdit(Site.Point, Site.Autoencoder, scores, options)],
            BosPolicies.SpecialTokens(Decoder.Spec, Tokenizer));
    }
}
