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
        Assert.InRange(one.Added, one.LowerQuartile, one.UpperQuartile);
    }
}
