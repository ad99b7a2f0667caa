using System.Text.Json.Serialization;

namespace LayerSteer.Topics;

/// <summary>Which of the two named ways of working an artefact was made in; they are never mixed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SteeringMode>))]
public enum SteeringMode
{
    /// <summary>The default: one BOS policy, long texts in windows, the error term of the autoencoder kept.</summary>
    [JsonStringEnumMemberName("corrected")]
    Corrected,

    /// <summary>The published formulas of IBM/sae-steering, so that anyone can compare.</summary>
    [JsonStringEnumMemberName("seed")]
    Seed,
}
