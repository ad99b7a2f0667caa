using LayerSteer.Autoencoders;

namespace LayerSteer.Steering;

/// <summary>
/// Two topics of one edit that work against each other: toward one is away from what the other is toward, or toward one is
/// toward what the other is away from.
/// <code>
/// cos(d_1, d_2) · sign(weight_1 · weight_2) &lt; −0.3       d_t = Σ over topic t's best latents of M_f · row f of W_dec
/// </code>
/// </summary>
/// <param name="First">The name of one topic's scores.</param>
/// <param name="Second">The name of the other's.</param>
/// <param name="Cosine">cos(d_1, d_2).</param>
/// <param name="SharedLatents">How many latents are among the best of both.</param>
public readonly record struct TopicConflict(string First, string Second, double Cosine, int SharedLatents)
{
    /// <summary>From here on two topics are in conflict: random directions of a wide stream lie within ±0.1.</summary>
    public const double Threshold = 0.3;

    /// <summary>The conflicts among topics.</summary>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="topics">The topics, their scores with largest activations or without.</param>
    /// <param name="options">How many latents count.</param>
    public static IReadOnlyList<TopicConflict> Among(
        SparseAutoencoder autoencoder, IReadOnlyList<SteeringTopic> topics, SteeringOptions options)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentNullException.ThrowIfNull(options);
        (int[] Latents, float[] Direction)[] sides =
        [
            .. topics.Select(topic =>
            {
                var targets = new LatentTargets([topic with { Weight = 1 }], options with { Gate = null, Method = SteeringMethod.Scale });
                float[] direction = new float[autoencoder.DIn];
                autoencoder.AddChange(targets.Pushes, new InputScale(0f, 1f), direction);
                return (targets.Latents.ToArray(), direction);
            }),
        ];
        var conflicts = new List<TopicConflict>();
        for (int i = 0; i < topics.Count; i++)
        {
            for (int j = i + 1; j < topics.Count; j++)
            {
                double cosine = CosineOf(sides[i].Direction, sides[j].Direction);
                if (cosine * Math.Sign(topics[i].Weight * topics[j].Weight) < -Threshold)
                {
                    conflicts.Add(new TopicConflict(
                        topics[i].Scores.Name,
                        topics[j].Scores.Name,
                        cosine,
                        sides[i].Latents.Intersect(sides[j].Latents).Count()));
                }
            }
        }

        return conflicts;
    }

    private static double CosineOf(float[] a, float[] b)
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
