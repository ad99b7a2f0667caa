using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// The keys and values of one sequence: for each layer, [nKeyValueHeads, capacity, dHead rounded up to 16], float32.
/// Belongs to one sequence and one pass at a time; not thread-safe. Disposing frees the memory.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly int _dHeadPadded;
    private readonly long _layerSize;

    internal KvCache(ArchitectureSpec spec, int layers, int capacity)
    {
        Spec = spec;
        Layers = layers;
        Capacity = capacity;
        _dHeadPadded = AttentionKernel.Padded(spec.DHead);
        _layerSize = (long)spec.NKeyValueHeads * capacity * _dHeadPadded;
        _keys = new NativeBuffer(layers * _layerSize);
        _values = new NativeBuffer(layers * _layerSize);
    }

    /// <summary>The number of layers held; a pass over this cache runs exactly those.</summary>
    public int Layers { get; }

    /// <summary>The largest number of positions.</summary>
    public int Capacity { get; }

    /// <summary>The number of positions held so far.</summary>
    public int Length { get; internal set; }

    /// <summary>The bytes held.</summary>
    public long Bytes => 2 * Layers * _layerSize * sizeof(float);

    /// <summary>Forgets all positions from <paramref name="length"/> on.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }

    /// <summary>The row of a query at position <paramref name="end"/> − 1 that sees the positions from a first on.</summary>
    internal AttentionRow Row(int layer, int end, int first = 0) =>
        new(_keys, _values, (layer * _layerSize) + ((long)first * _dHeadPadded), Capacity, end - first);

    /// <summary>The model that it was made for.</summary>
    internal ArchitectureSpec Spec { get; }

    /// <summary>Writes the key and value of one position and key-value head, [dHead] each.</summary>
    internal void Write(int layer, int head, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        long start = (layer * _layerSize) + ((((long)head * Capacity) + position) * _dHeadPadded);
        key.CopyTo(_keys.Span(start, key.Length));
        value.CopyTo(_values.Span(start, value.Length));
    }
}
