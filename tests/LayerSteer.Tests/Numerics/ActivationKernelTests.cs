using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public unsafe class ActivationKernelTests
{
    [Fact]
    public void The_exponential_is_within_two_units_in_the_last_place()
    {
        double worst = 0;
        foreach (float x in Steps(-87.3f, 88.3f, 200_001))
        {
            float y = Exp<ScalarLanes>(x);
            Assert.Equal(y, Exp<Lanes512>(x));
            Assert.Equal(y, Exp<Lanes256>(x));
            Assert.Equal(y, Exp<Lanes128>(x));
            double exact = Math.Exp(x);
            worst = Math.Max(worst, Math.Abs(y - exact) / (MathF.BitIncrement((float)exact) - (double)(float)exact));
        }

        Assert.InRange(worst, 0, 2);
    }

    [Theory]
    [InlineData(-1e30f, -87.3f)]
    [InlineData(float.NegativeInfinity, -87.3f)]
    [InlineData(100f, 88.3f)]
    [InlineData(float.PositiveInfinity, 88.3f)]
    public void The_exponential_stays_at_its_ends(float x, float end) =>
        Assert.Equal(Exp<Lanes256>(end), Exp<Lanes256>(x));

    [Fact]
    public void The_exponential_of_zero_is_one()
    {
        Assert.Equal(1f, Exp<Lanes256>(0f));
        Assert.Equal(1f, Exp<Lanes256>(-0f));
    }

    [Fact]
    public void Relu_is_the_positive_part() => Check(Activation.Relu, x => Math.Max(x, 0), 0);

    // The tail of each function is e^(−u) to a relative error of about |u| roundings, u up to 87.
    [Fact]
    public void Gelu_erf_is_x_times_the_normal_distribution() =>
        Check(Activation.GeluErf, x => x * NormalDistribution(x), 1e-5);

    [Fact]
    public void Gelu_tanh_is_the_tanh_approximation() => Check(Activation.GeluTanh, GeluTanh, 2e-5);

    [Fact]
    public void Silu_is_x_times_the_logistic_function() => Check(Activation.Silu, x => x / (1 + Math.Exp(-x)), 1e-5);

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.GeluErf)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Silu)]
    public void Tails_and_threads_give_the_same_bits(Activation activation)
    {
        float[] x = RandomFloats.Of(1, 20_000, 6f);
        float[] expected = Run(WorkerPool.Shared, activation, x);
        foreach (int length in new[] { 0, 1, 15, 16, 17, 31, 33, 19_999 })
        {
            float[] part = Run(WorkerPool.Shared, activation, x[..length]);
            Bits.Same(expected.AsSpan(0, length), part, $"{length} elements");
        }

        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads);
            Bits.Same(expected, Run(pool, activation, x), $"{threads} threads");
        }
    }

    [Theory]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.GeluErf)]
    [InlineData(Activation.Silu)]
    public void A_gate_is_the_activation_times_what_it_lets_through(Activation activation)
    {
        float[] x = RandomFloats.Of(1, 20_003, 6f);
        float[] up = RandomFloats.Of(2, x.Length, 3f);
        float[] expected = [.. Run(WorkerPool.Shared, activation, x).Zip(up, (y, u) => y * u)];
        float[] gated = Bits.AtEveryWidth("gate", pool =>
        {
            float[] y = [.. x];
            ActivationKernel.RunGated(pool, activation, y, up);
            return y;
        });
        Bits.Same(expected, gated, "gate");
        Assert.Throws<ArgumentException>(
            () => ActivationKernel.RunGated(WorkerPool.Shared, activation, gated, up.AsSpan(1)));
    }

    /// <summary>Every width gives the same bits, near the formula in double. Relative tolerance.</summary>
    private static void Check(Activation activation, Func<double, double> formula, double tolerance)
    {
        float[] x =
        [
            .. Steps(-12f, 12f, 48_001), .. Steps(-1e-6f, 1e-6f, 101), 0f, -0f, float.Epsilon, -float.Epsilon,
            13f, -13f, 60f, -60f, 1e4f, -1e4f, 1e18f, -1e18f,
        ];
        float[] y = Bits.AtEveryWidth(activation.ToString(), pool => Run(pool, activation, x));
        for (int i = 0; i < x.Length; i++)
        {
            double exact = formula(x[i]);
            double allowed = (Math.Abs(exact) * tolerance) + 1e-17;
            bool close = Math.Abs(y[i] - exact) <= allowed;
            Assert.True(close, $"{activation}({x[i]:R}) is {y[i]:R}, expected {exact:R} within {allowed:R}");
        }
    }

    private static float[] Run(WorkerPool pool, Activation activation, float[] x)
    {
        float[] y = [.. x];
        ActivationKernel.Run(pool, activation, y);
        return y;
    }

    private static double GeluTanh(double x)
    {
        // 0.5·(1 + tanh u) as σ(2u): in double too, 1 + tanh u cancels in the tail.
        double u = Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x));
        return x / (1 + Math.Exp(-2 * u));
    }

    /// <summary>Φ: Taylor's series of erf near 0, the continued fraction of erfc (Lentz) further out.</summary>
    private static double NormalDistribution(double x)
    {
        double z = Math.Abs(x) / Math.Sqrt(2);
        double upper = z < 2 ? (1 - ErrorFunction(z)) / 2 : Complement(z) / 2;
        return x < 0 ? upper : 1 - upper;
    }

    private static double ErrorFunction(double z)
    {
        double term = z;
        double sum = z;
        for (int n = 1; n < 60; n++)
        {
            term *= -z * z / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static double Complement(double z)
    {
        double fraction = 0;
        for (int n = 120; n > 0; n--)
        {
            fraction = n / 2.0 / (z + fraction);
        }

        return Math.Exp(-z * z) / Math.Sqrt(Math.PI) / (z + fraction);
    }

    private static IEnumerable<float> Steps(float from, float to, int count)
    {
        for (int i = 0; i < count; i++)
        {
            yield return Math.Clamp((float)(from + (((double)to - from) * i / (count - 1))), from, to);
        }
    }

    private static float Exp<T>(float x) where T : struct, ILanes<T>
    {
        float* lanes = stackalloc float[Lanes.Count];
        Lanes.Exp(T.Broadcast(x)).Store(lanes);
        return lanes[0];
    }
}
