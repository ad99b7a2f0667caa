using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>What one batch gave.</summary>
/// <param name="Loss">The mean loss of a pair in nats; log n for n pairs that nothing tells apart.</param>
/// <param name="Accuracy">The share of first passages that are nearer to their own second than to all others.</param>
internal readonly record struct ContrastiveLoss(double Loss, double Accuracy);

/// <summary>
/// The loss of a batch of pairs under a static encoder and its exact gradient, by hand:
/// <code>
/// x = mean of E[token];  u = x / ‖x‖;  s = u_a · u_bᵀ;  loss and ds: <see cref="ContrastKernel"/>
/// du_a = ds · u_b;  du_b = dsᵀ · u_a;  dx: <see cref="UnitRowsKernel"/>;  dE[token] += dx / tokens
/// a, b [pairs, d]; E [vocabulary, d]
/// </code>
/// With its working memory; not thread-safe. The caller disposes it.
/// </summary>
internal sealed class ContrastiveGradient : IDisposable
{
    private readonly WorkerPool _pool;
    private readonly int _pairs;
    private readonly int _d;
    private readonly float _temperature;
    private readonly NativeBuffer _units;
    private readonly NativeBuffer _gradients;
    private readonly NativeBuffer _cosines;
    private readonly float[] _norms;
    private readonly float[] _scratch;
    private readonly PanelBuffer _panels = new();
    private readonly TileBuffer _tiles = new();

    /// <summary>Memory for batches of one size.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="pairs">Pairs of a batch, a multiple of 16.</param>
    /// <param name="d">The length of a vector, a multiple of 16.</param>
    /// <param name="temperature">τ.</param>
    public ContrastiveGradient(WorkerPool pool, int pairs, int d, float temperature)
    {
        _pool = pool;
        _pairs = pairs;
        _d = d;
        _temperature = temperature;
        _units = new NativeBuffer(2L * pairs * d);
        _gradients = new NativeBuffer(2L * pairs * d);
        _cosines = new NativeBuffer((long)pairs * pairs);
        _norms = new float[2 * pairs];
        _scratch = new float[4 * pairs];
    }

    /// <summary>Computes the loss and adds its gradient.</summary>
    /// <param name="batch">The pairs.</param>
    /// <param name="vectors">E.</param>
    /// <param name="gradient">dE is added to it.</param>
    public ContrastiveLoss Run(PassagePairs batch, ReadOnlySpan<float> vectors, Span<float> gradient)
    {
        Shape.Require(batch.Count == _pairs);
        int half = _pairs * _d;
        Span<float> units = _units.Span(0, 2 * half);
        TokenMeanKernel.Run(_pool, vectors, _d, batch.Tokens, batch.Starts, units); // [2 pairs, d]
        UnitRowsKernel.Run(_pool, units, _d, _norms);
        Span<float> a = units[..half];
        Span<float> b = units[half..];
        Span<float> cosines = _cosines.Span(0, _pairs * _pairs);
        _panels.PackRows(_pool, b, _pairs, _d);
        _panels.Multiply(_pool, [], a, cosines, _pairs); // [pairs, pairs]
        (double loss, int nearest) = ContrastKernel.Run(_pool, cosines, _scratch, _pairs, _temperature);

        Span<float> gradients = _gradients.Span(0, 2 * half);
        _panels.PackColumns(_pool, b, _d, _pairs, _d);
        _panels.Multiply(_pool, [], cosines, gradients[..half], _pairs); // [pairs, d]
        gradients[half..].Clear();
        _tiles.Pack(_pool, cosines, _pairs, _pairs, _pairs);
        _panels.PackColumns(_pool, a, _d, _pairs, _d);
        OuterProductKernel.Run(_pool, _tiles, _panels, gradients[half..]); // [pairs, d]
        UnitRowsKernel.RunGradient(_pool, gradients, units, _d, _norms);
        TokenMeanGradientKernel.Run(_pool, gradients, _d, batch.Tokens, batch.Starts, gradient);
        return new ContrastiveLoss(loss, (double)nearest / _pairs);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _units.Dispose();
        _gradients.Dispose();
        _cosines.Dispose();
        _panels.Dispose();
        _tiles.Dispose();
    }
}
