using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public sealed class DecoderGradientTests
{
    private static readonly ArchitectureSpec Spec = new()
    {
        Family = "gpt2",
        NLayers = 2,
        DModel = 20,
        NHeads = 2,
        NKeyValueHeads = 2,
        DHead = 10,
        DMlp = 36,
        Vocabulary = 37,
        ContextLength = 9,
        NormEpsilon = 1e-5f,
        Activation = Activation.GeluTanh,
        AttentionScale = 1f / MathF.Sqrt(10f),
        TiedUnembedding = true,
    };

    private static ParameterSet RandomParameters(ArchitectureSpec spec, ulong seed = 7)
    {
        var random = new SplitMix64(seed);
        var parameters = new ParameterSet(ParameterSet.Gpt2Layout(spec));
        foreach (Parameter parameter in parameters.Layout)
        {
            Span<float> values = parameters.Of(parameter);
            bool isNorm = parameter.Name.Contains("ln_", StringComparison.Ordinal)
                && parameter.Name.EndsWith(".weight", StringComparison.Ordinal);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)((random.NextDouble() - 0.5) * 0.8) + (isNorm ? 1f : 0f);
            }
        }

        return parameters;
    }

    private static int[][] Windows(ArchitectureSpec spec, int count, int length, ulong seed = 3)
    {
        var random = new SplitMix64(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
            Enumerable.Range(0, length + 1).Select(_ => random.NextInt(spec.Vocabulary)).ToArray())];
    }

    public static TheoryData<Activation, bool, bool> Cases => new()
    {
        { Activation.GeluTanh, true, false },
        { Activation.GeluErf, false, false },
        { Activation.Relu, true, true },
        { Activation.Silu, false, true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_gradient_is_that_of_the_plain_scalar_implementation(
        Activation activation, bool tied, bool inverse)
    {
        ArchitectureSpec spec = Spec with
        {
            Activation = activation,
            TiedUnembedding = tied,
            ScaleAttentionByInverseLayer = inverse,
        };
        using ParameterSet parameters = RandomParameters(spec);
        using var gradients = new ParameterSet(parameters.Layout);
        using var pool = new WorkerPool(2);
        using var gradient = new DecoderGradient(spec, pool, 2, 7);
        int[][] windows = Windows(spec, 2, 7);
        var scalar = new ScalarDecoder(spec, parameters.Layout, (p, i) => parameters.Of(p)[i]);
        Scalar expectedLoss = scalar.Loss(windows);
        double[] expected = scalar.GradientsOf(expectedLoss);

        double loss = gradient.Accumulate(parameters, gradients, windows.SelectMany(w => w).ToArray(), 1f / 14);

        Assert.Equal(expectedLoss.Value, loss / 14, 1e-5);
        foreach (Parameter parameter in gradients.Layout)
        {
            ReadOnlySpan<double> part = expected.AsSpan((int)parameter.Start, parameter.Length);
            AssertClose(parameter.Name, part, gradients.Of(parameter));
        }
    }

    [Fact]
    public void The_scalar_implementation_agrees_with_finite_differences_in_double()
    {
        ArchitectureSpec spec = Spec;
        using ParameterSet parameters = RandomParameters(spec);
        int[][] windows = Windows(spec, 1, 4);
        var scalar = new ScalarDecoder(spec, parameters.Layout, (p, i) => parameters.Of(p)[i]);
        double[] gradients = scalar.GradientsOf(scalar.Loss(windows));
        var random = new SplitMix64(11);
        foreach (Parameter parameter in parameters.Layout)
        {
            int element = random.NextInt(parameter.Length);
            double Shifted(double by) => new ScalarDecoder(spec, parameters.Layout, Value(by)).Loss(windows).Value;
            Func<Parameter, int, double> Value(double by) =>
                (p, i) => parameters.Of(p)[i] + (p.Name == parameter.Name && i == element ? by : 0);

            double difference = (Shifted(1e-5) - Shifted(-1e-5)) / 2e-5;

            Assert.Equal(difference, gradients[parameter.Start + element], 1e-8);
        }
    }

    [Fact]
    public void The_loss_alone_is_the_loss_of_the_gradient_pass()
    {
        ArchitectureSpec spec = Spec;
        using ParameterSet parameters = RandomParameters(spec);
        using var gradients = new ParameterSet(parameters.Layout);
        using var gradient = new DecoderGradient(spec, WorkerPool.Shared, 3, 9);
        int[] windows = [.. Windows(spec, 3, 9).SelectMany(w => w)];

        double alone = gradient.Loss(parameters, windows);

        Assert.Equal(alone, gradient.Accumulate(parameters, gradients, windows, 1f / 27) / 27);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.3f)]
    public void Gradients_are_the_same_bits_with_one_thread_and_with_three(float dropout)
    {
        ArchitectureSpec spec = Spec with
        {
            ContextLength = 60,
            DModel = 48,
            NHeads = 3,
            NKeyValueHeads = 3,
            DHead = 16,
        };
        using ParameterSet parameters = RandomParameters(spec);
        int[] windows = [.. Windows(spec, 3, 55).SelectMany(w => w)];
        using ParameterSet one = Gradients(1);
        using ParameterSet three = Gradients(3);

        foreach (Parameter parameter in one.Layout)
        {
            Assert.True(one.Of(parameter).SequenceEqual(three.Of(parameter)), parameter.Name);
        }

        ParameterSet Gradients(int threads)
        {
            using var pool = new WorkerPool(threads);
            using var gradient = new DecoderGradient(spec, pool, 3, 55) { Dropout = dropout };
            var gradients = new ParameterSet(parameters.Layout);
            gradient.Accumulate(parameters, gradients, windows, 1f / 165, 5);
            return gradients;
        }
    }

    [Fact]
    public void Gradients_with_dropout_are_those_of_the_loss_with_the_same_elements_dropped()
    {
        ArchitectureSpec spec = Spec;
        using ParameterSet parameters = RandomParameters(spec);
        using var gradients = new ParameterSet(parameters.Layout);
        using var other = new ParameterSet(parameters.Layout);
        using var gradient = new DecoderGradient(spec, WorkerPool.Shared, 1, 9) { Dropout = 0.2f };
        int[] windows = Windows(spec, 1, 9)[0];
        gradient.Accumulate(parameters, gradients, windows, 1f / 9, 42);
        foreach (string name in (string[])["h.0.mlp.c_fc.bias", "h.1.attn.c_proj.bias", "ln_f.weight", "wpe.weight"])
        {
            float before = parameters[name][3];
            double up = LossWith(before + 2e-3f);
            double down = LossWith(before - 2e-3f);
            LossWith(before);

            Assert.Equal((up - down) / 4e-3, gradients[name][3], 2e-3);

            double LossWith(float value)
            {
                parameters[name][3] = value;
                gradient.ParametersChanged();
                return gradient.Accumulate(parameters, other, windows, 1f / 9, 42) / 9;
            }
        }
    }

    [Fact]
    public void A_window_of_another_length_or_an_unknown_id_is_refused()
    {
        ArchitectureSpec spec = Spec;
        using ParameterSet parameters = RandomParameters(spec);
        using var gradient = new DecoderGradient(spec, WorkerPool.Shared, 2, 4);

        var length = Assert.Throws<ArgumentException>(() => gradient.Loss(parameters, new int[7]));
        var id = Assert.Throws<ArgumentException>(() => gradient.Loss(parameters, [1, 2, 3, 37, 4]));

        Assert.Equal("7 tokens, expected 1 to 2 windows of 5 (Parameter 'windows')", length.Message);
        Assert.Equal("token id 37; the vocabulary has ids 0 to 36 (Parameter 'windows')", id.Message);
    }

    private static void AssertClose(string name, ReadOnlySpan<double> expected, ReadOnlySpan<float> actual)
    {
        double largest = 0;
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            worst = Math.Max(worst, Math.Abs(expected[i] - actual[i]));
        }

        // Float sums of a few hundred terms: 1e-5 of the tensor's largest element leaves a factor of five.
        Assert.True(
            largest > 0 && worst <= 1e-5 * Math.Max(largest, 0.01), $"{name}: off by {worst}, largest {largest}");
    }
}
