using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// Writes an .npz file that numpy.load reads: a zip archive of one .npy per tensor, stored without compression, dated
/// 1980 so that the same tensors give the same bytes, with zip64 records where 4 GB are exceeded. Numpy has no
/// bfloat16.
/// </summary>
public sealed class NpzWriter : TensorWriter
{
    private const int LocalSize = 30;
    private const int CrcOffset = 14;
    private const ushort Version = 20;
    private const ushort Version64 = 45;
    private const ushort Date1980 = 0x21;
    private const ushort Utf8Names = 1 << 11;

    private readonly AtomicFile _file;
    private readonly uint _wide;
    private readonly List<Entry> _entries = [];
    private Crc32 _crc;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to create or replace in the end. Its folder must exist.</param>
    /// <exception cref="IOException">The temporary file cannot be created.</exception>
    public NpzWriter(string path)
        : this(path, uint.MaxValue)
    {
    }

    /// <summary>For tests: zip64 records are used for sizes and offsets from <paramref name="wide"/> on.</summary>
    internal NpzWriter(string path, uint wide)
    {
        _file = new AtomicFile(path);
        _wide = wide;
    }

    private protected override void BeginTensor(string name, TensorType type, ReadOnlySpan<long> shape, long bytes)
    {
        if (!ZipDirectory.StaysInside(name + ".npy"))
        {
            throw new ArgumentException($"an .npz cannot hold an array named {Display.Name(name)}", nameof(name));
        }

        byte[] header = NpyHeader(type, shape);
        byte[] fileName = Encoding.UTF8.GetBytes(name + ".npy");
        var entry = new Entry(fileName, _file.Stream.Position, header.Length + bytes, 0);
        _entries.Add(entry);
        _file.Stream.Write(LocalHeader(entry));
        _crc = default;
        WriteBytes(header);
    }

