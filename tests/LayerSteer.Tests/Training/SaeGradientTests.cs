using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

/// <summary>Losses, gradients and selections against plain formulas in double.</summary>
public class SaeGradientTests
{
    private const int DIn = 21;
    private const int Latents = 40;
    private const int Rows = 9;
    private const double Variance = 3.5;
    private static readonly int[] Dead = [1, 5, 9, 22, 33];

    public static TheoryData<SaeTrainingActivation, int> Variants => new()
    {
        { SaeTrainingActivation.TopK, 0 },
        { SaeTrainingActivation.TopK, 3 },
        { SaeTrainingActivation.BatchTopK, 0 },
        { SaeTrainingActivation.BatchTopK, 3 },
        { SaeTrainingActivation.JumpRelu, 0 },
    };

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_gradient_is_the_finite_difference_of_the_plain_loss(SaeTrainingActivation activation, int auxK)
    {
        SaeTrainingOptions options = Options(activation, auxK);
        using var pool = new WorkerPool(2);
        using SaeGradient gradient = Create(options, pool);
        float[] x = RandomFloats.Of(50, Rows * DIn, 2f);
        var plain = new PlainSae(gradient, options, x);

        SaeBatch batch = gradient.Compute(x, Rows, Variance, auxK > 0 ? Dead : []);

        Assert.Equal(plain.Loss(), batch.Loss, 1e-5);
        foreach (Parameter parameter in gradient.Parameters.Layout)
        {
            float[] actual = gradient.Gradients.Of(parameter).ToArray();
            double largest = actual.Max(MathF.Abs);
            Assert.True(largest > 0, $"{parameter.Name} has no gradient");
            for (int i = 0; i < actual.Length; i++)
            {
                double expected = plain.Difference(parameter.Name, i);
                Assert.True(
                    Math.Abs(expected - actual[i]) <= 2e-5 * (largest + Math.Abs(expected)),
                    $"{parameter.Name}[{i}]: expected {expected:R}, found {actual[i]:R}");
            }
        }
    }

    [Theory]
    [InlineData(SaeTrainingActivation.TopK)]
    [InlineData(SaeTrainingActivation.BatchTopK)]
    [InlineData(SaeTrainingActivation.JumpRelu)]
    public void Gradients_have_the_same_bits_at_every_width_and_number_of_threads(SaeTrainingActivation activation)
    {
        SaeTrainingOptions options = Options(activation, 3);
        float[] x = RandomFloats.Of(50, Rows * DIn, 2f);
        float[] Run(WorkerPool pool)
        {
            using SaeGradient gradient = Create(options, pool);
            gradient.Compute(x, Rows, Variance, Dead);
            return [.. gradient.Gradients.Layout.SelectMany(p => gradient.Gradients.Of(p).ToArray())];
        }

        float[] expected = Bits.AtEveryWidth("gradients", Run);
        using var three = new WorkerPool(3);
        Bits.Same(expected, Run(three), "three threads");
    }

    [Fact]
    public void Top_k_keeps_exactly_k_of_each_token_and_batch_top_k_of_the_batch_in_the_mean()
    {
        using var pool = new WorkerPool(2);
        float[] x = RandomFloats.Of(50, Rows * DIn, 2f);
        using SaeGradient topK = Create(Options(SaeTrainingActivation.TopK, 0), pool, encoderBias: 30f);
        topK.Compute(x, Rows, Variance, []);
        Assert.All(topK.Active.Counts[..Rows], count => Assert.Equal(4, count));

        using SaeGradient batchTopK = Create(Options(SaeTrainingActivation.BatchTopK, 0), pool, encoderBias: 30f);
        SaeBatch batch = batchTopK.Compute(x, Rows, Variance, []);
        Assert.Equal(4 * Rows, batch.Active);
        Assert.NotEqual(4, batchTopK.Active.Counts.Max());
    }

    [Fact]
    public void Latents_that_are_not_positive_are_never_kept()
    {
        using var pool = new WorkerPool(1);
        float[] x = RandomFloats.Of(50, Rows * DIn, 2f);
        foreach (SaeTrainingActivation activation in Enum.GetValues<SaeTrainingActivation>())
        {
            using SaeGradient gradient = Create(Options(activation, 0), pool, encoderBias: -1000f);
            SaeBatch batch = gradient.Compute(x, Rows, Variance, []);
            Assert.Equal((0L, float.NaN), (batch.Active, batch.LeastKept));
        }
    }

