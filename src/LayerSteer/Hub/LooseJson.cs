using System.Text.Json;

namespace LayerSteer.Hub;

/// <summary>
/// A JSON file of which a few fields are looked at, where they are; a file that is none has no fields.
/// </summary>
internal sealed class LooseJson : IDisposable
{
    private const long LargestFile = 16L << 20;

    private readonly JsonDocument? _document;
    private readonly JsonElement? _root;

    private LooseJson(JsonDocument? document, JsonElement? root)
    {
        _document = document;
        _root = root is { ValueKind: JsonValueKind.Object } ? root : null;
    }

    public static LooseJson Read(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: <= LargestFile })
            {
                JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
                return new LooseJson(document, document.RootElement);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // A list shows what can be read.
        }

        return new LooseJson(null, null);
    }

    /// <summary>An object within; its disposal leaves this one open.</summary>
    public LooseJson Section(string field) => new(null, Find(field));

    /// <summary>The first of the fields that is a positive whole number; 0 if none is.</summary>
    public int Size(params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (Find(field) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out int size) && size > 0)
            {
                return size;
            }
        }

        return 0;
    }

    /// <summary>The first of the fields that is a string; null if none is.</summary>
    public string? Text(params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (Find(field) is { ValueKind: JsonValueKind.String } value)
            {
                return value.GetString();
            }
        }

        return null;
    }

    public void Dispose() => _document?.Dispose();

    private JsonElement? Find(string field) =>
        _root is { } root && root.TryGetProperty(field, out JsonElement value) ? value : null;
}
