using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Rows of residuals that an autoencoder has encoded, and working memory for the next ones. Latents are exact: the same
/// ones with the same bits as from all pre-activations in float32, ties to the lower latent; but only the rows of the
/// encoder that can matter are read. Approximate pre-activations from int8 weights come with a proven bound
/// (<see cref="ScreenedEncoder"/>):
/// <code>
/// T = a value that at least k keys reach for certain;  candidates = latents whose key can reach T
/// latents = selected among the float32 pre-activations of the candidates
/// </code>
/// Where too many are candidates, or a bound is not finite, all pre-activations are computed. Belongs to one pass at a
/// time; not thread-safe. In steady state it allocates nothing.
/// </summary>
public sealed class EncodedRows
{
    /// <summary>One in so many latents at most is a candidate; more are read faster all together.</summary>
    private const int LeastScreened = 8;

    private readonly SparseAutoencoder _autoencoder;
    private readonly ScreenedEncoder _encoder;
    private readonly WorkerPool _pool;
    private readonly float[] _inputs;
    private readonly float[] _words;
    private readonly float[] _wordScales;
    private readonly float[] _approximate;
    private readonly (float Errors, float Norms)[] _factors;
    private readonly InputScale[] _scales;
    private readonly float[] _lower;
    private readonly float[] _upper;
    private readonly float[] _magnitude;
    private readonly int[] _top;
    private readonly float[] _uppers;
    private readonly int[] _candidates;
    private readonly float[] _exact;
    private readonly float[] _scratch;
    private readonly float _leastThreshold;
    private float[] _dense = [];
    private float[] _keys;
    private int _denseRow = -1;

    internal EncodedRows(SparseAutoencoder autoencoder, ScreenedEncoder encoder, WorkerPool pool, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _autoencoder = autoencoder;
        _encoder = encoder;
        _pool = pool;
        Capacity = capacity;
        int dSae = autoencoder.DSae;
        int groups = ScreenKernel.Groups(dSae);
        int most = Math.Max(dSae / LeastScreened, Math.Min(dSae, 4 * autoencoder.Activation.K));
        _inputs = new float[capacity * autoencoder.DIn];
        _words = new float[capacity * QuantiseKernel.Words(autoencoder.DIn)];
        _wordScales = new float[capacity];
        _approximate = new float[capacity * dSae];
        _factors = new (float, float)[capacity];
        _scales = new InputScale[capacity];
        _lower = new float[groups];
        _upper = new float[groups];
        _magnitude = new float[groups];
        _top = new int[Math.Max(1, autoencoder.Activation.K)];
        _uppers = new float[dSae];
        _candidates = new int[most];
        _exact = new float[most];
        _keys = new float[most];
        _scratch = new float[encoder.Rows.ScratchLength];
        _leastThreshold = float.Epsilon;
        if (!autoencoder.Activation.Thresholds.IsEmpty)
        {
            _leastThreshold = Math.Max(_leastThreshold, Smallest(autoencoder.Activation.Thresholds.Span));
        }
    }

    /// <summary>The most rows that are encoded at once.</summary>
    public int Capacity { get; }

    /// <summary>The number of rows encoded last.</summary>
    public int Count { get; private set; }

    /// <summary>The mean and scale of each row, [count].</summary>
    public ReadOnlySpan<InputScale> Scales => _scales.AsSpan(0, Count);

    /// <summary>How many selections had to compute all pre-activations, since this object was made.</summary>
    public long DenseSelections { get; private set; }

    /// <summary>How many candidates the other selections computed, since this object was made.</summary>
    public long Candidates { get; private set; }

    /// <summary>z = act(a) of one row.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <param name="latents">Receives z.</param>
    /// <exception cref="InvalidDataException">A pre-activation is not finite.</exception>
    public void Activate(int row, SparseLatents latents) => Select(row, LatentKeys.Plain, takesKeys: false, latents);

    /// <summary>All pre-activations of one row, [dSae]; valid until another row is asked for.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <exception cref="InvalidDataException">A pre-activation is not finite.</exception>
    public ReadOnlySpan<float> PreActivations(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Count, nameof(row));
        if (_denseRow != row)
        {
            if (_dense.Length == 0)
            {
                _dense = new float[_autoencoder.DSae];
            }

            _denseRow = -1;
            _encoder.Rows.Product(_pool, _encoder.Bias, Input(row), _dense, 1, _scratch);
            _autoencoder.RequireFinite(_dense);
            _denseRow = row;
        }

