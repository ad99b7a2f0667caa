using System.Runtime.InteropServices;
using LayerSteer.Numerics;
using Microsoft.Win32.SafeHandles;

namespace LayerSteer.Formats;

/// <summary>
/// A run of bytes that tensors read from: part of a mapped file, or an entry of an archive that is inflated when it is
/// first pinned. It owns nothing; the <see cref="MappedFile"/> does.
/// </summary>
/// <param name="buffer">Holds the bytes.</param>
/// <param name="offset">Where they begin in it.</param>
/// <param name="length">Their number.</param>
/// <param name="file">The file that the buffer maps from its start; null if it is memory.</param>
internal sealed class ByteRange(Func<SafeBuffer> buffer, long offset, long length, SafeFileHandle? file = null)
{
    /// <summary>Where it begins in the file or entry.</summary>
    public long Offset => offset;

    /// <summary>Number of bytes.</summary>
    public long Length => length;

    /// <summary>A part of this range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the range.</exception>
    public ByteRange Slice(long start, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, length - start);
        return new ByteRange(buffer, offset + start, count, file);
    }

    /// <summary>
    /// Copies bytes, from a file by reading it: pages of a mapping that were touched count as the process's memory, and
    /// would double what loading a model takes.
    /// </summary>
    /// <exception cref="InvalidDataException">The file has become shorter.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public void Read(long start, Span<byte> destination)
    {
        if (file is null)
        {
            using PinnedBytes pinned = Pin();
            pinned.Span(start, destination.Length).CopyTo(destination);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + destination.Length, length, nameof(start));
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(file, destination, offset + start);
            if (count == 0)
            {
                throw new InvalidDataException($"the file ends before byte {offset + length}, which it had when opened");
            }

            destination = destination[count..];
            start += count;
        }
    }

    /// <summary>Keeps the memory alive and in place until the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public PinnedBytes Pin() => new(buffer(), offset, length);

    /// <summary>
    /// The bytes as floats that stay mapped after the file is closed; the range is a whole number of them.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public NativeBuffer Floats() => new(buffer(), offset, length / sizeof(float));

    /// <summary>A copy of some bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The bytes are not inside the range.</exception>
    public byte[] Copy(long start, int count)
    {
        using PinnedBytes pinned = Pin();
        return pinned.Span(start, count).ToArray();
    }
}

/// <summary>Access to the bytes of a <see cref="ByteRange"/> for as long as it is not disposed.</summary>
internal unsafe ref struct PinnedBytes
{
    private readonly long _length;
    private SafeBuffer? _buffer;
    private byte* _pointer;

    public PinnedBytes(SafeBuffer buffer, long offset, long length)
    {
        byte* start = null;
        buffer.AcquirePointer(ref start);
        _buffer = buffer;
        _pointer = start + offset;
        _length = length;
    }

    /// <summary>The first byte; reading beyond the range's length is the caller's fault.</summary>
    public readonly byte* Pointer => _pointer;

    /// <summary>Some of the bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They are not inside the range.</exception>
    public readonly ReadOnlySpan<byte> Span(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, _length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _length - start);
        return new ReadOnlySpan<byte>(_pointer + start, count);
    }

    public void Dispose()
    {
        _buffer?.ReleasePointer();
        _buffer = null;
        _pointer = null;
    }
}
