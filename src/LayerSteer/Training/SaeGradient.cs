using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>What a batch was worth.</summary>
/// <param name="Loss">The loss that was differentiated.</param>
/// <param name="SquaredError">Σ‖x̂ − x‖² over the batch.</param>
/// <param name="Active">The latents kept, over the batch.</param>
/// <param name="LeastKept">The smallest value kept; NaN if none was.</param>
internal readonly record struct SaeBatch(double Loss, double SquaredError, long Active, float LeastKept);

/// <summary>
/// The loss of an autoencoder in training on a batch of B inputs, and its gradient:
/// <code>
/// a = W_enc (x − b_dec) + b_enc;  z = a where kept, else 0;  x̂ = W_decᵀ z + b_dec;  e = x − x̂
/// L = Σ‖e‖² / (B·V)  +  w_aux·Σ‖e − W_decᵀ z_aux‖² / Σ‖e‖²  [+ w_L0·(L0 / k − 1)² of JumpReLU]
/// z_aux: the AuxK largest positive a of dead latents; e counts as a constant there.  L0: kept latents a token.
/// JumpReLU, threshold θ = e^t, through a rectangle K(u) = 1 where |u| &lt; ½ of width ε:
/// ∂z/∂θ = −(θ/ε)·K((a − θ)/ε);  ∂L0/∂θ = −(1/ε)·K((a − θ)/ε)
/// </code>
/// The encoder is one dense product; all else touches kept latents only. Sums have a fixed order, so the bits do not
/// depend on the number of threads. Not thread-safe. The caller disposes it.
/// </summary>
internal sealed class SaeGradient : IDisposable
{
    public const string Encoder = "encoder";
    public const string Decoder = "decoder";
    public const string EncoderBias = "encoder.bias";
    public const string DecoderBias = "decoder.bias";
    public const string LogThreshold = "log_threshold";

    private readonly SaeTrainingOptions _options;
    private readonly WorkerPool _pool;
    private readonly PanelBuffer _panels = new();
    private readonly NativeBuffer _inputs;
    private readonly NativeBuffer _preActivations;
    private readonly NativeBuffer _errors;
    private readonly NativeBuffer _residuals;
    private readonly SparseRows _active = new();
    private readonly SparseRows _aux = new();
    private readonly SparseRows _near = new();
    private readonly SparseRows _every = new();
    private readonly SparseColumns _columns = new();
    private readonly float[] _low;
    private readonly float[] _high;
    private float[] _slopes = [];

    public SaeGradient(int dIn, SaeTrainingOptions options, WorkerPool pool)
    {
        DIn = dIn;
        _options = options;
        _pool = pool;
        int n = options.Latents;
        Parameters = new ParameterSet(LayoutOf(dIn, options));
        Gradients = new ParameterSet(Parameters.Layout);
        _inputs = new NativeBuffer((long)options.Batch * dIn);
        _preActivations = new NativeBuffer((long)options.Batch * n);
        _errors = new NativeBuffer((long)options.Batch * dIn);
        _residuals = new NativeBuffer((long)options.Batch * dIn);
        _low = new float[n];
        _high = new float[n];
        _every.SetRows(1);
        _every.SetRoom(n);
        _every.Counts[0] = n;
        for (int latent = 0; latent < n; latent++)
        {
            _every.Columns[latent] = latent;
        }
    }

    public int DIn { get; }

    /// <summary>Encoder and decoder [latents, dIn], their biases, and log thresholds of JumpReLU.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>Of the last batch.</summary>
    public ParameterSet Gradients { get; }

    /// <summary>The kept latents of the last batch.</summary>
    public SparseRows Active => _active;

    public static IReadOnlyList<Parameter> LayoutOf(int dIn, SaeTrainingOptions options)
    {
        int n = options.Latents;
        var layout = new List<Parameter>();
        ParameterSet.Add(layout, Encoder, false, n, dIn);
        ParameterSet.Add(layout, Decoder, false, n, dIn);
        ParameterSet.Add(layout, EncoderBias, false, n);
        ParameterSet.Add(layout, DecoderBias, false, dIn);
        if (options.Activation == SaeTrainingActivation.JumpRelu)
        {
            ParameterSet.Add(layout, LogThreshold, false, n);
        }

        return layout;
    }