        return _dense;
    }

    /// <summary>Takes rows of residuals, [rows, dIn].</summary>
    internal void Encode(ReadOnlySpan<float> x, int rows)
    {
        int dIn = _autoencoder.DIn;
        int words = QuantiseKernel.Words(dIn);
        Shape.Require(rows <= Capacity && x.Length >= rows * dIn);
        Count = rows;
        _denseRow = -1;
        _autoencoder.Prepare(x, rows, _inputs, _scales);
        QuantiseKernel.Run(_pool, _inputs, dIn, _words, _wordScales, rows);
        MatrixKernel.RunInt8(_pool, _encoder.Quantised, _encoder.Bias, _words, _wordScales, _approximate, rows);
        for (int row = 0; row < rows; row++)
        {
            _factors[row] = ScreenedEncoder.BoundFactors(
                Input(row), _words.AsSpan(row * words, words), _wordScales[row]);
        }
    }

    /// <summary>The latents of one row that the activation keeps when they are ranked by keys.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <param name="keys">What ranks them.</param>
    /// <param name="takesKeys">Whether their values are the keys, or the pre-activations.</param>
    /// <param name="latents">Receives them.</param>
    internal void Select(int row, LatentKeys keys, bool takesKeys, SparseLatents latents)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Count, nameof(row));
        int count = FindCandidates(row, keys);
        if (count < 0)
        {
            DenseSelections++;
            if (_keys.Length < _autoencoder.DSae)
            {
                _keys = new float[_autoencoder.DSae];
            }

            _autoencoder.Activation.Select([], PreActivations(row), keys, takesKeys, _keys, _top, latents);
            return;
        }

        Candidates += count;
        Span<int> candidates = _candidates.AsSpan(0, count);
        Span<float> exact = _exact.AsSpan(0, count);
        _encoder.Rows.Product(_pool, candidates, Input(row), exact, _scratch);
        for (int i = 0; i < count; i++)
        {
            exact[i] += _encoder.Bias[candidates[i]];
        }

        _autoencoder.RequireFinite(exact);
        _autoencoder.Activation.Select(candidates, exact, keys, takesKeys, _keys, _top, latents);
    }

    private ReadOnlySpan<float> Input(int row) => _inputs.AsSpan(row * _autoencoder.DIn, _autoencoder.DIn);

    /// <summary>
    /// Lists the latents that may be selected, ascending; −1 if the bounds do not tell or they are too many.
    /// </summary>
    private unsafe int FindCandidates(int row, LatentKeys keys)
    {
        if (!keys.CanScreen)
        {
            return -1;
        }

        fixed (float* approximate = _approximate, weights = keys.Weights, lower = _lower, upper = _upper)
        {
            fixed (float* magnitude = _magnitude, uppers = _uppers)
            {
                ScreenKernel.Run(
                    _pool,
                    _encoder.Outputs(approximate + ((long)row * _autoencoder.DSae), _factors[row]),
                    keys.Kind,
                    weights,
                    new ScreenedKeys(lower, upper, magnitude, uppers));
            }
        }

        bool bounded = AllBelow(_magnitude, ScreenKernel.LargestMagnitude) && AllBelow(_upper, float.PositiveInfinity);
        return bounded ? Collect(LeastKey(_autoencoder.Activation)) : -1;
    }

    /// <summary>
    /// A key that at least k latents reach for certain, or, where only positive keys count, the least of these. The
    /// largest lower bound of a group belongs to one latent, so the k-th largest of these is reached by k latents.
    /// </summary>
    private float LeastKey(SaeActivation activation)
    {
        float least = activation.Kind == SaeActivationKind.TopKIdentity ? float.NegativeInfinity : _leastThreshold;
        if (activation.KeepsByValue || _lower.Length < activation.K)
        {
            return least;
        }

        int count = TopK.Select(_lower, _top.AsSpan(0, activation.K));
        float reached = float.PositiveInfinity;
        foreach (int group in _top.AsSpan(0, count))
        {
            reached = MathF.Min(reached, _lower[group]);
        }

        return MathF.Max(least, reached);
    }

    private int Collect(float least)
    {
        int count = 0;
        for (int group = 0; group < _upper.Length; group++)
        {
            if (!(_upper[group] >= least))
            {
                continue;
            }

            int first = (group / Lanes.Count * ScreenKernel.Block) + (group % Lanes.Count);
            int stop = Math.Min(_uppers.Length, first + ScreenKernel.Block);
            for (int latent = first; latent < stop; latent += Lanes.Count)
            {
                if (_uppers[latent] >= least)
                {
                    if (count == _candidates.Length)
                    {
                        return -1;
                    }

                    _candidates[count++] = latent;
                }
            }
        }

        _candidates.AsSpan(0, count).Sort();
        return count;
    }

    private static float Smallest(ReadOnlySpan<float> values)
    {
        float smallest = float.PositiveInfinity;
        foreach (float value in values)
        {
            smallest = MathF.Min(smallest, value);
        }

        return smallest;
    }

    /// <summary>Whether all are below a limit; NaN is not.</summary>
    private static bool AllBelow(ReadOnlySpan<float> values, float limit)
    {
        foreach (float value in values)
        {
            if (!(value < limit))
            {
                return false;
            }
        }

        return true;
    }
}
