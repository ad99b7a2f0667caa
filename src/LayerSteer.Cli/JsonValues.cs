using System.Text.Json.Nodes;

namespace LayerSteer.Cli;

/// <summary>JSON values of our own types.</summary>
internal static class JsonValues
{
    public static JsonArray Array(IEnumerable<int> values) => new([.. values.Select(v => (JsonNode)v)]);

    public static JsonArray Array(IEnumerable<string> values) => new([.. values.Select(v => (JsonNode)v)]);
}