    [Fact]
    public void The_least_of_the_n_largest_is_that_of_sorting_whatever_the_ties()
    {
        float[] values = RandomFloats.Of(3, 5000);
        for (int i = 0; i < values.Length; i += 3)
        {
            values[i] = MathF.Round(values[i] * 8) / 8; // many equal, zeros among them
        }

        float[] sorted = [.. values.Where(v => v > 0).OrderDescending()];
        using var pool = new WorkerPool(2);
        foreach (int n in (int[])[1, 2, 50, 777, sorted.Length])
        {
            (float least, long ties) = LargestKernel.Run(pool, values, n);
            Assert.Equal(sorted[n - 1], least);
            Assert.Equal(sorted.Take(n).Count(v => v == least), ties);
        }

        Assert.Equal((0f, 0L), LargestKernel.Run(pool, values, sorted.Length + 1));
    }

    [Fact]
    public void Ties_of_a_batch_go_to_the_earlier_token_and_the_lower_latent()
    {
        float[] a = [0.5f, 2f, 0.5f, 0f, 0.5f, 0.5f, -1f, 0.5f];
        var kept = new SparseRows();
        using var pool = new WorkerPool(1);
        float[] low = [0.5f, 0.5f, 0.5f, 0.5f];
        float[] high = [9f, 9f, 9f, 9f];
        IntervalRowsKernel.Run(pool, a, 2, low, high, 3, kept);
        Assert.Equal([3, 1], kept.Counts[..2]);
        Assert.Equal([0, 1, 2, 0], kept.Columns[..4]);
    }

    private static SaeTrainingOptions Options(SaeTrainingActivation activation, int auxK) => new()
    {
        Latents = Latents,
        Tokens = 1000,
        Activation = activation,
        K = 4,
        Batch = Rows,
        AuxK = auxK,
        AuxWeight = 0.5,
        Bandwidth = 0.4,
        SparsityWeight = 0.7,
    };

    private static SaeGradient Create(SaeTrainingOptions options, WorkerPool pool, float encoderBias = 0f)
    {
        var gradient = new SaeGradient(DIn, options, pool);
        foreach ((Parameter parameter, ulong seed) in gradient.Parameters.Layout.Select((p, i) => (p, (ulong)i)))
        {
            RandomFloats.Of(seed + 10, parameter.Length, 0.5f).CopyTo(gradient.Parameters.Of(parameter));
        }

        NormedRowsKernel.Normalise(pool, gradient.Parameters[SaeGradient.Decoder], DIn);
        foreach (ref float bias in gradient.Parameters[SaeGradient.EncoderBias])
        {
            bias += encoderBias;
        }

        return gradient;
    }

    /// <summary>
    /// The same loss in double. What counts as a constant (the error that AuxK explains, and JumpReLU's step but for
    /// its straight-through part, which is θ·clamp((a − θ)/ε + ½, 0, 1) with the outer θ and a fixed) is kept from the
    /// first parameters.
    /// </summary>
    private sealed class PlainSae
    {
        private readonly SaeTrainingOptions _options;
        private readonly Dictionary<string, double[]> _parameters;
        private readonly float[] _x;
        private readonly double[] _firstA;
        private readonly double[] _firstError;
        private readonly double[] _firstThresholds;

        public PlainSae(SaeGradient gradient, SaeTrainingOptions options, float[] x)
        {
            _options = options;
            _x = x;
            _parameters = gradient.Parameters.Layout.ToDictionary(
                p => p.Name, p => gradient.Parameters.Of(p).ToArray().Select(v => (double)v).ToArray());
            _firstThresholds = Thresholds();
            _firstA = PreActivations();
            _firstError = [.. Error(Kept(_firstA)).Select(e => -e)];
        }

        public double Difference(string name, int i)
        {
            const double Step = 1e-6;
            double[] values = _parameters[name];
            double before = values[i];
            values[i] = before + Step;
            double above = Loss();
            values[i] = before - Step;
            double below = Loss();
            values[i] = before;
            return (above - below) / (2 * Step);
        }

