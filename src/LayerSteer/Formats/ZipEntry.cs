using System.IO.Compression;

namespace LayerSteer.Formats;

/// <summary>One file inside a zip archive, its place and sizes already checked against the archive.</summary>
internal sealed class ZipEntry
{
    private const int InflateBlock = 1 << 20;

    private readonly string _file;
    private readonly ByteRange _stored;
    private readonly bool _deflated;
    private readonly uint _crc;

    public ZipEntry(MappedFile file, string name, ByteRange stored, bool deflated, long length, uint crc)
    {
        _file = file.Name;
        _stored = stored;
        _deflated = deflated;
        _crc = crc;
        Name = name;
        Length = length;
        Bytes = deflated ? file.Inflated(length, InflateAll) : stored;
    }

    public string Name { get; }

    /// <summary>Uncompressed bytes.</summary>
    public long Length { get; }

    /// <summary>The uncompressed bytes: in place where stored, else inflated and checked by CRC on first use.</summary>
    public ByteRange Bytes { get; }

    /// <summary>The first bytes, at most all of them, without inflating the rest.</summary>
    public byte[] Start(int count)
    {
        count = (int)Math.Min(count, Length);
        if (!_deflated)
        {
            return _stored.Copy(0, count);
        }

        byte[] start = new byte[count];
        using PinnedBytes pinned = _stored.Pin();
        unsafe
        {
            fixed (byte* target = start)
            {
                Inflate(pinned.Pointer, target, count);
            }
        }

        return start;
    }

    private unsafe InflatedBytes InflateAll()
    {
        InflatedBytes? buffer = null;
        try
        {
            using PinnedBytes pinned = _stored.Pin();
            buffer = new InflatedBytes(Length);
            byte* target = (byte*)buffer.DangerousGetHandle();
            Inflate(pinned.Pointer, target, Length);
            CheckCrc(target);
            InflatedBytes whole = buffer;
            buffer = null;
            return whole;
        }
        finally
        {
            buffer?.Dispose();
        }
    }

    private unsafe void CheckCrc(byte* bytes)
    {
        var crc = new Crc32();
        for (long done = 0; done < Length; done += InflateBlock)
        {
            crc.Append(new ReadOnlySpan<byte>(bytes + done, (int)Math.Min(InflateBlock, Length - done)));
        }

        if (crc.Value != _crc)
        {
            throw new InvalidDataException(
                $"'{_file}': entry {Display.Name(Name)} is damaged: its bytes do not match its checksum");
        }
    }

    private unsafe void Inflate(byte* source, byte* target, long count)
    {
        using var compressed = new UnmanagedMemoryStream(source, _stored.Length);
        using var inflater = new DeflateStream(compressed, CompressionMode.Decompress);
        long done = 0;
        int extra;
        try
        {
            while (done < count)
            {
                int read = inflater.Read(new Span<byte>(target + done, (int)Math.Min(InflateBlock, count - done)));
                if (read == 0)
                {
                    break;
                }

                done += read;
            }

            Span<byte> beyond = stackalloc byte[1];
            extra = count == Length ? inflater.Read(beyond) : 0;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"'{_file}': entry {Display.Name(Name)} is damaged: it is not valid deflate data", e);
        }

        if (done < count || extra != 0)
        {
            throw new InvalidDataException(
                $"'{_file}': entry {Display.Name(Name)} inflates to {(extra != 0 ? "more" : "fewer")} than the " +
                $"{Length} bytes that it declares");
        }
    }
}
