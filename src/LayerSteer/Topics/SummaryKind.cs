using System.Text.Json.Serialization;

namespace LayerSteer.Topics;

/// <summary>How the activations of one latent over the tokens of a prompt become one number.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SummaryKind>))]
public enum SummaryKind
{
    /// <summary>The sum over the tokens (equal to the mean once the row is normalised). The default.</summary>
    [JsonStringEnumMemberName("average")]
    Average,

    /// <summary>The largest activation.</summary>
    [JsonStringEnumMemberName("maximum")]
    Maximum,

    /// <summary>The number of tokens on which the latent is active.</summary>
    [JsonStringEnumMemberName("counts")]
    Counts,
}