        public double Loss()
        {
            double[] a = PreActivations();
            double[] z = Kept(a);
            double loss = Error(z).Sum(e => e * e) / (Rows * Variance);
            int auxK = Math.Min(_options.AuxK!.Value, Dead.Length);
            if (auxK > 0)
            {
                double[] aux = new double[z.Length];
                for (int row = 0; row < Rows; row++)
                {
                    foreach (int latent in Dead.OrderByDescending(j => a[(row * Latents) + j]).Take(auxK))
                    {
                        aux[(row * Latents) + latent] = Math.Max(0, a[(row * Latents) + latent]);
                    }
                }

                double[] explained = Decode(aux);
                double left = _firstError.Zip(explained, (e, y) => (e - y) * (e - y)).Sum();
                loss += _options.AuxWeight * left / _firstError.Sum(e => e * e);
            }

            if (_options.Activation == SaeTrainingActivation.JumpRelu)
            {
                double beyond = (L0() / Rows / _options.K) - 1;
                loss += _options.SparsityWeight * beyond * beyond;
            }

            return loss;
        }

        private double[] Thresholds() => _parameters.TryGetValue(SaeGradient.LogThreshold, out double[]? logs)
            ? [.. logs.Select(Math.Exp)]
            : new double[Latents];

        private double Smooth(double a, double threshold) =>
            Math.Clamp(((a - threshold) / _options.Bandwidth) + 0.5, 0, 1);

        /// <summary>The change of the smoothed step as thresholds move, pre-activations fixed.</summary>
        private double Moved(int at) => _firstA[at] > 0
            ? Smooth(_firstA[at], Thresholds()[at % Latents]) - Smooth(_firstA[at], _firstThresholds[at % Latents])
            : 0;

        private double L0() => Enumerable.Range(0, Rows * Latents).Sum(
            at => (_firstA[at] > _firstThresholds[at % Latents] ? 1 : 0) + Moved(at));

        private double[] PreActivations()
        {
            double[] a = new double[Rows * Latents];
            for (int at = 0; at < a.Length; at++)
            {
                (int row, int latent) = (at / Latents, at % Latents);
                a[at] = _parameters[SaeGradient.EncoderBias][latent];
                for (int i = 0; i < DIn; i++)
                {
                    a[at] += (_x[(row * DIn) + i] - _parameters[SaeGradient.DecoderBias][i])
                        * _parameters[SaeGradient.Encoder][(latent * DIn) + i];
                }
            }

            return a;
        }

        private double[] Kept(double[] a)
        {
            double[] z = new double[a.Length];
            switch (_options.Activation)
            {
                case SaeTrainingActivation.TopK:
                    for (int row = 0; row < Rows; row++)
                    {
                        foreach (int at in Enumerable.Range(row * Latents, Latents)
                            .OrderByDescending(at => a[at]).Take(_options.K))
                        {
                            z[at] = Math.Max(0, a[at]);
                        }
                    }

                    break;
                case SaeTrainingActivation.BatchTopK:
                    foreach (int at in Enumerable.Range(0, a.Length)
                        .OrderByDescending(at => a[at]).Take(Rows * _options.K))
                    {
                        z[at] = Math.Max(0, a[at]);
                    }

                    break;
                default:
                    for (int at = 0; at < a.Length; at++)
                    {
                        double threshold = _firstThresholds[at % Latents];
                        z[at] = a[at] > threshold ? a[at] : 0;
                        z[at] += _firstA is null ? 0 : threshold * Moved(at);
                    }

                    break;
            }

            return z;
        }

        private double[] Decode(double[] z)
        {
            double[] y = new double[Rows * DIn];
            for (int at = 0; at < z.Length; at++)
            {
                for (int i = 0; i < DIn; i++)
                {
                    y[(at / Latents * DIn) + i] +=
                        z[at] * _parameters[SaeGradient.Decoder][(at % Latents * DIn) + i];
                }
            }

            return y;
        }

        /// <summary>x̂ − x.</summary>
        private double[] Error(double[] z)
        {
            double[] y = Decode(z);
            for (int at = 0; at < y.Length; at++)
            {
                y[at] += _parameters[SaeGradient.DecoderBias][at % DIn] - _x[at];
            }

            return y;
        }
    }
}
