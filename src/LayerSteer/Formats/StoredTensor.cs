using System.Buffers;
using System.Runtime.InteropServices;

namespace LayerSteer.Formats;

/// <summary>
/// One tensor of a <see cref="TensorFile"/>. Its data stays in the file until it is read, always in row-major order
/// whatever the order on disk. It is valid until the file is disposed. Concurrent reads are safe.
/// </summary>
public sealed class StoredTensor
{
    private const int ChunkElements = 1 << 16;

    // A transposed read needs many whole rows at once to use each cache line it loads.
    private const int StridedChunkElements = 1 << 20;

    private readonly string _file;
    private readonly ByteRange _bytes;
    private readonly ElementLayout _layout;
    private readonly long[] _shape;

    internal StoredTensor(
        string file, string name, TensorType type, long[] shape, ByteRange bytes, ElementLayout layout)
    {
        _file = file;
        _bytes = bytes;
        _layout = layout;
        _shape = shape;
        Name = name;
        Type = type;
        Shape = Array.AsReadOnly(shape);
        Length = ElementLayout.TryCount(shape, out long length)
            ? length
            : throw new ArgumentException("the shape was not checked", nameof(shape));
    }

    /// <summary>The name under which the file holds it.</summary>
    public string Name { get; }

    /// <summary>The file it is in, for messages.</summary>
    internal string File => _file;

    /// <summary>Its data in the file.</summary>
    internal ByteRange Bytes => _bytes;

    /// <summary>The element type on disk.</summary>
    public TensorType Type { get; }

    /// <summary>The sizes of the dimensions, slowest first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The number of elements: the product of <see cref="Shape"/>, 1 for a scalar.</summary>
    public long Length { get; }

    /// <summary>Reads elements [start, start + destination.Length) of the row-major order as float32.</summary>
    /// <param name="start">The first element.</param>
    /// <param name="destination">Receives the values; every element is written. Integers and F64 round to nearest,
    /// bool becomes 0 or 1. Values may be NaN or infinite if the file's are.</param>
    /// <exception cref="ArgumentOutOfRangeException">The elements are not all inside the tensor.</exception>
    /// <exception cref="InvalidDataException">A compressed file does not inflate to what it declares.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public void Read(long start, Span<float> destination)
    {
        CheckRange(start, destination.Length);
        if (_layout.IsContiguous)
        {
            ReadRun(start, destination);
            return;
        }

        using PinnedBytes pinned = _bytes.Pin();
        if (Type == TensorType.F32)
        {
            unsafe
            {
                _layout.Gather(pinned.Pointer, start, destination);
            }

            return;
        }

        byte[]? scratch = RentScratch(destination.Length);
        for (int done = 0; done < destination.Length;)
        {
            int count = ChunkLength(destination.Length - done);
            ReadOnlySpan<byte> chunk = Chunk(pinned, start + done, count, scratch);
            ElementConversion.ToSingle(Type, chunk, destination.Slice(done, count));
            done += count;
        }

        ReturnScratch(scratch);
    }

    /// <summary>Reads the whole tensor as float32, row-major.</summary>
    /// <returns>A new array of <see cref="Length"/> values; the caller owns it.</returns>
    /// <exception cref="NotSupportedException">The tensor has more elements than an array can hold.</exception>
    /// <exception cref="InvalidDataException">A compressed file does not inflate to what it declares.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public float[] ToFloats()
    {
        if (Length > Array.MaxLength)
        {
            throw new NotSupportedException(
                $"'{_file}': tensor {Display.Name(Name)} has {Length} elements, one array holds {Array.MaxLength}; " +
                "read it in parts");
        }

        float[] values = GC.AllocateUninitializedArray<float>((int)Length);
        Read(0, values);
        return values;
    }

