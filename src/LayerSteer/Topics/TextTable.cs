using System.Text.Json;
using CsvHelper;
using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>
/// A set of texts: alignment texts of a topic, or reference texts. Read from CSV (a column named 0, text or prompt; an
/// index column, whose header is empty, id or index, gives the ids), from JSON (an array of strings, or of objects with
/// "text") or from JSON Lines (a string, or an object with "text", a line). Written in the seed's layout: header ",0",
/// then the row's number and its text. No text is empty or only white space. Immutable and thread-safe.
/// </summary>
public sealed class TextTable
{
    private static readonly string[] TextColumns = ["0", "text", "prompt"];
    private static readonly string[] IdColumns = ["", "id", "index"];

    /// <summary>A set of <paramref name="texts"/> with <paramref name="ids"/>; both are copied.</summary>
    /// <param name="texts">The texts, at least one, none of them blank.</param>
    /// <param name="ids">An id a text; null numbers them from 0.</param>
    /// <param name="source">Where the texts were found; recorded in what is made of them.</param>
    /// <exception cref="ArgumentException">There is no text, a blank text, or another number of ids.</exception>
    public TextTable(IEnumerable<string> texts, IEnumerable<string>? ids = null, string source = "(memory)")
    {
        string[] copy = [.. texts];
        string[] names = ids is null ? [.. copy.Select((_, row) => Number(row))] : [.. ids];
        if (copy.Length == 0 || copy.Any(string.IsNullOrWhiteSpace))
        {
            throw new ArgumentException("expected at least one text and no blank one", nameof(texts));
        }
        if (names.Length != copy.Length)
        {
            throw new ArgumentException($"{names.Length} ids, expected {copy.Length}, one a text", nameof(ids));
        }
        Texts = copy;
        Ids = names;
        Source = source;
    }

    /// <summary>Where the texts were found: the file's path, or "(memory)".</summary>
    public string Source { get; }

    /// <summary>[count]: the texts, in the order of the file.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <summary>
    /// [count]: the id of each text: its index in the file, or its row number from 0 where it has none.
    /// </summary>
    public IReadOnlyList<string> Ids { get; }

    /// <summary>How many texts there are, at least 1.</summary>
    public int Count => Texts.Count;

