using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// Cos and sin of the angles of a pass's rows, made once a pass for all layers: a table of every position would be larger
/// than the keys of most sequences. The caller disposes it.
/// </summary>
internal sealed class RotaryTurns : IDisposable
{
    private readonly ArchitectureSpec _spec;
    private readonly float[] _global;
    private readonly float[] _sliding;
    private readonly NativeBuffer _globalTurns;
    private readonly NativeBuffer _slidingTurns;

    public RotaryTurns(ArchitectureSpec spec, int maxRows)
    {
        _spec = spec;
        _global = spec.Rotary?.Frequencies() ?? [];
        _sliding = spec.SlidingRotary?.Frequencies() ?? [];
        _globalTurns = new NativeBuffer(2L * maxRows * _global.Length);
        _slidingTurns = new NativeBuffer(2L * maxRows * _sliding.Length);
    }

    /// <summary>Makes those of rows at these positions.</summary>
    public void Prepare(ReadOnlySpan<int> positions)
    {
        Fill(_global, _globalTurns, positions);
        Fill(_sliding, _slidingTurns, positions);
    }

    /// <summary>Turns the first heads of rows [rows, stride] as a layer does; nothing if it does not.</summary>
    public void Turn(WorkerPool pool, int layer, Span<float> x, int stride, int heads, int rows)
    {
        if (_spec.RotaryOf(layer) is not { } rotary)
        {
            return;
        }

        NativeBuffer turns = ReferenceEquals(rotary, _spec.Rotary) ? _globalTurns : _slidingTurns;
        RotaryKernel.Run(
            pool,
            x,
            stride,
            heads,
            _spec.DHead,
            turns.Span(0, rows * rotary.Dimensions),
            rotary.Dimensions,
            rows);
    }

    public void Dispose()
    {
        _globalTurns.Dispose();
        _slidingTurns.Dispose();
    }

    private static void Fill(float[] frequencies, NativeBuffer turns, ReadOnlySpan<int> positions)
    {
        int dims = 2 * frequencies.Length;
        for (int row = 0; dims > 0 && row < positions.Length; row++)
        {
            RotaryKernel.Turns(positions[row], frequencies, turns.Span((long)row * dims, dims));
        }
    }
}
