using System.Runtime.CompilerServices;

namespace LayerSteer.Formats;

/// <summary>
/// Where the elements of a tensor lie in its storage: element (i₀, i₁, …) is storage element
/// <c>offset + Σ iₖ·strideₖ</c>. Adjacent dimensions that lie in one run are merged, so a contiguous tensor of any rank
/// is a single run.
/// </summary>
internal sealed class ElementLayout
{
    // 32 x 32 elements of 8 bytes: both sides of a transposed block stay in the first-level cache.
    private const int Tile = 32;

    private readonly long _offset;
    private readonly long[] _shape;
    private readonly long[] _strides;

    private ElementLayout(long offset, long[] shape, long[] strides)
    {
        _offset = offset;
        _shape = shape;
        _strides = strides;
    }

    /// <summary>Whether the elements lie in one run, in row-major order.</summary>
    public bool IsContiguous => _shape.Length == 0 || (_shape.Length == 1 && _strides[0] == 1);

    /// <summary>The storage element of the first element.</summary>
    public long Offset => _offset;

    /// <summary>Row-major elements from the start of the storage.</summary>
    public static ElementLayout RowMajor(ReadOnlySpan<long> shape) => Create(0, shape, RowMajorStrides(shape));

    /// <summary>Column-major elements from the start of the storage, as Fortran orders them.</summary>
    public static ElementLayout ColumnMajor(ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (int i = 0; i < shape.Length; i++)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        return Create(0, shape, strides);
    }

    /// <summary>A strided view. Strides are in elements and not negative; the caller has checked the bounds.</summary>
    public static ElementLayout Create(long offset, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
    {
        var mergedShape = new List<long>(shape.Length);
        var mergedStrides = new List<long>(shape.Length);
        for (int i = 0; i < shape.Length; i++)
        {
            if (shape[i] == 1)
            {
                continue;
            }

            if (mergedShape.Count > 0 && mergedStrides[^1] == strides[i] * shape[i])
            {
                mergedShape[^1] *= shape[i];
                mergedStrides[^1] = strides[i];
            }
            else
            {
                mergedShape.Add(shape[i]);
                mergedStrides.Add(strides[i]);
            }
        }

        return new ElementLayout(offset, [.. mergedShape], [.. mergedStrides]);
    }

    /// <summary>The number of elements of a shape; false if a size is negative or it exceeds 64 bits.</summary>
    public static bool TryCount(ReadOnlySpan<long> shape, out long count)
    {
        count = 1;
        foreach (long size in shape)
        {
            if (size < 0 || Math.BigMul(count, size, out long low) != 0 || low < 0)
            {
                return false;
            }

            count = low;
        }

        return true;
    }

    /// <summary>Copies elements [start, start + destination.Length) in row-major order.</summary>
    /// <param name="storage">The storage's first byte.</param>
    /// <param name="start">The first element, in row-major order.</param>
    /// <param name="destination">Receives the elements, as raw bits.</param>
    public unsafe void Gather<T>(byte* storage, long start, Span<T> destination)
        where T : unmanaged
    {
        if (IsContiguous)
        {
            // Never more than Array.MaxLength elements, but the byte count may exceed an int.
            byte* source = storage + ((_offset + start) * sizeof(T));
            long bytes = (long)destination.Length * sizeof(T);
            fixed (T* target = destination)
            {
                Buffer.MemoryCopy(source, target, bytes, bytes);
            }

            return;
        }

        long columns = _shape[^1];
        while (destination.Length > 0)
        {
            (long row, long column) = Math.DivRem(start, columns);
            byte* source = storage + ((RowOffset(row) + (column * _strides[^1])) * sizeof(T));
            int taken;
            if (column == 0 && _shape.Length > 1 && destination.Length / 2 >= columns)
            {
                long rowsLeft = _shape[^2] - (row % _shape[^2]);
                int rows = (int)Math.Min(destination.Length / columns, rowsLeft);
                CopyRows(source, _strides[^2], _strides[^1], rows, (int)columns, destination);
                taken = rows * (int)columns;
            }
            else
            {
                taken = (int)Math.Min(columns - column, destination.Length);
                CopyRow(source, _strides[^1], destination[..taken]);
            }

            destination = destination[taken..];
            start += taken;
        }
    }

    private static long[] RowMajorStrides(ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        return strides;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void CopyRow<T>(byte* source, long stride, Span<T> destination)
        where T : unmanaged
    {
        if (stride == 1)
        {
            new ReadOnlySpan<T>(source, destination.Length).CopyTo(destination);
            return;
        }

        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = Unsafe.ReadUnaligned<T>(source + (i * stride * sizeof(T)));
        }
    }

    // A transposed matrix read row by row would touch a new cache line and page for every element; in square blocks
    // each line that is loaded is used up.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void CopyRows<T>(
        byte* source, long rowStride, long columnStride, int rows, int columns, Span<T> destination)
        where T : unmanaged
    {
        if (columnStride == 1)
        {
            for (int row = 0; row < rows; row++)
            {
                CopyRow(source + (row * rowStride * sizeof(T)), 1, destination.Slice(row * columns, columns));
            }

            return;
        }

        for (int row = 0; row < rows; row += Tile)
        {
            int lastRow = Math.Min(row + Tile, rows);
            for (int column = 0; column < columns; column += Tile)
            {
                int width = Math.Min(Tile, columns - column);
                for (int r = row; r < lastRow; r++)
                {
                    byte* from = source + (((r * rowStride) + (column * columnStride)) * sizeof(T));
                    CopyRow(from, columnStride, destination.Slice((r * columns) + column, width));
                }
            }
        }
    }

    // The offset of the first element of a row, where rows run over the last merged dimension.
    private long RowOffset(long row)
    {
        long offset = _offset;
        for (int i = _shape.Length - 2; i >= 0; i--)
        {
            (row, long index) = Math.DivRem(row, _shape[i]);
            offset += index * _strides[i];
        }

        return offset;
    }
}
