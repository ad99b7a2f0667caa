using System.Buffers.Binary;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// Reads the central directory of a zip archive and checks it whole before anything else is read: bounds, overlaps,
/// duplicate and path-escaping names, encryption, methods, and how much its entries claim to inflate to.
/// System.IO.Compression hides where stored bytes lie, and they are to be mapped, not copied.
/// </summary>
internal sealed class ZipDirectory
{
    private const int EndSize = 22;
    private const int End64Size = 56;
    private const int Locator64Size = 20;
    private const int CentralSize = 46;
    private const int LocalSize = 30;
    private const int LongestComment = 65535;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly MappedFile _file;
    private readonly List<(string Name, long Start, long End)> _extents = [];
    private long _inflated;

    private ZipDirectory(MappedFile file)
    {
        _file = file;
    }

    private Dictionary<string, ZipEntry> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>The entries by name, directories left out, in the archive's order.</summary>
    /// <exception cref="InvalidDataException">The archive is damaged or made to deceive.</exception>
    /// <exception cref="NotSupportedException">It uses encryption, several volumes or another compression.</exception>
    public static IReadOnlyDictionary<string, ZipEntry> Read(MappedFile file)
    {
        var directory = new ZipDirectory(file);
        using PinnedBytes pinned = file.Bytes.Pin();
        (long offset, long size, long count) = directory.FindDirectory(pinned);
        directory.ReadCentral(pinned, offset, size, count);
        directory.CheckOverlaps();
        return directory.Entries;
    }

    /// <summary>Whether an entry name, taken as a path on any system, stays inside the folder it is under.</summary>
    public static bool StaysInside(string name) =>
        name.Length > 0 && name[0] != '/' && !name.AsSpan().ContainsAny('\\', '\0', ':')
        && !name.Split('/').Contains("..");

    private (long Offset, long Size, long Count) FindDirectory(PinnedBytes pinned)
    {
        int tailLength = (int)Math.Min(_file.Length, EndSize + LongestComment);
        long tailStart = _file.Length - tailLength;
        ReadOnlySpan<byte> tail = pinned.Span(tailStart, tailLength);
        int at = tailLength - EndSize;
        while (at >= 0 && !(IsSignature(tail[at..], 5, 6) && EndSize + U16(tail, at + 20) == tailLength - at))
        {
            at--;
        }

        if (at < 0)
        {
            throw Bad("the zip archive has no end record; the file is cut short or was changed");
        }

        long end = tailStart + at;
        long count = U16(tail, at + 10);
        long size = U32(tail, at + 12);
        long offset = U32(tail, at + 16);
        if (end >= Locator64Size && IsSignature(pinned.Span(end - Locator64Size, Locator64Size), 6, 7))
        {
            (long offset64, long size64, long count64, end) = FindDirectory64(pinned, end - Locator64Size);
            if ((offset != uint.MaxValue && offset != offset64)
                || (size != uint.MaxValue && size != size64)
                || (count != ushort.MaxValue && count != count64))
            {
                throw Bad("the two end records of the zip archive disagree");
            }

            (offset, size, count) = (offset64, size64, count64);
        }
        else if (U16(tail, at + 4) != 0 || U16(tail, at + 6) != 0 || U16(tail, at + 8) != count)
        {
            throw new NotSupportedException($"'{_file.Name}': zip archives of several volumes cannot be read");
        }

        if (offset < 0 || size < 0 || offset > end || size != end - offset || count < 0 || count > size / CentralSize)
        {
            throw Bad(
                $"the zip directory of {count} entries in {size} bytes at {offset} does not fit before byte {end}");
        }

        return (offset, size, count);
    }

    private (long Offset, long Size, long Count, long End) FindDirectory64(PinnedBytes pinned, long locatorAt)
    {
        long end = (long)Math.Min(U64(pinned.Span(locatorAt, Locator64Size), 8), long.MaxValue);
        if (end > locatorAt - End64Size || !IsSignature(pinned.Span(end, End64Size), 6, 6))
        {
            throw Bad("the zip64 end record is not where the archive says");
        }

        ReadOnlySpan<byte> record = pinned.Span(end, End64Size);
        return (Signed(U64(record, 48)), Signed(U64(record, 40)), Signed(U64(record, 32)), end);
    }

    private void ReadCentral(PinnedBytes pinned, long offset, long size, long count)
    {
        long at = offset;
        long end = offset + size;
        for (long i = 0; i < count; i++)
        {
            if (end - at < CentralSize || !IsSignature(pinned.Span(at, CentralSize), 1, 2))
            {
                throw Bad($"entry {i} of {count} in the zip directory is damaged");
            }

            ReadOnlySpan<byte> header = pinned.Span(at, CentralSize);
            int nameLength = U16(header, 28);
            int extraLength = U16(header, 30);
            int length = CentralSize + nameLength + extraLength + U16(header, 32);
            if (length > end - at)
            {
                throw Bad($"entry {i} of {count} in the zip directory is damaged");
            }

            ReadEntry(
                pinned,
                header,
                pinned.Span(at + CentralSize, nameLength),
                pinned.Span(at + CentralSize + nameLength, extraLength),
                offset);
            at += length;
        }

        if (at != end)
        {
            throw Bad($"{end - at} bytes follow the last of {count} entries in the zip directory");
        }
    }

