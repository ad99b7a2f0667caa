using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// Reads numpy arrays: a .npy file, or each entry of an .npz. The header is a Python literal; it is parsed by a grammar
/// that knows one dict with the keys descr, fortran_order and shape, and nothing else.
/// </summary>
internal static class NpyReader
{
    private const string Supported = "supported are <f2, <f4, <f8, |b1, |u1, |i1, <i2, <i4, <i8";
    private const string Suffix = ".npy";

    /// <summary>The first bytes of every npy array.</summary>
    public static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>A bare .npy file: one array, named as numpy names unnamed arrays.</summary>
    public static FileContents ReadFile(MappedFile file)
    {
        var contents = new FileContents(file.Name);
        contents.Add(Read(
            file.Name, TensorFile.Unnamed, count => file.Bytes.Copy(0, (int)Math.Min(count, file.Length)), file.Bytes));
        return contents;
    }

    /// <summary>An .npz archive: one array per entry.</summary>
    public static FileContents ReadArchive(MappedFile file, IReadOnlyDictionary<string, ZipEntry> entries)
    {
        var contents = new FileContents(file.Name);
        foreach (ZipEntry entry in entries.Values)
        {
            if (!entry.Name.EndsWith(Suffix, StringComparison.Ordinal))
            {
                throw new InvalidDataException(
                    $"'{file.Name}': entry {Display.Name(entry.Name)} is not a {Suffix} array; " +
                    "an .npz holds nothing else");
            }

            contents.Add(Read(file.Name, entry.Name[..^Suffix.Length], entry.Start, entry.Bytes));
        }

        return contents;
    }

    private static StoredTensor Read(string file, string name, Func<int, byte[]> start, ByteRange bytes)
    {
        byte[] prefix = start(12);
        if (prefix.Length < 10 || !prefix.AsSpan().StartsWith(Magic))
        {
            throw Bad(file, name, "does not start as an npy array");
        }

        int major = prefix[6];
        if (major is not (1 or 2 or 3) || prefix[7] != 0)
        {
            throw new NotSupportedException(
                $"'{file}': array {Display.Name(name)} has npy version {major}.{prefix[7]}; " +
                "1.0, 2.0 and 3.0 can be read");
        }

        int lengthSize = major == 1 ? 2 : 4;
        if (prefix.Length < 8 + lengthSize)
        {
            throw Bad(file, name, "is cut short in its header");
        }

        long headerLength = major == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(prefix.AsSpan(8))
            : BinaryPrimitives.ReadUInt32LittleEndian(prefix.AsSpan(8));
        long dataStart = 8 + lengthSize + headerLength;
        if (headerLength > FormatLimits.NpyHeader)
        {
            throw Bad(file, name, $"has a header of {headerLength} bytes, at most {FormatLimits.NpyHeader} are read");
        }

        if (dataStart > bytes.Length)
        {
            throw Bad(file, name, "is cut short in its header");
        }

        string header = Encoding.UTF8.GetString(start((int)dataStart).AsSpan(8 + lengthSize));
        (string descr, bool fortran, long[] shape) = new HeaderParser(file, name, header).Parse();
        TensorType type = ParseType(file, name, descr);
        if (!ElementLayout.TryCount(shape, out long count)
            || count > long.MaxValue / type.Size())
        {
            throw Bad(file, name, $"has the impossible shape {Display.Shape(shape)}");
        }

        if (bytes.Length - dataStart != count * type.Size())
        {
            throw Bad(
                file,
                name,
                $"is {type} {Display.Shape(shape)}, which takes {count * type.Size()} bytes, " +
                $"but holds {bytes.Length - dataStart}");
        }

        ElementLayout layout = fortran ? ElementLayout.ColumnMajor(shape) : ElementLayout.RowMajor(shape);
        return new StoredTensor(file, name, type, shape, bytes.Slice(dataStart, count * type.Size()), layout);
    }

    private static TensorType ParseType(string file, string name, string descr) => descr switch
    {
        "<f2" => TensorType.F16,
        "<f4" => TensorType.F32,
        "<f8" => TensorType.F64,
        "|b1" => TensorType.Bool,
        "|u1" => TensorType.U8,
        "|i1" => TensorType.I8,
        "<i2" => TensorType.I16,
        "<i4" => TensorType.I32,
        "<i8" => TensorType.I64,
        ['|', 'O', ..] => throw new NotSupportedException(
            $"'{file}': array {Display.Name(name)} holds Python objects (a pickle), which are never loaded; " +
            Supported),
        ['>', ..] => throw new NotSupportedException(
            $"'{file}': array {Display.Name(name)} is big-endian ({Display.Name(descr)}); {Supported}"),
        _ => throw new NotSupportedException(
            $"'{file}': array {Display.Name(name)} has dtype {Display.Name(descr)}; {Supported}"),
    };

