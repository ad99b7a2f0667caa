using System.Text.Json.Serialization;

namespace LayerSteer.Topics;

/// <summary>Which evidence a topic's scores are made from.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ScoringKind>))]
public enum ScoringKind
{
    /// <summary>How near the topic the reference texts lie that fire a latent; see <see cref="FeatureScorer"/>.</summary>
    [JsonStringEnumMemberName("semantic")]
    Semantic,

    /// <summary>
    /// How much more a latent fires on the topic's own texts than on the references; see <see cref="ContrastiveScorer"/>.
    /// </summary>
    [JsonStringEnumMemberName("contrastive")]
    Contrastive,
}
