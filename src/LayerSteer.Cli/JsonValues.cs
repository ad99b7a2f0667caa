using System.Text.Json.Nodes;

namespace LayerSteer.Cli;

/// <summary>JSON values of our own types.</summary>
internal static class JsonValues
{
    public static JsonArray Array(IEnumerable<int> values) => new([.. values.Select(v => (JsonNode)v)]);

    /// <summary>JSON has no NaN and no infinity: what cannot be computed is null.</summary>
    public static double? Finite(double value) => double.IsFinite(value) ? value : null;

    public static JsonArray Array(IEnumerable<string> values) => new([.. values.Select(v => (JsonNode)v)]);
}
