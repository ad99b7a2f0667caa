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

/// <summary>The names of the modes on the command line and in files.</summary>
public static class SteeringModes
{
    /// <summary>The name of a mode: corrected or seed.</summary>
    public static string NameOf(SteeringMode mode) => mode == SteeringMode.Seed ? "seed" : "corrected";
}
