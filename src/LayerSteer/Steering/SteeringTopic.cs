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

    /// <summary>
    /// The scores that suit a method: the published ones steer by semantic scores, the others by contrastive ones where all
    /// topics have them.
    /// </summary>
    /// <param name="method">The method.</param>
    /// <param name="topics">The topics.</param>
    public static ScoringKind Suiting(SteeringMethod method, IEnumerable<TopicProfile> topics) =>
        !SteeringMethods.IsPublished(method) && topics.All(topic => topic.Contrast is not null)
            ? ScoringKind.Contrastive
            : ScoringKind.Semantic;

    /// <summary>A topic of a profile.</summary>
    /// <param name="profile">The profile.</param>
    /// <param name="scoring">Which of its scores.</param>
    /// <param name="weight">As <see cref="Weight"/>.</param>
    /// <exception cref="ArgumentException">The profile has no scores of that kind.</exception>
    public static SteeringTopic Of(TopicProfile profile, ScoringKind scoring = ScoringKind.Semantic, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(profile);
        return new SteeringTopic(profile.ToLatentScores(scoring), weight)
        {
            MeanDifference = profile.Contrast?.MeanDifference,
        };
    }
}