    private protected override void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        _crc.Append(bytes);
        _file.Stream.Write(bytes);
    }

    private protected override void EndTensor()
    {
        Entry entry = _entries[^1] with { Crc = _crc.Value };
        _entries[^1] = entry;
        long end = _file.Stream.Position;
        _file.Stream.Position = entry.Offset + CrcOffset;
        Span<byte> crc = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(crc, entry.Crc);
        _file.Stream.Write(crc);
        _file.Stream.Position = end;
    }

    private protected override void Finish()
    {
        long start = _file.Stream.Position;
        foreach (Entry entry in _entries)
        {
            _file.Stream.Write(CentralHeader(entry));
        }

        _file.Stream.Write(EndRecords(start, _file.Stream.Position - start));
        _file.Complete();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _file.Dispose();

    private static byte[] NpyHeader(TensorType type, ReadOnlySpan<long> shape)
    {
        string descr = type switch
        {
            TensorType.Bool => "|b1",
            TensorType.U8 => "|u1",
            TensorType.I8 => "|i1",
            TensorType.I16 => "<i2",
            TensorType.I32 => "<i4",
            TensorType.I64 => "<i8",
            TensorType.F16 => "<f2",
            TensorType.F32 => "<f4",
            TensorType.F64 => "<f8",
            _ => throw new NotSupportedException("numpy has no bfloat16; write F32, or write safetensors"),
        };
        var sizes = new StringBuilder();
        foreach (long size in shape)
        {
            sizes.Append(CultureInfo.InvariantCulture, $"{size}, ");
        }

        // As Python prints tuples: (), (3,), (3, 4).
        string tuple = shape.Length == 1 ? sizes.ToString().TrimEnd() : sizes.ToString().TrimEnd(',', ' ');
        string text = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({tuple}), }}";
        text = text.PadRight(((10 + text.Length + 1 + 63) / 64 * 64) - 11) + '\n';
        byte[] header = new byte[10 + text.Length];
        NpyReader.Magic.CopyTo(header);
        header[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), (ushort)text.Length);
        Encoding.ASCII.GetBytes(text, header.AsSpan(10));
        return header;
    }

    private byte[] LocalHeader(Entry entry)
    {
        bool wide = entry.Length >= _wide;
        var bytes = new ByteList(LocalSize + entry.Name.Length + 20);
        bytes.U32(0x04034B50);
        AddCommon(bytes, entry, wide);
        bytes.U16(wide ? 20 : 0);
        bytes.Add(entry.Name);
        if (wide)
        {
            bytes.U16(1);
            bytes.U16(16);
            bytes.U64(entry.Length);
            bytes.U64(entry.Length);
        }

        return bytes.ToArray();
    }

    private byte[] CentralHeader(Entry entry)
    {
        bool wideLength = entry.Length >= _wide;
        bool wideOffset = entry.Offset >= _wide;
        int extra = (wideLength ? 16 : 0) + (wideOffset ? 8 : 0);
        var bytes = new ByteList(LocalSize + 16 + entry.Name.Length + 28);
        bytes.U32(0x02014B50);
        bytes.U16(Version64);
        AddCommon(bytes, entry, wideLength || wideOffset, wideLength);
        bytes.U16(extra == 0 ? 0 : extra + 4);
        bytes.U16(0); // comment
        bytes.U16(0); // volume
        bytes.U16(0); // internal attributes
        bytes.U32(0); // external attributes
        bytes.U32(wideOffset ? uint.MaxValue : entry.Offset);
        bytes.Add(entry.Name);
        if (extra > 0)
        {
            bytes.U16(1);
            bytes.U16(extra);
            if (wideLength)
            {
                bytes.U64(entry.Length);
                bytes.U64(entry.Length);
            }

            if (wideOffset)
            {
                bytes.U64(entry.Offset);
            }
        }

        return bytes.ToArray();
    }

    // From the version to the length of the name, which local and central headers have in common.
    private static void AddCommon(ByteList bytes, Entry entry, bool wide, bool? wideLength = null)
    {
        long length = wideLength ?? wide ? uint.MaxValue : entry.Length;
        bytes.U16(wide ? Version64 : Version);
        bytes.U16(entry.Name.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)127) ? Utf8Names : 0);
        bytes.U16(0); // stored
        bytes.U16(0); // time
        bytes.U16(Date1980);
        bytes.U32(entry.Crc);
        bytes.U32(length);
        bytes.U32(length);
        bytes.U16(entry.Name.Length);
    }

    private byte[] EndRecords(long start, long size)
    {
        var bytes = new ByteList(100);
        bool wide = start >= _wide || size >= _wide || _entries.Count >= ushort.MaxValue;
        if (wide)
        {
            bytes.U32(0x06064B50);
            bytes.U64(44);
            bytes.U16(Version64);
            bytes.U16(Version64);
            bytes.U32(0);
            bytes.U32(0);
            bytes.U64(_entries.Count);
            bytes.U64(_entries.Count);
            bytes.U64(size);
            bytes.U64(start);
            bytes.U32(0x07064B50);
            bytes.U32(0);
            bytes.U64(start + size);
            bytes.U32(1);
        }

        bytes.U32(0x06054B50);
        bytes.U16(0);
        bytes.U16(0);
        bytes.U16(wide ? ushort.MaxValue : _entries.Count);
        bytes.U16(wide ? ushort.MaxValue : _entries.Count);
        bytes.U32(wide ? uint.MaxValue : size);
        bytes.U32(wide ? uint.MaxValue : start);
        bytes.U16(0);
        return bytes.ToArray();
    }

    private sealed record Entry(byte[] Name, long Offset, long Length, uint Crc);

    private sealed class ByteList(int capacity)
    {
        private readonly List<byte> _bytes = new(capacity);

        public void U16(int value) => Add(BitConverter.GetBytes((ushort)value));

        public void U32(long value) => Add(BitConverter.GetBytes((uint)value));

        public void U64(long value) => Add(BitConverter.GetBytes(value));

        public void Add(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

        public byte[] ToArray() => [.. _bytes];
    }
}