    /// <summary>Reads a .csv, .json or .jsonl file of UTF-8 text, with or without a byte order mark.</summary>
    /// <param name="path">The file, at most 1 GiB.</param>
    /// <returns>The texts in the order of the file.</returns>
    /// <exception cref="InvalidDataException">
    /// Malformed, blank or no text; the message names file, line and column.
    /// </exception>
    /// <exception cref="NotSupportedException">The file has another extension.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TextTable Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".CSV" => ReadCsv(path),
            ".JSON" => ReadJson(path),
            ".JSONL" => ReadJsonLines(path),
            _ => throw new NotSupportedException(
                $"'{path}': texts are read from .csv, .json and .jsonl files, not from '{Path.GetExtension(path)}'"),
        };
    }

    /// <summary>
    /// Writes the seed's layout: header ",0", then the row's number from 0 and its text; whole or not at all.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced. Lines end with LF.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void WriteCsv(string path) => AtomicFile.WriteText(path, writer =>
    {
        writer.WriteLine(",0");
        for (int row = 0; row < Count; row++)
        {
            writer.Write(Number(row));
            writer.Write(',');
            writer.WriteLine(CsvText.Field(Texts[row]));
        }
    });

    private static TextTable ReadCsv(string path)
    {
        var texts = new List<string>();
        var ids = new List<string>();
        int textColumn = -1;
        int idColumn = -1;
        string name = string.Empty;
        CsvText.Read(path, Header, Row);
        return FromFile(path, texts, ids, "a header ',0' and one row a text");

        void Header(IReadOnlyList<string> headers)
        {
            int[] found = Matching(headers, TextColumns);
            if (headers.Count > 0 && found.Length != 1)
            {
                string shown = string.Join(',', headers.Select(CsvText.Field));
                throw new InvalidDataException(
                    $"'{path}' line 1: header '{CsvText.Shortened(shown)}', "
                    + "expected exactly one column named 0, text or prompt");
            }
            textColumn = found.Length == 1 ? found[0] : -1;
            name = textColumn < 0 ? string.Empty : headers[textColumn];
            idColumn = Matching(headers, IdColumns).Append(-1).First();
        }

        void Row(CsvReader reader, long line)
        {
            texts.Add(Checked(path, line, name, reader.GetString(textColumn)));
            ids.Add(idColumn < 0 ? Number(ids.Count) : reader.GetString(idColumn));
        }
    }

    private static TextTable ReadJson(string path)
    {
        byte[] bytes = CsvText.ReadUtf8(path);
        using JsonDocument document = ParseJson(path, 1, bytes);
        if (document.RootElement.ValueKind != JsonValueKind.Array)
        {
            throw new InvalidDataException(
                $"'{path}': a JSON {Kind(document.RootElement)}, expected an array; for one object a line use .jsonl");
        }
        var texts = new List<string>();
        var ids = new List<string>();
        foreach (JsonElement item in document.RootElement.EnumerateArray())
        {
            Add($"'{path}' item {texts.Count}", item, texts, ids);
        }
        return FromFile(path, texts, ids, "an array of strings or of objects with \"text\"");
    }

    private static TextTable ReadJsonLines(string path)
    {
        ReadOnlyMemory<byte> rest = CsvText.ReadUtf8(path);
        var texts = new List<string>();
        var ids = new List<string>();
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.Span.IndexOf((byte)'\n');
            ReadOnlyMemory<byte> one = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (one.Span.ContainsAnyExcept(" \t\r"u8))
            {
                using JsonDocument document = ParseJson(path, line, one);
                Add($"'{path}' line {line}", document.RootElement, texts, ids);
            }
        }
        return FromFile(path, texts, ids, "a string or an object with \"text\" a line");
    }

    internal static JsonDocument ParseJson(string path, int firstLine, ReadOnlyMemory<byte> json)
    {
        try
        {
            return JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            long line = firstLine + (e.LineNumber ?? 0);
            throw new InvalidDataException(
                $"'{path}' line {line}: not JSON (at byte {e.BytePositionInLine ?? 0} of the line)", e);
        }
    }

    private static void Add(string where, JsonElement item, List<string> texts, List<string> ids)
    {
        JsonElement text = item;
        JsonElement id = default;
        if (item.ValueKind == JsonValueKind.Object)
        {
            item.TryGetProperty("id", out id);
            if (!item.TryGetProperty("text", out text))
            {
                throw new InvalidDataException($"{where}: no field 'text'");
            }
        }
        if (text.ValueKind != JsonValueKind.String)
        {
            throw new InvalidDataException(
                $"{where}: a JSON {Kind(text)}, expected a string or an object with a string 'text'");
        }
        string value = StringOf(where, text);
        if (string.IsNullOrWhiteSpace(value))
        {
            throw new InvalidDataException($"{where}: an empty text");
        }
        ids.Add(id.ValueKind switch
        {
            JsonValueKind.String => StringOf(where, id),
            JsonValueKind.Number => id.GetRawText(),
            _ => Number(ids.Count),
        });
        texts.Add(value);
    }

    internal static string StringOf(string where, JsonElement text)
    {
        try
        {
            return text.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{where}: a string with half a surrogate pair", e);
        }
    }

    private static TextTable FromFile(string path, List<string> texts, List<string> ids, string expected) =>
        texts.Count > 0
            ? new TextTable(texts, ids, path)
            : throw new InvalidDataException($"'{path}': no texts; expected {expected}");

    private static string Checked(string path, long line, string column, string text) =>
        string.IsNullOrWhiteSpace(text)
            ? throw new InvalidDataException($"'{path}' line {line}, column '{column}': an empty text")
            : text;

    private static int[] Matching(IReadOnlyList<string> headers, string[] names) =>
    [
        .. Enumerable.Range(0, headers.Count)
            .Where(column => names.Contains(headers[column], StringComparer.OrdinalIgnoreCase)),
    ];

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Null => "null",
        JsonValueKind.Number => "number",
        JsonValueKind.String => "string",
        JsonValueKind.Array => "array",
        _ => "object",
    };

    private static string Number(int row) => row.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
