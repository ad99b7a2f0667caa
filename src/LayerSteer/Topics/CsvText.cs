using System.Text.Unicode;
using CsvHelper;

namespace LayerSteer.Topics;

/// <summary>
/// The CSV of pandas, strictly (RFC 4180): malformed quoting or a row of another length is an error with its line.
/// </summary>
internal static class CsvText
{
    private const long LargestFile = 1L << 30;

    private static readonly CsvReaderOptions Strict = CsvReaderOptions.Default with
    {
        Separator = ',',
        TrackLineNumbers = true,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
        IncludeValuesInExceptions = false,
    };

    /// <summary>
    /// Calls <paramref name="row"/> for each row after the header, with the line on which the row starts.
    /// </summary>
    public static void Read(string path, Action<IReadOnlyList<string>> header, Action<CsvReader, long> row)
    {
        byte[] bytes = ReadUtf8(path);
        try
        {
            using CsvReader reader = CsvReader.Create(bytes, Strict);
            reader.ReadHeader();
            header(reader.Headers ?? []);
            while (reader.Read())
            {
                row(reader, reader.LineNumber);
            }
        }
        catch (CsvFormatException e)
        {
            string line = e.LineNumber > 0 ? $" line {e.LineNumber}" : string.Empty;
            throw new InvalidDataException($"'{path}'{line}: {e.Message}", e);
        }
    }

    /// <summary>The bytes of a text file, checked to be UTF-8; a byte order mark is left out.</summary>
    public static byte[] ReadUtf8(string path)
    {
        long length = new FileInfo(path).Length;
        if (length > LargestFile)
        {
            throw new InvalidDataException($"'{path}': {length} bytes, expected at most {LargestFile}; split the file");
        }
        byte[] bytes = File.ReadAllBytes(path);
        if (!Utf8.IsValid(bytes))
        {
            int valid = ValidPrefix(bytes);
            int line = 1 + bytes.AsSpan(0, valid).Count((byte)'\n');
            throw new InvalidDataException($"'{path}' line {line}: not UTF-8 text (byte {valid}); save it as UTF-8");
        }
        return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
    }

    /// <summary>A field as pandas writes it: quoted only when it holds a comma, a quote or a line break.</summary>
    public static string Field(string text) => text.AsSpan().ContainsAny(",\"\r\n")
        ? "\"" + text.Replace("\"", "\"\"", StringComparison.Ordinal) + "\""
        : text;

    /// <summary>What a message shows of a cell that may be of any length.</summary>
    public static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private static int ValidPrefix(ReadOnlySpan<byte> bytes)
    {
        int valid = 0;
        while (System.Text.Rune.DecodeFromUtf8(bytes[valid..], out _, out int consumed)
            == System.Buffers.OperationStatus.Done)
        {
            valid += consumed;
        }
        return valid;
    }
}
