using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public unsafe class SoftCapKernelTests
{
    [Fact]
    public void The_hyperbolic_tangent_is_within_three_units_in_the_last_place()
    {
        double worst = 0;
        for (int i = -400_000; i <= 400_000; i++)
        {
            float x = i * 3e-5f;
            float y = Tanh<ScalarLanes>(x);
            Assert.Equal(y, Tanh<Lanes512>(x));
            double exact = Math.Tanh(x);
            float near = (float)Math.Abs(exact);
            worst = Math.Max(worst, Math.Abs(y - exact) / (MathF.BitIncrement(near) - (double)near));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{worst:F2} ulp");
        Assert.InRange(worst, 0, 3);
    }

    [Theory]
    [InlineData(0f, 0f)]
    [InlineData(1e-30f, 1e-30f)]
    [InlineData(-1e-30f, -1e-30f)]
    [InlineData(1e30f, 1f)]
    [InlineData(-1e30f, -1f)]
    [InlineData(float.PositiveInfinity, 1f)]
    [InlineData(float.NegativeInfinity, -1f)]
    public void The_hyperbolic_tangent_keeps_its_ends(float x, float expected)
    {
        Assert.Equal(expected, Tanh<Lanes512>(x));
        Assert.Equal(expected, Tanh<Lanes256>(x));
        Assert.Equal(expected, Tanh<Lanes128>(x));
        Assert.Equal(expected, Tanh<ScalarLanes>(x));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(20_003)]
    public void Values_are_capped_as_the_formula_says_at_every_width_and_with_any_threads(int length)
    {
        float[] x = RandomFloats.Of(1, length, 90f);
        float[] y = Bits.AtEveryWidth("cap", pool => Run(pool, x));
        for (int i = 0; i < length; i++)
        {
            Assert.Equal(30 * Math.Tanh(x[i] / 30.0), y[i], 1e-5);
        }

        using var three = new WorkerPool(3);
        Bits.Same(y, Run(three, x), "three threads");
        Bits.Same(y.AsSpan(0, length / 2), Run(three, x[..(length / 2)]), "a shorter one");
    }

    private static float[] Run(WorkerPool pool, float[] x)
    {
        float[] y = [.. x];
        SoftCapKernel.Run(pool, y, 30f);
        return y;
    }

    private static float Tanh<T>(float x) where T : struct, ILanes<T>
    {
        float* lanes = stackalloc float[Lanes.Count];
        Lanes.Tanh(T.Broadcast(x)).Store(lanes);
        return lanes[3];
    }
}