    private static InvalidDataException Bad(string file, string name, string what) =>
        new($"'{file}': array {Display.Name(name)} {what}");

    /// <summary>
    /// <code>
    /// header = "{" pair { "," pair } [","] "}" spaces "\n"
    /// pair   = "'descr'" ":" string | "'fortran_order'" ":" ("True" | "False") | "'shape'" ":" tuple
    /// tuple  = "(" [ number { "," number } [","] ] ")"
    /// </code>
    /// </summary>
    private sealed class HeaderParser(string file, string name, string text)
    {
        private int _at;

        public (string Descr, bool Fortran, long[] Shape) Parse()
        {
            string? descr = null;
            bool? fortran = null;
            long[]? shape = null;
            Expect('{');
            while (!Accept('}'))
            {
                string key = ParseString();
                Expect(':');
                switch (key)
                {
                    case "descr" when descr is null:
                        descr = ParseDescr();
                        break;
                    case "fortran_order" when fortran is null:
                        fortran = ParseBool();
                        break;
                    case "shape" when shape is null:
                        shape = ParseTuple();
                        break;
                    default:
                        throw Bad(file, name, $"has the unexpected or repeated header key {Display.Name(key)}");
                }

                if (!Accept(','))
                {
                    Expect('}');
                    break;
                }
            }

            if (descr is null || fortran is null || shape is null || !text.EndsWith('\n'))
            {
                throw Bad(file, name, "has an incomplete header; it needs descr, fortran_order, shape and a line end");
            }

            if (text.AsSpan(_at).ContainsAnyExcept(' ', '\n'))
            {
                throw Unexpected();
            }

            return (descr, fortran.Value, shape);
        }

        private string ParseDescr()
        {
            SkipSpaces();
            return _at < text.Length && text[_at] == '['
                ? throw new NotSupportedException(
                    $"'{file}': array {Display.Name(name)} is structured (several fields); {Supported}")
                : ParseString();
        }

        private string ParseString()
        {
            SkipSpaces();
            char quote = _at < text.Length ? text[_at] : '\0';
            int end = quote is '\'' or '"' ? text.IndexOf(quote, _at + 1) : -1;
            if (end < 0 || text.AsSpan(_at, end - _at).Contains('\\'))
            {
                throw Unexpected();
            }

            string value = text[(_at + 1)..end];
            _at = end + 1;
            return value;
        }

        private bool ParseBool()
        {
            SkipSpaces();
            foreach (string word in (ReadOnlySpan<string>)["True", "False"])
            {
                if (text.AsSpan(_at).StartsWith(word, StringComparison.Ordinal))
                {
                    _at += word.Length;
                    return word == "True";
                }
            }

            throw Unexpected();
        }

        private long[] ParseTuple()
        {
            var sizes = new List<long>();
            Expect('(');
            while (!Accept(')'))
            {
                SkipSpaces();
                int end = _at;
                while (end < text.Length && char.IsAsciiDigit(text[end]))
                {
                    end++;
                }

                if (!long.TryParse(
                    text.AsSpan(_at, end - _at), NumberStyles.None, CultureInfo.InvariantCulture, out long size))
                {
                    throw Unexpected();
                }

                _at = end;
                sizes.Add(size);
                if (sizes.Count > FormatLimits.Rank)
                {
                    throw Bad(file, name, $"has more than {FormatLimits.Rank} dimensions");
                }

                if (!Accept(','))
                {
                    Expect(')');
                    break;
                }
            }

            return [.. sizes];
        }

        private bool Accept(char c)
        {
            SkipSpaces();
            if (_at >= text.Length || text[_at] != c)
            {
                return false;
            }

            _at++;
            return true;
        }

        private void Expect(char c)
        {
            if (!Accept(c))
            {
                throw Unexpected();
            }
        }

        private void SkipSpaces()
        {
            while (_at < text.Length && text[_at] == ' ')
            {
                _at++;
            }
        }

        private InvalidDataException Unexpected()
        {
            string rest = Display.Name(text.Substring(_at, Math.Min(16, text.Length - _at)));
            return Bad(file, name, $"has a header that cannot be read at '{rest}'");
        }
    }
}
