using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// A <c>config.json</c> of a checkpoint, with typed fields; each refusal names the file, the field and what was found.
/// </summary>
internal sealed class ConfigFile : IDisposable
{
    private const long LargestFile = 16L << 20;
    private const int LargestSize = 1 << 24;

    private readonly JsonDocument _document;
    private readonly string _within;

    private ConfigFile(string path, JsonDocument document, string within = "")
    {
        Path = path;
        _document = document;
        _within = within;
    }

    public string Path { get; }

    public static ConfigFile Read(string path) => Read(path, JsonValueKind.Object);

    /// <summary>Reads a file that holds an array of objects, for <see cref="Entries"/>.</summary>
    public static ConfigFile ReadList(string path) => Read(path, JsonValueKind.Array);

    private static ConfigFile Read(string path, JsonValueKind expected)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new InvalidDataException($"'{path}': no such file; a checkpoint folder has a config.json");
        }

        if (file.Length > LargestFile)
        {
            throw new InvalidDataException($"'{path}': {file.Length} bytes, expected at most {LargestFile}");
        }

        return Parse(path, File.ReadAllBytes(path), expected);
    }

    /// <summary>Reads JSON that lies elsewhere; the path is for messages.</summary>
    public static ConfigFile Parse(
        string path, ReadOnlyMemory<byte> json, JsonValueKind expected = JsonValueKind.Object)
    {
        // Names and raw values that are no text would fail wherever they are first looked at.
        if (!System.Text.Unicode.Utf8.IsValid(json.Span))
        {
            throw new InvalidDataException($"'{path}': not valid JSON: it is not UTF-8");
        }

        try
        {
            JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != expected)
            {
                JsonValueKind found = document.RootElement.ValueKind;
                document.Dispose();
                string wanted = expected == JsonValueKind.Object ? "object" : "array";
                throw new InvalidDataException($"'{path}': expected a JSON {wanted}, found {found}");
            }

            return new ConfigFile(path, document);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': not valid JSON: {e.Message}", e);
        }
    }

    public void Dispose() => _document.Dispose();

    /// <summary>The names of the fields that are not null.</summary>
    public IReadOnlyList<string> Fields =>
    [
        .. _document.RootElement.EnumerateObject()
            .Where(entry => entry.Value.ValueKind != JsonValueKind.Null)
            .Select(entry => entry.Name),
    ];

    /// <summary>An object within, as a file of its own; null if it is absent or null.</summary>
    public ConfigFile? Section(string field) => Within(field, string.Empty);

    /// <summary>An object within, like <see cref="Section"/>, whose fields are named after it in messages.</summary>
    public ConfigFile? Part(string field) => Within(field, $"{_within}{field}.");

    /// <summary>Whether a field is written, be it as null.</summary>
    public bool Mentions(string field) => _document.RootElement.TryGetProperty(field, out _);

    /// <summary>A refusal of a value that is valid but not supported.</summary>
    public NotSupportedException Unsupported(string field, string supported) =>
        new($"'{Path}': {_within}{field} is {Raw(field)}; supported: {supported}");

    /// <summary>A list of strings; null if the field is absent or null.</summary>
    public IReadOnlyList<string>? OptionalList(string field)
    {
        if (Find(field) is not { } list)
        {
            return null;
        }

        string[] texts = list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray().Select(Text).OfType<string>()] : [];
        return list.ValueKind == JsonValueKind.Array && texts.Length == list.GetArrayLength()
            ? texts
            : throw Wrong(field, "a list of strings");
    }

    /// <summary>One token id or a list of them; empty if the field is absent or null.</summary>
    public IReadOnlyList<int> Ids(string field)
    {
        if (Find(field) is not { ValueKind: JsonValueKind.Array } list)
        {
            return OptionalId(field) is { } only ? [only] : [];
        }

        var ids = new List<int>();
        foreach (JsonElement entry in list.EnumerateArray())
        {
            ids.Add(entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out int id) && id >= 0
                ? id
                : throw Wrong(field, "a token id or a list of them"));
        }

        return ids;
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string field) => Find(field) is not null;

    /// <summary>A field as it is written; "nothing" if it is absent or null.</summary>
    public string Raw(string field) => Find(field) is { } value ? Display.Name(value.GetRawText()) : "nothing";

    public string String(string field) =>
        Find(field) is { } value && Text(value) is { } text ? text : throw Wrong(field, "a string");

    public string? OptionalString(string field) => Find(field) is null ? null : String(field);

    /// <summary>The entries of an object; a value that is not a string is null.</summary>
    public IReadOnlyList<(string Key, string? Value)> Strings(string field, string expected)
    {
        try
        {
            return Find(field) is { ValueKind: JsonValueKind.Object } map
                ? [.. map.EnumerateObject().Select(entry => (entry.Name, Text(entry.Value)))]
                : throw Wrong(field, expected);
        }
        catch (InvalidOperationException)
        {
            throw Wrong(field, expected); // a name holds half a surrogate pair
        }
    }

    /// <summary>Of each object of an array the values of some fields, which must be strings.</summary>
    public IReadOnlyList<string[]> Entries(params ReadOnlySpan<string> fields)
    {
        var entries = new List<string[]>();
        foreach (JsonElement entry in _document.RootElement.EnumerateArray())
        {
            string[] values = new string[fields.Length];
            for (int i = 0; i < fields.Length; i++)
            {
                values[i] = entry.ValueKind == JsonValueKind.Object
                    && entry.TryGetProperty(fields[i], out JsonElement value)
                    && Text(value) is { } text
                        ? text
                        : throw new InvalidDataException(
                            $"'{Path}': entry {entries.Count} has no string '{fields[i]}', expected one");
            }

            entries.Add(values);
        }

        return entries;
    }

    public int Size(string field) => OptionalSize(field) ?? throw Wrong(field, "a whole number");

    public int? OptionalSize(string field) => Find(field) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out int size)
            && size is > 0 and <= LargestSize ? size
        : throw Wrong(field, $"a whole number from 1 to {LargestSize}");

    public int? OptionalId(string field) => Find(field) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id >= 0 ? id
        : throw Wrong(field, "a token id");

    public float Epsilon(string field, float fallback) => Find(field) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float eps) && eps is >= 0 and < 1 ? eps
        : throw Wrong(field, "a number from 0 to 1");

    public double Positive(string field) => Find(field) is { ValueKind: JsonValueKind.Number } value
        && value.TryGetDouble(out double number) && number > 0 && double.IsFinite(number) ? number
        : throw Wrong(field, "a number above 0");

    /// <summary>A number above 0; the fallback if the field is absent or null.</summary>
    public double Positive(string field, double fallback) => Has(field) ? Positive(field) : fallback;

    public bool Flag(string field, bool fallback) => Find(field) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw Wrong(field, "true or false"),
    };

    public Activation Activation(string field, string fallback)
    {
        string name = Find(field) is null ? fallback : String(field);
        return name switch
        {
            "gelu_new" or "gelu_pytorch_tanh" => Numerics.Activation.GeluTanh,
            "gelu" => Numerics.Activation.GeluErf,
            "relu" => Numerics.Activation.Relu,
            "silu" or "swish" => Numerics.Activation.Silu,
            _ => throw new NotSupportedException(
                $"'{Path}': {_within}{field} is '{Display.Name(name)}'; "
                + "supported: gelu_new, gelu_pytorch_tanh, gelu, relu, silu, swish"),
        };
    }

    /// <summary>The field's value; null if it is absent or null.</summary>
    private JsonElement? Find(string field) =>
        _document.RootElement.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    /// <summary>The text of a string; null for another value, or one that holds half a surrogate pair.</summary>
    private static string? Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private ConfigFile? Within(string field, string within) => Find(field) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object
            ? new ConfigFile(Path, JsonDocument.Parse(value.GetRawText()), within)
        : throw Wrong(field, "an object");

    /// <summary>A refusal of a value that cannot be.</summary>
    public InvalidDataException Wrong(string field, string expected)
    {
        string found = Find(field) is { } value ? Display.Name(value.GetRawText()) : "nothing";
        return new InvalidDataException($"'{Path}': {_within}{field} is {found}, expected {expected}");
    }
}
