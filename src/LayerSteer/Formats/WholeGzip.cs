using System.IO.Compression;

namespace LayerSteer.Formats;

/// <summary>
/// Reads what a gzip file inflates to, and refuses one that was cut off, which <see cref="GZipStream"/> takes for one
/// that ends there. It is told apart by a member of our own that is put after the file's last byte: only where all
/// members before it are whole does its content come out, and then it is held back.
/// </summary>
internal sealed class WholeGzip : ForwardStream
{
    private const int BlockBytes = 1 << 16;

    private static readonly byte[] Marker = "LayerSteer: whole"u8.ToArray();
    private static readonly byte[] MarkerMember = Compress(Marker);

    private readonly GZipStream _inflated;
    private readonly byte[] _held = new byte[BlockBytes];
    private int _start;
    private int _end;
    private bool _ended;

    /// <summary>Takes over a stream of a gzip file's bytes and disposes it.</summary>
    public WholeGzip(Stream compressed) =>
        _inflated = new GZipStream(new Followed(compressed, MarkerMember), CompressionMode.Decompress);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">Not gzip, damaged, cut off, or followed by something else.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (_end - _start <= Marker.Length && !_ended)
        {
            _held.AsSpan(_start, _end - _start).CopyTo(_held);
            (_start, _end) = (0, _end - _start);
            int count = _inflated.Read(_held, _end, _held.Length - _end);
            _end += count;
            _ended = count == 0;
        }
        if (_ended && !_held.AsSpan(_start, _end - _start).EndsWith(Marker))
        {
            throw new InvalidDataException("the gzip data is cut off, or something follows it");
        }
        int given = Math.Min(buffer.Length, _end - _start - Marker.Length);
        _held.AsSpan(_start, given).CopyTo(buffer);
        _start += given;
        return given;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inflated.Dispose();
        }
        base.Dispose(disposing);
    }

    private static byte[] Compress(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }
        return compressed.ToArray();
    }

    /// <summary>A stream, then some more bytes.</summary>
    private sealed class Followed(Stream first, byte[] then) : ForwardStream
    {
        private int _given;

        public override int Read(Span<byte> buffer)
        {
            int count = _given == 0 ? first.Read(buffer) : 0;
            if (count > 0)
            {
                return count;
            }
            count = Math.Min(buffer.Length, then.Length - _given);
            then.AsSpan(_given, count).CopyTo(buffer);
            _given += count;
            return count;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                first.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