    /// <summary>Computes loss and gradients of a batch.</summary>
    /// <param name="x">Inputs, normalised, [rows, dIn].</param>
    /// <param name="rows">At most the batch of the options.</param>
    /// <param name="variance">V.</param>
    /// <param name="dead">The dead latents, ascending.</param>
    public SaeBatch Compute(ReadOnlySpan<float> x, int rows, double variance, ReadOnlySpan<int> dead)
    {
        int d = DIn;
        int n = _options.Latents;
        Shape.Require(rows >= 1 && rows <= _options.Batch && x.Length >= rows * d);
        ReadOnlySpan<float> decoder = Parameters[Decoder];
        Span<float> inputs = _inputs.Span(0, rows * d);
        Span<float> a = _preActivations.Span(0, rows * n);
        Span<float> error = _errors.Span(0, rows * d);
        Gradients.Clear();

        TakeOffBias(x, rows, inputs);
        for (int i = 0; i < error.Length; i++)
        {
            error[i] = -inputs[i];
        }

        _panels.PackRows(_pool, Parameters[Encoder], n, d);
        _panels.Multiply(_pool, Parameters[EncoderBias], inputs, a, rows);
        Keep(a, rows);
        SparseAddKernel.Run(_pool, _active, decoder, d, error); // x̂ − x
        double squares = SquaredNormKernel.Of(_pool, error);
        long active = _active.Count;
        double loss = squares / (rows * variance);

        // The error itself is needed by AuxK; its gradient is a multiple of it.
        float scale = (float)(2 / (rows * variance));
        loss += JumpThresholds(a, error, rows, active, scale);
        int auxK = Math.Min(_options.AuxKOf(d), dead.Length);
        if (auxK > 0 && squares > 0)
        {
            loss += Aux(a, inputs, error, rows, dead, auxK, squares);
        }

        for (int i = 0; i < error.Length; i++)
        {
            error[i] *= scale;
        }

        Spread(_active, inputs, error);
        ColumnSumKernel.Run(_pool, error, rows, Gradients[DecoderBias]);

        // b_dec is taken off the input of every latent.
        ReadOnlySpan<float> biasGradient = Gradients[EncoderBias];
        for (int latent = 0; latent < n; latent++)
        {
            _every.Values[latent] = -biasGradient[latent];
        }

        SparseAddKernel.Run(_pool, _every, Parameters[Encoder], d, Gradients[DecoderBias]);
        return new SaeBatch(loss, squares, active, Least());
    }

    /// <summary>
    /// The value that so many pre-activations of inputs, [rows, dIn], reach; 0 if fewer are above 0.
    /// </summary>
    public float Reached(ReadOnlySpan<float> x, int rows, long count)
    {
        Span<float> inputs = _inputs.Span(0, rows * DIn);
        Span<float> a = _preActivations.Span(0, rows * _options.Latents);
        TakeOffBias(x, rows, inputs);
        _panels.PackRows(_pool, Parameters[Encoder], _options.Latents, DIn);
        _panels.Multiply(_pool, Parameters[EncoderBias], inputs, a, rows);
        return LargestKernel.Run(_pool, a, count).Least;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Parameters.Dispose();
        Gradients.Dispose();
        _panels.Dispose();
        _inputs.Dispose();
        _preActivations.Dispose();
        _errors.Dispose();
        _residuals.Dispose();
    }

