using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Generation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class SteeringOverheadTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.25, 1.75)]
    [InlineData(0.5, 2.5)]
    [InlineData(1, 4)]
    public void Quantiles_lie_in_a_straight_line_between_two_values(double p, double expected) =>
        Assert.Equal(expected, SteeringOverhead.Quantile([3, 1, 4, 2], p), 12);

    [Fact]
    public void A_plan_is_timed_beside_the_model_as_it_is()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
        using var generator = new Generator(decoder, tiny.LoadTokenizer());
        var options = new SteeringOptions { Method = SteeringMethod.Reconstruction };
        var plan = new SteeringPlan(
            decoder.Spec, options, [new LayerEdit(HookPoint.ResidualPost(1), autoencoder, scores: null, options)], new HashSet<int>());
        SteeringOverhead one = Assert.Single(SteeringOverhead.Measure(
            generator, "the man", [("sae", plan)], 3, 5, TestContext.Current.CancellationToken));
        Assert.Equal(("sae", 3, 5), (one.Name, one.Runs, one.NewTokens));
        Assert.True(one is { Unsteered: > 0, Steered: > 0, PromptTokens: > 1 });
        Assert.Null(one.Low);
    }

    [Theory]
    [InlineData(5, null, null)]
    [InlineData(6, 1.0, 6.0)]
    [InlineData(9, 2.0, 8.0)]
    [InlineData(25, 8.0, 18.0)]
    public void The_median_has_the_interval_of_order_statistics(int runs, double? low, double? high) => Assert.Equal(
        (low, high),
        SteeringOverhead.MedianInterval([.. Enumerable.Range(1, runs).Reverse().Select(run => (double)run)]));
}
