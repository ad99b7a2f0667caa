namespace LayerSteer.Numerics;

/// <summary>
/// The memory of one model's weights: taken piece by piece while loading, freed all at once. A piece is either packed
/// now or, where an earlier load kept it, there already.
/// </summary>
internal sealed class WeightStore : IDisposable
{
    private const int LineFloats = NativeBuffer.Alignment / sizeof(float);

    private readonly SortedDictionary<string, NativeBuffer> _pieces = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NativeBuffer> _kept;
    private bool _packed;

    /// <summary>A store that finds some pieces packed.</summary>
    /// <param name="kept">The pieces, which belong to the store from now on; null for none.</param>
    public WeightStore(IReadOnlyDictionary<string, NativeBuffer>? kept = null) =>
        _kept = kept is null ? [] : new(kept, StringComparer.Ordinal);

    /// <summary>All that was taken, in ordinal order of the names.</summary>
    public IReadOnlyDictionary<string, NativeBuffer> Pieces => _pieces;

    /// <summary>Whether exactly what was kept has been taken, so that nothing is to be kept anew.</summary>
    public bool IsAsKept => !_packed && _kept.Count == 0;

    /// <summary>The memory of a named piece, made when it is first asked for.</summary>
    /// <param name="name">Its name, used once in a store.</param>
    /// <param name="length">Its length in floats, which is rounded up to whole lines of 64 bytes.</param>
    /// <param name="fill">Writes it, if it was not kept; it is all +0 before.</param>
    public NativeBuffer Take(string name, long length, Action<NativeBuffer> fill)
    {
        length = checked(length + LineFloats - 1) / LineFloats * LineFloats;
        if (_kept.Remove(name, out NativeBuffer? kept))
        {
            if (kept.Length == length)
            {
                _pieces.Add(name, kept);
                return kept;
            }

            kept.Dispose();
        }

        _packed = true;
        var buffer = new NativeBuffer(length);
        _pieces.Add(name, buffer);
        fill(buffer);
        return buffer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in _pieces.Values.Concat(_kept.Values))
        {
            buffer.Dispose();
        }
    }
}
