using System.Runtime.InteropServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Floats in native memory, aligned to 64 bytes: memory of its own, zero at first, or a part of a mapped file,
/// read-only. The garbage collector neither moves nor scans them, so kernels may hold pointers while the buffer lives.
/// Disposing frees the memory; the finalizer does it otherwise.
/// </summary>
internal sealed unsafe class NativeBuffer : SafeHandle
{
    /// <summary>What the first float's address is a multiple of, in bytes.</summary>
    public const int Alignment = 64;

    private readonly SafeBuffer? _mapping;
    private readonly void* _memory;

    /// <summary>
    /// Allocates <paramref name="length"/> floats, all +0. Large memory is the operating system's zero pages until it is
    /// written, so that the cache of a long context takes what its tokens take.
    /// </summary>
    /// <exception cref="OutOfMemoryException">The memory is not to be had.</exception>
    public NativeBuffer(long length)
        : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        _memory = NativeMemory.AllocZeroed(checked((nuint)(Math.Max(length, 1) * sizeof(float)) + Alignment));
        SetHandle(((nint)_memory + Alignment - 1) / Alignment * Alignment);
    }

    /// <summary>Floats of a mapping, which stays mapped until this buffer is disposed too.</summary>
    /// <param name="mapping">The mapping; whoever made it may dispose it at once.</param>
    /// <param name="offset">Where the floats begin, in bytes; a multiple of <see cref="Alignment"/>.</param>
    /// <param name="length">The number of floats; they must lie within the mapping.</param>
    public NativeBuffer(SafeBuffer mapping, long offset, long length)
        : base(0, ownsHandle: true)
    {
        Length = length;
        byte* start = null;
        mapping.AcquirePointer(ref start);
        _mapping = mapping;
        SetHandle((nint)(start + offset));
    }

    /// <summary>The number of floats.</summary>
    public long Length { get; }

    /// <summary>The first float; valid until the buffer is disposed.</summary>
    public float* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (float*)handle;
        }
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Floats [start, start + length).</summary>
    public Span<float> Span(long start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + length, Length, nameof(length));
        return new Span<float>(Pointer + start, length);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (_mapping is null)
        {
            NativeMemory.Free(_memory);
        }
        else
        {
            _mapping.ReleasePointer();
        }

        return true;
    }
}
