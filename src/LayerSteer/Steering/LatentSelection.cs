using LayerSteer.Autoencoders;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// Which latents of a token stay active under a topic's scores, and with what value:
/// <code>
/// corrected: key = a·w where a > 0, a elsewhere; only latents with w > 0 take part
///            w = s^g where s > 0; max(0, 1 − g) where s = 0 or there is none
/// seed:      key = a·s in double, rounded to float; a gap is s = 0
/// selected = nonzero of act(key);   swap: z' = a;   weight: z' = key
/// </code>
/// What that means for each activation; seed mode has s in place of w:
/// <code>
/// TopK       ranked again: the k largest keys of all latents, and of these the keys above 0; new latents come in
/// GroupMax   ranked again within each group
/// ReLU       a·w > 0: the latents that are active anyway and have w > 0; weights above 0 change no selection, unless a
///            is so small that a·w is 0 in float32
/// JumpReLU   a·w > max(θ, 0): a threshold on the weighted pre-activation, with values a that are not weighted; a low
///            score silences a latent that is barely above its threshold, and none comes in, for w ≤ 1 (gated ones too,
///            as the JumpReLU that they equal; BatchTopK is used with its threshold)
/// </code>
/// A score scales the pre-activation and never the threshold. With g = 0 every w is 1 and z' = act(a). Of several topics
/// the weights are multiplied, each topic's with its share of the strength; away from a topic w = (1 − s)^g, at most 1,
/// and a latent without a score keeps w = 1. Immutable; thread-safe.
/// </summary>
internal sealed class LatentSelection
{
    public LatentSelection(IReadOnlyList<SteeringTopic> topics, SteeringOptions options)
    {
        TakesKeys = options.Method == SteeringMethod.Weight;
        if (options.Mode == SteeringMode.Seed)
        {
            Keys = LatentKeys.Scaled(topics[0].Scores.Values.ToArray());
            return;
        }

        double budget = topics.Sum(topic => Math.Abs(topic.Weight));
        float[] weights = [.. Enumerable.Repeat(1f, topics[0].Scores.Count)];
        foreach (SteeringTopic topic in topics)
        {
            float strength = (float)(options.Strength * Math.Abs(topic.Weight) / budget);
            Multiply(weights, topic.Scores, strength, away: topic.Weight < 0);
        }

        Keys = LatentKeys.PositiveScaled(weights);
    }

    /// <summary>What ranks the latents.</summary>
    public LatentKeys Keys { get; }

    /// <summary>Whether the values of the selected are the keys, or the pre-activations.</summary>
    public bool TakesKeys { get; }

    private static void Multiply(float[] weights, LatentScores scores, float strength, bool away)
    {
        float unscored = MathF.Max(0f, 1f - strength);
        for (int i = 0; i < weights.Length; i++)
        {
            double score = scores.Supported[i] ? scores.Values[i] : 0;
            weights[i] *= away ? (float)Math.Pow(Math.Max(0, 1 - score), strength)
                : score > 0 ? (float)Math.Pow(score, strength) : unscored;
            if (!float.IsFinite(weights[i]))
            {
                throw new ArgumentException(
                    $"strength {strength} takes the score {score} of latent {i} out of range; use a lower strength");
            }
        }
    }
}
