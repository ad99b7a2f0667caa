using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace LayerSteer.Topics;

/// <summary>The JSON of this room: snake_case, every required field present, nothing null that may not be.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(IndexManifest))]
[JsonSerializable(typeof(TopicProfile))]
internal sealed partial class TopicsJson : JsonSerializerContext
{
    /// <summary>For people: one field a line.</summary>
    public static TopicsJson Indented { get; } = new(Settings(indented: true));

    /// <summary>For long arrays: one line.</summary>
    public static TopicsJson Compact { get; } = new(Settings(indented: false));

    /// <summary>
    /// Reads a versioned file; the version is looked at before anything else, so that its error is the clear one.
    /// </summary>
    public static T Read<T>(string path, int version, JsonTypeInfo<T> type)
    {
        byte[] bytes = CsvText.ReadUtf8(path);
        try
        {
            using (JsonDocument document = JsonDocument.Parse(bytes))
            {
                CheckVersion(path, document.RootElement, version);
            }
            return JsonSerializer.Deserialize(bytes, type)
                ?? throw new InvalidDataException($"'{path}': a JSON null, expected an object");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    private static void CheckVersion(string path, JsonElement root, int version)
    {
        if (root.ValueKind != JsonValueKind.Object
            || !root.TryGetProperty("format_version", out JsonElement field)
            || field.ValueKind != JsonValueKind.Number
            || !field.TryGetInt32(out int found))
        {
            throw new InvalidDataException($"'{path}': no whole number 'format_version'");
        }
        if (found != version)
        {
            string writer = root.TryGetProperty("tool_version", out JsonElement tool)
                && tool.ValueKind == JsonValueKind.String ? tool.GetRawText() : "unknown";
            throw new NotSupportedException(
                $"'{path}': format_version is {found}, this version reads {version}; "
                + $"use the LayerSteer that wrote it (tool_version {writer}) or make it again");
        }
    }

    private static JsonSerializerOptions Settings(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        WriteIndented = indented,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
