namespace LayerSteer.Numerics;

/// <summary>
/// The native memory of one model's weights: taken piece by piece while loading, freed all at once.
/// </summary>
internal sealed class WeightStore : IDisposable
{
    private readonly Dictionary<string, NativeBuffer> _buffers = new(StringComparer.Ordinal);

    /// <summary>The memory of a named piece, made when it is first asked for.</summary>
    /// <param name="name">Its name, used once in a store.</param>
    /// <param name="length">Its length in floats.</param>
    /// <param name="fill">Writes it; it is all +0 before.</param>
    public NativeBuffer Take(string name, long length, Action<NativeBuffer> fill)
    {
        var buffer = new NativeBuffer(length);
        _buffers.Add(name, buffer);
        fill(buffer);
        return buffer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in _buffers.Values)
        {
            buffer.Dispose();
        }
    }
}
