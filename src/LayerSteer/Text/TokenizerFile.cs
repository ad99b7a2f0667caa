using System.Text.Json;
using System.Text.Unicode;

namespace LayerSteer.Text;

/// <summary>
/// Reads the files of a tokenizer: sizes capped, UTF-8 and JSON checked, each refusal one line that names the file.
/// </summary>
internal static class TokenizerFile
{
    public const long MaxBytes = 256L << 20;

    private const int MaxQuoted = 60;

    /// <summary>A refusal that names what would work.</summary>
    public static NotSupportedException Unsupported(string path, string found, string supported) =>
        new($"'{path}': {found} is not supported; supported: {supported}");

    /// <summary>The bytes of a file that need not be text.</summary>
    public static byte[] ReadBytes(string path)
    {
        long length = new FileInfo(path).Length;
        if (length > MaxBytes)
        {
            throw new InvalidDataException($"'{path}': {length} bytes, expected at most {MaxBytes}");
        }
        return File.ReadAllBytes(path);
    }

    /// <summary>The UTF-8 bytes of a file, without a byte order mark.</summary>
    public static ReadOnlyMemory<byte> Read(string path)
    {
        ReadOnlyMemory<byte> bytes = ReadBytes(path);
        if (!Utf8.IsValid(bytes.Span))
        {
            throw new InvalidDataException($"'{path}': not valid UTF-8");
        }
        return bytes.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? bytes[3..] : bytes;
    }

    /// <summary>Parses a JSON object; the caller disposes it. Keys that occur twice are refused.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repeats">Whether the caller refuses keys that occur twice itself, so that this need not.</param>
    public static JsonDocument ReadObject(string path, bool repeats = false)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(Read(path), new JsonDocumentOptions { AllowDuplicateProperties = repeats });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{path}': not valid JSON: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            JsonValueKind kind = document.RootElement.ValueKind;
            document.Dispose();
            throw new InvalidDataException($"'{path}': the file holds {Describe(kind)}, expected an object");
        }
        return document;
    }

    /// <summary>A property, or null where it is missing or null.</summary>
    public static JsonElement? Optional(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static JsonElement Require(JsonElement element, JsonValueKind kind, string path, string field) =>
        element.ValueKind == kind
            ? element
            : throw new InvalidDataException(
                $"'{path}': {field} is {Describe(element.ValueKind)}, expected {Describe(kind)}");

    public static JsonElement RequireProperty(
        JsonElement parent, string name, JsonValueKind kind, string path, string? field = null) =>
        Require(parent.TryGetProperty(name, out JsonElement value) ? value : default, kind, path, field ?? name);

    public static string Text(JsonElement element, string path, string field)
    {
        Require(element, JsonValueKind.String, path, field);
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"'{path}': {field} is not valid Unicode (a lone surrogate escape)", e);
        }
    }

    public static long Integer(JsonElement element, string path, string field)
    {
        Require(element, JsonValueKind.Number, path, field);
        return element.TryGetInt64(out long value)
            ? value
            : throw new InvalidDataException($"'{path}': {field} is {element.GetRawText()}, expected an integer");
    }

    /// <summary>A boolean; null where it is missing or null.</summary>
    public static bool? OptionalBoolean(JsonElement parent, string name, string path, string? field = null) =>
        Optional(parent, name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            { } other => throw new InvalidDataException(
                $"'{path}': {field ?? name} is {Describe(other.ValueKind)}, expected true or false"),
        };

    /// <summary>A vocabulary object, piece to id.</summary>
    public static Vocabulary ReadVocabulary(JsonElement vocab, string path, string field)
    {
        Require(vocab, JsonValueKind.Object, path, field);
        var vocabulary = new Vocabulary(path, vocab.GetPropertyCount());
        foreach (JsonProperty entry in vocab.EnumerateObject())
        {
            string piece = NameOf(entry, path, field);
            if (entry.Value.ValueKind != JsonValueKind.Number)
            {
                throw new InvalidDataException(
                    $"'{path}': token {Quote(piece)} has {Describe(entry.Value.ValueKind)} as id, expected an integer");
            }
            vocabulary.Add(piece, entry.Value.TryGetInt64(out long id)
                ? id
                : throw new InvalidDataException(
                    $"'{path}': the id of token {Quote(piece)} is {entry.Value.GetRawText()}, expected an integer"));
        }
        return vocabulary.IsEmpty ? throw new InvalidDataException($"'{path}': {field} has no tokens") : vocabulary;
    }

    /// <summary>The name of a property.</summary>
    public static string NameOf(JsonProperty property, string path, string field)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"'{path}': {field} has a key that is not valid Unicode", e);
        }
    }

    /// <summary>A string of a file as a message shows it: quoted, on one line, not longer than a line.</summary>
    public static string Quote(string text)
    {
        string start = text.Length > MaxQuoted ? text[..MaxQuoted] + "…" : text;
        return $"'{string.Concat(start.Select(c => char.IsControl(c) ? '\uFFFD' : c))}'";
    }

    public static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Undefined => "missing",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => "null",
    };
}