    /// <summary>Reads elements [start, start + destination.Length) of an integer or bool tensor.</summary>
    /// <param name="start">The first element of the row-major order.</param>
    /// <param name="destination">Receives the values; every element is written. Bool becomes 0 or 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The elements are not all inside the tensor.</exception>
    /// <exception cref="InvalidDataException">The tensor holds floating-point numbers, or a compressed file does not
    /// inflate to what it declares.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public void ReadInt64(long start, Span<long> destination)
    {
        if (Type.IsFloat())
        {
            throw new InvalidDataException(
                $"'{_file}': tensor {Display.Name(Name)} is {Type}, expected an integer type or Bool");
        }

        CheckRange(start, destination.Length);
        using PinnedBytes pinned = _bytes.Pin();
        byte[]? scratch = RentScratch(destination.Length);
        for (int done = 0; done < destination.Length;)
        {
            int count = ChunkLength(destination.Length - done);
            ReadOnlySpan<byte> chunk = Chunk(pinned, start + done, count, scratch);
            ElementConversion.ToInt64(Type, chunk, destination.Slice(done, count));
            done += count;
        }

        ReturnScratch(scratch);
    }

    /// <summary>Reads elements as their bytes on disk, in row-major order, from the first of them on.</summary>
    internal void ReadBytes(long start, Span<byte> destination)
    {
        int size = Type.Size();
        int count = destination.Length / size;
        CheckRange(start, count);
        using PinnedBytes pinned = _bytes.Pin();
        byte[]? scratch = RentScratch(count);
        for (int done = 0; done < count;)
        {
            int part = ChunkLength(count - done);
            Chunk(pinned, start + done, part, scratch).CopyTo(destination[(done * size)..]);
            done += part;
        }

        ReturnScratch(scratch);
    }

    /// <summary>Refuses any other shape.</summary>
    /// <param name="expected">The sizes of the dimensions, slowest first.</param>
    /// <exception cref="InvalidDataException">The tensor has another shape; the message says which.</exception>
    public void ExpectShape(params ReadOnlySpan<long> expected)
    {
        if (!expected.SequenceEqual(_shape))
        {
            throw new InvalidDataException(
                $"'{_file}': tensor {Display.Name(Name)} is {Display.Shape(_shape)}, " +
                $"expected {Display.Shape(expected)}");
        }
    }

    /// <summary>Elements that lie in one run, chunk by chunk.</summary>
    private void ReadRun(long start, Span<float> destination)
    {
        int size = Type.Size();
        byte[] scratch = Type == TensorType.F32 ? [] : ArrayPool<byte>.Shared.Rent(ChunkElements * size);
        while (!destination.IsEmpty)
        {
            int count = Math.Min(ChunkElements, destination.Length);
            Span<float> target = destination[..count];
            Span<byte> bytes = Type == TensorType.F32 ? MemoryMarshal.AsBytes(target) : scratch.AsSpan(0, count * size);
            _bytes.Read((_layout.Offset + start) * size, bytes);
            if (Type != TensorType.F32)
            {
                ElementConversion.ToSingle(Type, bytes, target);
            }

            destination = destination[count..];
            start += count;
        }

        if (scratch.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private void CheckRange(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - start);
    }

    private int ChunkLength(int left) => Math.Min(left, _layout.IsContiguous ? ChunkElements : StridedChunkElements);

    private byte[]? RentScratch(int elements) =>
        _layout.IsContiguous ? null : ArrayPool<byte>.Shared.Rent(ChunkLength(elements) * Type.Size());

    private static void ReturnScratch(byte[]? scratch)
    {
        if (scratch is not null)
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    // The raw elements in row-major order: in place where they lie in one run, else gathered into the scratch.
    private unsafe ReadOnlySpan<byte> Chunk(PinnedBytes pinned, long start, int count, byte[]? scratch)
    {
        int size = Type.Size();
        if (scratch is null)
        {
            return pinned.Span((_layout.Offset + start) * size, count * size);
        }

        Span<byte> gathered = scratch.AsSpan(0, count * size);
        switch (size)
        {
            case 1:
                _layout.Gather(pinned.Pointer, start, gathered);
                break;
            case 2:
                _layout.Gather(pinned.Pointer, start, MemoryMarshal.Cast<byte, ushort>(gathered));
                break;
            case 4:
                _layout.Gather(pinned.Pointer, start, MemoryMarshal.Cast<byte, uint>(gathered));
                break;
            default:
                _layout.Gather(pinned.Pointer, start, MemoryMarshal.Cast<byte, ulong>(gathered));
                break;
        }

        return gathered;
    }
}
