using CsCheck;
using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class ChartAxisTests
{
    [Fact]
    public void Linear_ticks_contain_the_data_and_stand_at_equal_distances() =>
        Gen.Select(Gen.Double[-1e6, 1e6], Gen.Double[0, 7], Gen.Double[1, 10], Gen.Int[2, 9]).Sample(
            (low, power, digit, ticks) =>
            {
                double high = low + (digit * Math.Pow(10, power - 5));
                ChartAxis axis = ChartAxis.Linear(low, high, ticks);
                double slack = 1e-9 * Math.Max(1, Math.Abs(low));
                Assert.InRange(axis.Low, double.NegativeInfinity, low + slack);
                Assert.InRange(axis.High, high - slack, double.PositiveInfinity);
                Assert.InRange(axis.Ticks.Count, 2, (2 * ticks) + 2);
                double[] steps = [.. axis.Ticks.Zip(axis.Ticks.Skip(1), (a, b) => b - a)];
                Assert.All(steps, step => Assert.Equal(steps[0], step, Math.Max(slack, steps[0] * 1e-6)));
            });

    [Fact]
    public void Logarithmic_ticks_contain_the_data_and_are_few() =>
        Gen.Select(Gen.Double[-9, 9], Gen.Double[0, 14]).Sample((start, length) =>
        {
            double low = Math.Pow(10, start);
            double high = low * Math.Pow(10, length);
            ChartAxis axis = ChartAxis.Logarithmic(low, high);
            Assert.InRange(axis.Low, 0, low * (1 + 1e-9));
            Assert.True(axis.Low > 0);
            Assert.InRange(axis.High, high * (1 - 1e-9), double.PositiveInfinity);
            Assert.InRange(axis.Ticks.Count, 2, 8);
            Assert.Equal(axis.Ticks.Order(), axis.Ticks);
            Assert.InRange(axis.Position(low), -1e-9 / Math.Log(axis.High / axis.Low), axis.Position(high));
        });

    [Theory]
    [InlineData(0, 1, new[] { 0, 0.25, 0.5, 0.75, 1 })]
    [InlineData(-0.03, 0.36, new[] { -0.1, 0, 0.1, 0.2, 0.3, 0.4 })]
    [InlineData(5, 5, new[] { 5, 5.25 })]
    public void Ticks_are_round_numbers(double low, double high, double[] ticks) =>
        Assert.Equal(ticks, ChartAxis.Linear(low, high).Ticks);

    [Fact]
    public void Logarithmic_ticks_are_round_numbers_too()
    {
        Assert.Equal([1, 2, 5, 10], ChartAxis.Logarithmic(1, 7).Ticks);
        Assert.Equal([1, 3, 10, 30, 100, 300, 1000, 3000], ChartAxis.Logarithmic(1, 1200).Ticks);
        Assert.Equal(0.5, ChartAxis.Logarithmic(1, 100).Position(10), 1e-12);
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(-0.25, "−0.25")]
    [InlineData(1000, "1000")]
    [InlineData(2e7, "2e7")]
    public void A_tick_is_written_plainly(double tick, string text) => Assert.Equal(text, ChartAxis.Label(tick));
}
