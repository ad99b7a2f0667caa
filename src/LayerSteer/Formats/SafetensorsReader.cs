using System.Buffers.Binary;
using System.Text.Json;

namespace LayerSteer.Formats;

/// <summary>
/// Reads safetensors by its strict rules: a JSON header of at most 100 MB, no duplicate keys, and tensors that fill the
/// rest of the file in order, without holes, overlaps or bytes left over.
/// </summary>
internal static class SafetensorsReader
{
    private const string Supported = "supported are BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64";

    /// <summary>Whether the file starts with a header length that fits and an opening brace.</summary>
    public static bool Recognises(MappedFile file)
    {
        byte[] start = file.Bytes.Copy(0, (int)Math.Min(9, file.Length));
        return start.Length == 9 && start[8] == '{'
            && BinaryPrimitives.ReadUInt64LittleEndian(start) <= (ulong)FormatLimits.SafetensorsHeader;
    }

    public static FileContents Read(MappedFile file)
    {
        if (file.Length < 8)
        {
            throw Bad(file, $"has {file.Length} bytes, a safetensors file starts with 8 bytes of header length");
        }

        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes.Copy(0, 8));
        if (headerLength > (ulong)FormatLimits.SafetensorsHeader || (long)headerLength > file.Length - 8)
        {
            throw Bad(
                file,
                $"declares a header of {headerLength} bytes, but {file.Length - 8} bytes follow " +
                $"(at most {FormatLimits.SafetensorsHeader} are read)");
        }

        using PinnedBytes pinned = file.Bytes.Pin();
        ReadOnlySpan<byte> header = pinned.Span(8, (int)headerLength);
        if (header.IsEmpty || header[0] != '{')
        {
            throw Bad(file, "has a header that does not start with '{'");
        }

        var contents = new FileContents(file.Name);
        List<Entry> entries;
        try
        {
            entries = ReadHeader(file, header, contents);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{file.Name}': has a header that is not valid JSON", e);
        }

        long dataStart = 8 + (long)headerLength;
        CheckContiguous(file, entries, file.Length - dataStart);
        foreach (Entry entry in entries)
        {
            contents.Add(new StoredTensor(
                file.Name,
                entry.Name,
                entry.Type,
                entry.Shape,
                file.Bytes.Slice(dataStart + entry.Begin, entry.End - entry.Begin),
                ElementLayout.RowMajor(entry.Shape)));
        }

        return contents;
    }

    private static List<Entry> ReadHeader(MappedFile file, ReadOnlySpan<byte> header, FileContents contents)
    {
        var reader = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = 4 });
        var entries = new List<Entry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            if (!names.Add(name))
            {
                throw Bad(file, $"has two header entries {Display.Name(name)}");
            }

            if (names.Count > FormatLimits.Names)
            {
                throw Bad(file, $"has more than {FormatLimits.Names} header entries");
            }

            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw Bad(file, $"has a header entry {Display.Name(name)} that is not an object");
            }

            if (name == "__metadata__")
            {
                ReadMetadata(file, ref reader, contents);
            }
            else
            {
                entries.Add(ReadEntry(file, name, ref reader));
            }
        }

        // Anything but spaces after the closing brace makes the reader throw.
        reader.Read();
        return entries;
    }

    private static void ReadMetadata(MappedFile file, ref Utf8JsonReader reader, FileContents contents)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                throw Bad(file, $"has metadata {Display.Name(key)} that is not a string");
            }

            contents.Add(key, reader.GetString()!);
        }
    }

    private static Entry ReadEntry(MappedFile file, string name, ref Utf8JsonReader reader)
    {
        string? dtype = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when dtype is null && reader.TokenType == JsonTokenType.String:
                    dtype = reader.GetString();
                    break;
                case "shape" when shape is null && reader.TokenType == JsonTokenType.StartArray:
                    shape = ReadSizes(file, name, key, ref reader);
                    break;
                case "data_offsets" when offsets is null && reader.TokenType == JsonTokenType.StartArray:
                    offsets = ReadSizes(file, name, key, ref reader);
                    break;
                default:
                    throw Bad(
                        file, $"tensor {Display.Name(name)} has an unexpected, repeated or wrong {Display.Name(key)}");
            }
        }

        if (dtype is null || shape is null || offsets is not { Count: 2 })
        {
            throw Bad(file, $"tensor {Display.Name(name)} needs dtype, shape and two data_offsets");
        }

        TensorType type = ParseType(file, name, dtype);
        long[] sizes = [.. shape];
        if (sizes.Length > FormatLimits.Rank || !ElementLayout.TryCount(sizes, out long count)
            || count > long.MaxValue / type.Size())
        {
            throw Bad(file, $"tensor {Display.Name(name)} has the impossible shape {Display.Shape(sizes)}");
        }

        if (offsets[1] < offsets[0] || offsets[1] - offsets[0] != count * type.Size())
        {
            throw Bad(
                file,
                $"tensor {Display.Name(name)} is {dtype} {Display.Shape(sizes)}, which takes " +
                $"{count * type.Size()} bytes, but its data_offsets are {Display.Shape([.. offsets])}");
        }

        return new Entry(name, type, sizes, offsets[0], offsets[1]);
    }

    private static List<long> ReadSizes(MappedFile file, string name, string key, ref Utf8JsonReader reader)
    {
        var sizes = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long size) || size < 0
                || sizes.Count > FormatLimits.Rank)
            {
                throw Bad(file, $"tensor {Display.Name(name)} has a {key} that is not a short list of sizes");
            }

            sizes.Add(size);
        }

        return sizes;
    }

    private static TensorType ParseType(MappedFile file, string name, string dtype) => dtype switch
    {
        "BOOL" => TensorType.Bool,
        "U8" => TensorType.U8,
        "I8" => TensorType.I8,
        "I16" => TensorType.I16,
        "I32" => TensorType.I32,
        "I64" => TensorType.I64,
        "F16" => TensorType.F16,
        "BF16" => TensorType.BF16,
        "F32" => TensorType.F32,
        "F64" => TensorType.F64,
        _ => throw new NotSupportedException(
            $"'{file.Name}': tensor {Display.Name(name)} has dtype {Display.Name(dtype)}; {Supported}"),
    };

    private static void CheckContiguous(MappedFile file, List<Entry> entries, long dataLength)
    {
        entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long end = 0;
        foreach (Entry entry in entries)
        {
            if (entry.Begin != end)
            {
                throw Bad(
                    file,
                    $"tensor {Display.Name(entry.Name)} begins at byte {entry.Begin} of the data, expected {end}: " +
                    (entry.Begin > end ? "there is a hole before it" : "it overlaps another tensor"));
            }

            end = entry.End;
        }

        if (end != dataLength)
        {
            throw Bad(
                file,
                $"its tensors take {end} bytes, but {dataLength} bytes follow the header; " +
                (end > dataLength ? "the file is cut short" : "the rest belongs to no tensor"));
        }
    }

    private static InvalidDataException Bad(MappedFile file, string what) => new($"'{file.Name}': {what}");

    private sealed record Entry(string Name, TensorType Type, long[] Shape, long Begin, long End);
}
