using LayerSteer.Models;

namespace LayerSteer.Evaluation;

/// <summary>Reads the values of a hook point over windows of tokens. Not thread-safe; the owner disposes it.</summary>
/// <param name="decoder">The model.</param>
/// <param name="longest">The most tokens of a window, BOS among them.</param>
internal sealed class ResidualReader(Decoder decoder, int longest) : IDisposable
{
    private readonly DecoderRun _run = decoder.CreateRun(longest);
    private readonly KvCache _cache = decoder.CreateCache(longest);

    /// <summary>The values of all positions of all windows, [windows · length, width].</summary>
    /// <param name="windows">Token ids, all windows of one length.</param>
    /// <param name="prefix">What each begins with; null for nothing.</param>
    /// <param name="point">The hook point.</param>
    /// <param name="cancellation">Checked between windows.</param>
    public float[] Read(int[][] windows, int? prefix, HookPoint point, CancellationToken cancellation)
    {
        int length = windows[0].Length + (prefix is null ? 0 : 1);
        int width = point.WidthIn(decoder.Spec);
        float[] values = new float[checked(windows.Length * length * width)];
        int at = 0;
        HookSet hooks = new HookSet().Add(point, rows => rows.Values.CopyTo(values.AsSpan(at * length * width)));
        for (; at < windows.Length; at++)
        {
            cancellation.ThrowIfCancellationRequested();
            _cache.Truncate(0);
            int[] ids = prefix is { } id ? [id, .. windows[at]] : windows[at];
            _run.Forward([new SequenceBlock(_cache, ids)], hooks, LogitRows.None);
        }

        return values;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _run.Dispose();
    }
}
