namespace LayerSteer.Numerics;

/// <summary>
/// The native memory of one model's weights: allocated piece by piece while loading, freed all at once.
/// </summary>
internal sealed class WeightStore : IDisposable
{
    private readonly List<NativeBuffer> _buffers = [];

    /// <summary>Floats for one tensor, all +0; they live as long as the store.</summary>
    public NativeBuffer Allocate(long length)
    {
        var buffer = new NativeBuffer(length);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <inheritdoc/>
    public void Dispose() => _buffers.ForEach(buffer => buffer.Dispose());
}