    private void TakeOffBias(ReadOnlySpan<float> x, int rows, Span<float> inputs)
    {
        ReadOnlySpan<float> bias = Parameters[DecoderBias];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> from = x.Slice(row * DIn, DIn);
            Span<float> to = inputs.Slice(row * DIn, DIn);
            for (int i = 0; i < to.Length; i++)
            {
                to[i] = from[i] - bias[i];
            }
        }
    }

    private void Keep(Span<float> a, int rows)
    {
        int n = _options.Latents;
        switch (_options.Activation)
        {
            case SaeTrainingActivation.TopK:
                TopKRowsKernel.Run(_pool, a, rows, n, [], _options.K, _active);
                break;
            case SaeTrainingActivation.BatchTopK:
                (float least, long ties) = LargestKernel.Run(_pool, a, (long)rows * _options.K);
                _low.AsSpan().Fill(least);
                _high.AsSpan().Fill(float.PositiveInfinity);
                IntervalRowsKernel.Run(_pool, a, rows, _low, _high, ties, _active);
                break;
            default:
                ReadOnlySpan<float> logs = Parameters[LogThreshold];
                for (int latent = 0; latent < n; latent++)
                {
                    _low[latent] = MathF.Exp(logs[latent]);
                }

                _high.AsSpan().Fill(float.PositiveInfinity);
                IntervalRowsKernel.Run(_pool, a, rows, _low, _high, 0, _active);
                break;
        }
    }

    /// <summary>The gradient of JumpReLU's thresholds, and the loss that its penalty adds.</summary>
    private double JumpThresholds(
        ReadOnlySpan<float> a, ReadOnlySpan<float> error, int rows, long active, float errorScale)
    {
        if (_options.Activation != SaeTrainingActivation.JumpRelu)
        {
            return 0;
        }

        float width = (float)_options.Bandwidth;
        ReadOnlySpan<float> logs = Parameters[LogThreshold];
        for (int latent = 0; latent < _low.Length; latent++)
        {
            float threshold = MathF.Exp(logs[latent]);
            _low[latent] = MathF.Max(0f, threshold - (width / 2));
            _high[latent] = threshold + (width / 2);
        }

        IntervalRowsKernel.Run(_pool, a, rows, _low, _high, 0, _near);
        SparseDotKernel.Run(_pool, _near, error, Parameters[Decoder], DIn, _near.Values);
        double beyond = ((double)active / rows / _options.K) - 1;
        double penalty = _options.SparsityWeight * 2 * beyond / _options.K / rows;
        Span<float> gradient = Gradients[LogThreshold];
        for (int row = 0; row < rows; row++)
        {
            int stop = _near.Starts[row] + _near.Counts[row];
            for (int slot = _near.Starts[row]; slot < stop; slot++)
            {
                // dθ/dt = θ
                int latent = _near.Columns[slot];
                float threshold = MathF.Exp(logs[latent]);
                double slope = ((double)threshold * errorScale * _near.Values[slot]) + penalty;
                gradient[latent] -= (float)(slope * threshold / width);
            }
        }

        return _options.SparsityWeight * beyond * beyond;
    }

    /// <summary>AuxK: what dead latents can say of the error. Overwrites the pre-activations.</summary>
    private double Aux(
        Span<float> a,
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> error,
        int rows,
        ReadOnlySpan<int> dead,
        int auxK,
        double squares)
    {
        Span<float> residual = _residuals.Span(0, error.Length);
        error.CopyTo(residual); // x̂ − x + W_decᵀ z_aux
        TopKRowsKernel.Run(_pool, a, rows, _options.Latents, dead, auxK, _aux);
        SparseAddKernel.Run(_pool, _aux, Parameters[Decoder], DIn, residual);
        double left = SquaredNormKernel.Of(_pool, residual);
        float scale = (float)(2 * _options.AuxWeight / squares);
        for (int i = 0; i < residual.Length; i++)
        {
            residual[i] *= scale;
        }

        Spread(_aux, inputs, residual);
        return _options.AuxWeight * left / squares;
    }

    /// <summary>
    /// Adds what the gradient G of the reconstruction, [rows, dIn], means for the kept latents' weights:
    /// <code>∂W_dec[j] += Σ z_j·G;  ∂a_j = G·W_dec[j];  ∂W_enc[j] += Σ ∂a_j·(x − b_dec);  ∂b_enc[j] += Σ ∂a_j</code>
    /// </summary>
    private void Spread(SparseRows kept, ReadOnlySpan<float> inputs, ReadOnlySpan<float> gradient)
    {
        if (_slopes.Length < kept.Values.Length)
        {
            _slopes = new float[kept.Values.Length];
        }

        SparseDotKernel.Run(_pool, kept, gradient, Parameters[Decoder], DIn, _slopes);
        _columns.Set(kept, _options.Latents);
        SparseOuterKernel.Run(_pool, _columns, kept.Values, gradient, DIn, Gradients[Decoder]);
        SparseOuterKernel.Run(_pool, _columns, _slopes, inputs, DIn, Gradients[Encoder]);
        Span<float> bias = Gradients[EncoderBias];
        for (int row = 0; row < kept.Rows; row++)
        {
            int stop = kept.Starts[row] + kept.Counts[row];
            for (int slot = kept.Starts[row]; slot < stop; slot++)
            {
                bias[kept.Columns[slot]] += _slopes[slot];
            }
        }
    }

    private float Least()
    {
        float least = float.PositiveInfinity;
        for (int row = 0; row < _active.Rows; row++)
        {
            foreach (float value in _active.Values.AsSpan(_active.Starts[row], _active.Counts[row]))
            {
                least = MathF.Min(least, value);
            }
        }

        return float.IsFinite(least) ? least : float.NaN;
    }
}
