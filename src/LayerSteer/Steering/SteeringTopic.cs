using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>A topic as an edit takes it. Immutable.</summary>
/// <param name="Scores">The scores of the latents.</param>
/// <param name="Weight">
/// How much of it, against the other topics of the edit; below 0 the edit steers away from it. Not 0.
/// </param>
public sealed record SteeringTopic(LatentScores Scores, double Weight = 1)
{
    /// <summary>
    /// [dIn]: the mean of x over the topic's texts minus that over other texts, which diffmean adds; null if it is not
    /// known.
    /// </summary>
    public IReadOnlyList<float>? MeanDifference { get; init; }
}