    private void ReadEntry(
        PinnedBytes pinned,
        ReadOnlySpan<byte> header,
        ReadOnlySpan<byte> rawName,
        ReadOnlySpan<byte> extra,
        long dataEnd)
    {
        string name = CheckedName(rawName);
        int method = U16(header, 10);
        if ((U16(header, 8) & 0x2041) != 0)
        {
            throw new NotSupportedException($"'{_file.Name}': entry {Display.Name(name)} is encrypted");
        }

        if (method is not (0 or 8))
        {
            throw new NotSupportedException(
                $"'{_file.Name}': entry {Display.Name(name)} uses compression method {method}; " +
                "stored (0) and deflate (8) can be read");
        }

        long compressed = U32(header, 20);
        long length = U32(header, 24);
        long local = U32(header, 42);
        ReadZip64(name, extra, ref length, ref compressed, ref local);
        if (local > dataEnd - LocalSize || !IsSignature(pinned.Span(local, LocalSize), 3, 4))
        {
            throw Bad($"entry {Display.Name(name)} is not where the zip directory says");
        }

        ReadOnlySpan<byte> localHeader = pinned.Span(local, LocalSize);
        int localName = U16(localHeader, 26);
        long data = local + LocalSize + localName + U16(localHeader, 28);
        if (data > dataEnd || compressed > dataEnd - data)
        {
            throw Bad($"entry {Display.Name(name)} of {compressed} bytes at {data} reaches beyond byte {dataEnd}");
        }

        if (U16(localHeader, 8) != method || !pinned.Span(local + LocalSize, localName).SequenceEqual(rawName))
        {
            throw Bad($"entry {Display.Name(name)} has another name or method in the zip directory");
        }

        if (method == 0 && compressed != length)
        {
            throw Bad($"entry {Display.Name(name)} is stored in {compressed} bytes but declares {length}");
        }

        _extents.Add((name, local, data + compressed));
        if (name.EndsWith('/'))
        {
            return;
        }

        CheckInflation(name, method == 8 ? length : 0);
        var entry = new ZipEntry(
            _file, name, _file.Bytes.Slice(data, compressed), method == 8, length, (uint)U32(header, 16));
        if (!Entries.TryAdd(name, entry))
        {
            throw Bad($"the zip archive has two entries {Display.Name(name)}");
        }
    }

    // Sizes of 0xFFFFFFFF stand in an extra field, in this order, each only if needed.
    private void ReadZip64(
        string name, ReadOnlySpan<byte> extra, ref long length, ref long compressed, ref long local)
    {
        ReadOnlySpan<byte> wide = [];
        while (extra.Length >= 4 && U16(extra, 2) <= extra.Length - 4)
        {
            int fieldLength = U16(extra, 2);
            if (U16(extra, 0) == 1)
            {
                wide = extra.Slice(4, fieldLength);
                break;
            }

            extra = extra[(4 + fieldLength)..];
        }

        Widen(name, ref length, ref wide);
        Widen(name, ref compressed, ref wide);
        Widen(name, ref local, ref wide);
    }

    private void Widen(string name, ref long value, ref ReadOnlySpan<byte> wide)
    {
        if (value != uint.MaxValue)
        {
            return;
        }

        if (wide.Length < 8 || (value = Signed(U64(wide, 0))) < 0)
        {
            throw Bad($"entry {Display.Name(name)} has no valid zip64 sizes");
        }

        wide = wide[8..];
    }

    private void CheckInflation(string name, long length)
    {
        long most = FormatLimits.InflatedFree + (_file.Length * FormatLimits.InflatedRatio);
        _inflated = length > most ? long.MaxValue : _inflated + length;
        if (_inflated > most)
        {
            throw Bad(
                $"its entries up to {Display.Name(name)} would inflate to more than {most} bytes from a file of " +
                $"{_file.Length}; it is refused as a zip bomb");
        }
    }

    private void CheckOverlaps()
    {
        _extents.Sort((a, b) => a.Start.CompareTo(b.Start));
        for (int i = 1; i < _extents.Count; i++)
        {
            if (_extents[i].Start < _extents[i - 1].End)
            {
                string before = Display.Name(_extents[i - 1].Name);
                throw Bad($"the zip entries {before} and {Display.Name(_extents[i].Name)} overlap");
            }
        }
    }

    private string CheckedName(ReadOnlySpan<byte> raw)
    {
        string name;
        try
        {
            name = StrictUtf8.GetString(raw);
        }
        catch (DecoderFallbackException)
        {
            throw Bad("an entry name of the zip archive is not UTF-8");
        }

        if (!StaysInside(name))
        {
            throw Bad($"the zip archive has an entry named '{Display.Name(name)}'; names must stay inside the archive");
        }

        return name;
    }

    private InvalidDataException Bad(string what) => new($"'{_file.Name}': {what}");

    private static bool IsSignature(ReadOnlySpan<byte> bytes, byte third, byte fourth) =>
        bytes[0] == 'P' && bytes[1] == 'K' && bytes[2] == third && bytes[3] == fourth;

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static long U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    private static long Signed(ulong value) => value > long.MaxValue ? -1 : (long)value;
}
