using System.Text;
using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Text;

/// <summary>Streams the documents of one file of a <see cref="TextCorpus"/>.</summary>
internal static class CorpusFile
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static IEnumerable<CorpusDocument> Documents(string file, CorpusOptions options)
    {
        bool compressed = file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        bool lines = Path.GetExtension(compressed ? file[..^3] : file)
            .Equals(".jsonl", StringComparison.OrdinalIgnoreCase);
        using var bytes = new FileStream(
            file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16, FileOptions.SequentialScan);
        using WholeGzip? inflated = compressed ? new WholeGzip(bytes) : null;
        var reader = new CorpusLineReader(inflated ?? (Stream)bytes, file, options);
        int index = 0;
        foreach (string text in lines ? OfJsonLines(reader, file) : OfText(reader, file, options))
        {
            if (!string.IsNullOrWhiteSpace(text))
            {
                yield return new CorpusDocument(text, file, index++);
            }
        }
        if (index == 0)
        {
            throw new InvalidDataException(
                $"'{file}': no documents; expected "
                + (lines ? "a string or an object with \"text\" a line" : "text that is not only white space"));
        }
    }

    private static IEnumerable<string> OfText(CorpusLineReader reader, string file, CorpusOptions options)
    {
        byte[] separator = Encoding.UTF8.GetBytes(options.Separator);
        bool more = true;
        while (more)
        {
            // A separator ends a document, and so does the end of the file.
            while ((more = reader.Append()) && !reader.Line.TrimEnd("\r\n"u8).SequenceEqual(separator))
            {
            }
            yield return Text(reader, reader.BeforeLine, file);
            reader.Clear();
        }
    }

    private static IEnumerable<string> OfJsonLines(CorpusLineReader reader, string file)
    {
        for (int line = 1; reader.Append(); line++)
        {
            string json = Text(reader, reader.Line, file);
            reader.Clear();
            if (!string.IsNullOrWhiteSpace(json))
            {
                yield return TextOf(json, $"'{file}' line {line}");
            }
        }
    }

    // A document or line as text, without the line break that ends it.
    private static string Text(CorpusLineReader reader, ReadOnlySpan<byte> bytes, string file)
    {
        long start = reader.Position - reader.Line.Length - reader.BeforeLine.Length;
        if (start == 0 && bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
        {
            start = 3;
            bytes = bytes[3..];
        }
        bytes = bytes is [.. var whole, (byte)'\n'] ? whole : bytes;
        bytes = bytes is [.. var rest, (byte)'\r'] ? rest : bytes;
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"'{file}': not UTF-8 at byte {start + e.Index}; save it as UTF-8", e);
        }
    }

    private static string TextOf(string json, string where)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{where}: not JSON (at byte {e.BytePositionInLine ?? 0} of the line)", e);
        }
        using (document)
        {
            JsonElement text = document.RootElement;
            if (text.ValueKind == JsonValueKind.Object && !text.TryGetProperty("text", out text))
            {
                throw new InvalidDataException($"{where}: no field 'text'");
            }
            if (text.ValueKind != JsonValueKind.String)
            {
                throw new InvalidDataException(
                    $"{where}: text is {TokenizerFile.Describe(text.ValueKind)}, expected a string");
            }
            try
            {
                return text.GetString()!;
            }
            catch (InvalidOperationException e)
            {
                throw new InvalidDataException($"{where}: a string with half a surrogate pair", e);
            }
        }
    }
}
