using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>
/// One autoencoder of a run: weights, moments of Adam, and what else a step changes.
/// <code>
/// start:  W_dec random rows of norm 1;  W_enc = W_dec;  b_dec = geometric median of inputs;  b_enc = 0
/// step:   g = gradient, that of W_dec without what is parallel to its rows;  g ← g·min(1, clip / ‖g‖)
///         Adam(β 0.9, 0.999, ε 6.25e-10);  rows of W_dec back to norm 1
/// </code>
/// The caller disposes it.
/// </summary>
internal sealed class SaeInTraining : IDisposable
{
    /// <summary>Rows that the start is computed from.</summary>
    private const int SampleRows = 4096;

    /// <summary>Of BatchTopK's threshold: the mean of about twenty steps, for the values fall while it learns.</summary>
    private const double ThresholdDecay = 0.95;

    /// <summary>
    /// Log thresholds learn so much faster: at the common rate a run of some hundred steps cannot double them, and L0
    /// stays where the encoder's first steps have left it (measured: 10 of a target of 24 after 391 steps).
    /// </summary>
    private const double ThresholdRate = 10;

    private readonly SaeTrainingOptions _options;
    private readonly WorkerPool _pool;
    private readonly SaeGradient _gradient;
    private readonly int[] _dead;

    public SaeInTraining(HookPoint point, int dIn, SaeTrainingOptions options, WorkerPool pool)
    {
        Point = point;
        _options = options;
        _pool = pool;
        _gradient = new SaeGradient(dIn, options, pool);
        Means = new ParameterSet(Parameters.Layout);
        Squares = new ParameterSet(Parameters.Layout);
        SinceFired = new long[options.Latents];
        _dead = new int[options.Latents];
    }

    public HookPoint Point { get; }

    public int DIn => _gradient.DIn;

    public ParameterSet Parameters => _gradient.Parameters;

    public ParameterSet Means { get; }

    public ParameterSet Squares { get; }

    /// <summary>The tokens since each latent last fired.</summary>
    public long[] SinceFired { get; }

    /// <summary>V, BatchTopK's threshold, and sums over the steps since the last line of the log.</summary>
    public double[] Scalars { get; } = new double[6];

    /// <summary>The share of latents that are dead.</summary>
    public double DeadShare => (double)SinceFired.Count(tokens => tokens >= _options.DeadTokens) / SinceFired.Length;

    private ref double Variance => ref Scalars[0];

    private ref double Threshold => ref Scalars[1];

    /// <summary>Chooses the first weights.</summary>
    /// <param name="buffer">A filled buffer.</param>
    /// <param name="site">The number of this autoencoder's rows in it.</param>
    public void Start(ActivationBuffer buffer, int site)
    {
        int rows = Math.Min(SampleRows, buffer.Left);
        float[] sample = new float[rows * DIn];
        buffer.Copy(site, rows, sample);
        var random = new SplitMix64(new SplitMix64(_options.Seed + 7919 + (ulong)site).Next());
        TrainableCheckpoint.Normal(ref random, Parameters[SaeGradient.Decoder], 1);
        NormedRowsKernel.Normalise(_pool, Parameters[SaeGradient.Decoder], DIn);
        Parameters[SaeGradient.Decoder].CopyTo(Parameters[SaeGradient.Encoder]);
        (double[] median, Variance) = Centre(sample, DIn);
        Span<float> bias = Parameters[SaeGradient.DecoderBias];
        for (int i = 0; i < bias.Length; i++)
        {
            bias[i] = (float)median[i];
        }

        if (!(Variance > 0) || !double.IsFinite(Variance))
        {
            throw new InvalidDataException($"the activations at {Point} do not vary or are not finite");
        }

        if (_options.Activation == SaeTrainingActivation.JumpRelu)
        {
            // Thresholds start where a token keeps what it shall. Lower ones let in so many latents of random directions
            // that the encoder learns to say less before the thresholds can follow.
            int used = Math.Min(rows, _options.Batch);
            long kept = (long)used * _options.K;
            float start = Math.Max(_gradient.Reached(sample, used, kept), (float)_options.Bandwidth / 2);
            Parameters[SaeGradient.LogThreshold].Fill(MathF.Log(start));
        }
    }

    /// <summary>One step on a batch, [rows, dIn].</summary>
    /// <param name="x">The inputs.</param>
    /// <param name="rows">Their number.</param>
    /// <param name="step">The step, from 0.</param>
    public void Step(ReadOnlySpan<float> x, int rows, int step)
    {
        int dead = 0;
        for (int latent = 0; latent < SinceFired.Length; latent++)
        {
            if (SinceFired[latent] >= _options.DeadTokens)
            {
                _dead[dead++] = latent;
            }
        }

        SaeBatch batch = _gradient.Compute(x, rows, Variance, _dead.AsSpan(0, dead));
        ParameterSet gradients = _gradient.Gradients;
        NormedRowsKernel.Project(_pool, Parameters[SaeGradient.Decoder], gradients[SaeGradient.Decoder], DIn);
        double norm = Math.Sqrt(gradients.Layout.Sum(p => SquaredNormKernel.Of(_pool, gradients.Of(p))));
        if (!double.IsFinite(norm) || !double.IsFinite(batch.Loss))
        {
            throw new InvalidDataException(
                $"the loss at {Point} is not finite at step {step + 1}: try a smaller learning rate; "
                + "the last checkpoint is from before");
        }

        foreach (Parameter parameter in Parameters.Layout)
        {
            AdamKernel.Run(
                _pool,
                Parameters.Of(parameter),
                gradients.Of(parameter),
                Means.Of(parameter),
                Squares.Of(parameter),
                new AdamStep(
                    (float)(_options.LearningRateOf(step)
                        * (parameter.Name == SaeGradient.LogThreshold ? ThresholdRate : 1)),
                    0.9f,
                    0.999f,
                    6.25e-10f,
                    0f,
                    (float)Math.Min(1, _options.ClipNorm / norm),
                    step + 1));
        }

        NormedRowsKernel.Normalise(_pool, Parameters[SaeGradient.Decoder], DIn);
        CountFired(rows);
        if (!float.IsNaN(batch.LeastKept))
        {
            Threshold = step == 0
                ? batch.LeastKept
                : (ThresholdDecay * Threshold) + ((1 - ThresholdDecay) * batch.LeastKept);
        }

        Scalars[2] += batch.Loss;
        Scalars[3] += batch.SquaredError / (rows * Variance);
        Scalars[4] += (double)batch.Active / rows;
        Scalars[5]++;
    }

    /// <summary>Mean loss, FVU and L0 of the steps since this was last asked.</summary>
    public (double Loss, double Fvu, double L0) TakeMeans()
    {
        double steps = Scalars[5];
        (double, double, double) means = (Scalars[2] / steps, Scalars[3] / steps, Scalars[4] / steps);
        Scalars.AsSpan(2).Clear();
        return means;
    }

    /// <summary>What it will be as a file.</summary>
    public AutoencoderConfig Config(string? modelName, bool prependsBos, int context) => new()
    {
        DIn = DIn,
        DSae = _options.Latents,
        Kind = _options.Activation == SaeTrainingActivation.TopK
            ? SaeActivationKind.TopK
            : SaeActivationKind.JumpRelu,
        K = _options.Activation == SaeTrainingActivation.TopK ? _options.K : 0,
        Normalisation = _options.Normalises ? InputNormalisation.LayerNorm : InputNormalisation.None,
        HookPoint = Point,
        ModelName = modelName,
        PrependBos = prependsBos,
        ContextSize = context,
    };

    /// <summary>Its weights; thresholds are copied.</summary>
    public AutoencoderTensors Tensors()
    {
        float[] thresholds = [];
        if (_options.Activation != SaeTrainingActivation.TopK)
        {
            thresholds = new float[_options.Latents];
            thresholds.AsSpan().Fill((float)Threshold);
        }

        if (_options.Activation == SaeTrainingActivation.JumpRelu)
        {
            ReadOnlySpan<float> logs = Parameters[SaeGradient.LogThreshold];
            for (int latent = 0; latent < thresholds.Length; latent++)
            {
                thresholds[latent] = MathF.Exp(logs[latent]);
            }
        }

        return new AutoencoderTensors
        {
            Encoder = Parameters[SaeGradient.Encoder],
            EncoderBias = Parameters[SaeGradient.EncoderBias],
            Decoder = Parameters[SaeGradient.Decoder],
            DecoderBias = Parameters[SaeGradient.DecoderBias],
            Thresholds = thresholds,
        };
    }

    public void Dispose()
    {
        _gradient.Dispose();
        Means.Dispose();
        Squares.Dispose();
    }

    /// <summary>The geometric median of rows (Weiszfeld 1937), and their variance about the mean.</summary>
    internal static (double[] Median, double Variance) Centre(ReadOnlySpan<float> x, int d)
    {
        const int Rounds = 30;
        int rows = x.Length / d;
        double[] centre = new double[d];
        for (int i = 0; i < x.Length; i++)
        {
            centre[i % d] += (double)x[i] / rows;
        }

        double variance = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double deviation = x[i] - centre[i % d];
            variance += deviation * deviation / rows;
        }

        double[] next = new double[d];
        for (int round = 0; round < Rounds; round++)
        {
            Array.Clear(next);
            double weights = 0;
            for (int row = 0; row < rows; row++)
            {
                ReadOnlySpan<float> point = x.Slice(row * d, d);
                double squares = 0;
                for (int i = 0; i < d; i++)
                {
                    double deviation = point[i] - centre[i];
                    squares += deviation * deviation;
                }

                // A row at the centre itself counts as one close to it.
                double weight = 1 / Math.Sqrt(Math.Max(squares, 1e-12 * variance));
                weights += weight;
                for (int i = 0; i < d; i++)
                {
                    next[i] += weight * point[i];
                }
            }

            for (int i = 0; i < d; i++)
            {
                centre[i] = next[i] / weights;
            }

            if (!double.IsFinite(weights))
            {
                break; // no variance: the mean was the median
            }
        }

        return (centre, variance);
    }

    private void CountFired(int rows)
    {
        for (int latent = 0; latent < SinceFired.Length; latent++)
        {
            SinceFired[latent] += rows;
        }

        SparseRows active = _gradient.Active;
        for (int row = 0; row < active.Rows; row++)
        {
            foreach (int latent in active.Columns.AsSpan(active.Starts[row], active.Counts[row]))
            {
                SinceFired[latent] = 0;
            }
        }
    }
}
