using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class StrengthSweepTests
{
    [Fact]
    public void The_best_is_the_largest_effect_within_the_budget()
    {
        SweepPoint best = Point(1, 0.3, 1.4);
        Assert.Equal(best, Sweep(Point(1, 0.2, 1), best, Point(1, 0.9, 1.6), Point(2, 0.25, 1.1)).Best);
        Assert.Equal(Point(1, 0.3, 1.2), Sweep(best, Point(1, 0.3, 1.2)).Best);
        Assert.Null(Sweep(Point(1, 0.9, 1.6)).Best);
        Assert.Null(Sweep().Best);
    }

    [Fact]
    public void A_rival_is_another_place_whose_interval_reaches_the_best()
    {
        SweepPoint best = Point(1, 0.3, 1.4);
        SweepPoint near = Point(2, 0.25, 1.1, high: 0.31);
        SweepPoint nearer = Point(3, 0.28, 1.1, high: 0.3);
        Assert.Equal(near, Sweep(best, near).Rival);
        Assert.Equal(nearer, Sweep(best, near, nearer).Rival);
        Assert.Null(Sweep(best, Point(2, 0.25, 1.1, high: 0.29)).Rival);
        Assert.Null(Sweep(best, Point(1, 0.29, 1, high: 0.5)).Rival);
        Assert.Null(Sweep(best, Point(2, 0.9, 1.6, high: 2)).Rival);
        Assert.Equal(Point(2, 0.1, 1, high: null), Sweep(best, Point(2, 0.1, 1, high: null)).Rival);

        // Only the best of a place stands for it.
        Assert.Null(Sweep(best, Point(2, 0.25, 1.1, high: 0.29), Point(2, 0.2, 1, high: 0.9)).Rival);
        Assert.Null(Sweep(Point(2, 0.9, 1.6)).Rival);
    }

    [Fact]
    public void The_recommendation_says_what_the_points_show()
    {
        string name = SweepPage.NameOf(Point(1, 0.3, 1.4));
        Assert.Equal(
            "Nothing that was tried stays within 1.5 times the perplexity: lower strengths, or a larger budget.",
            SweepPage.Recommendation(Sweep(Point(1, 0.3, 2))));
        Assert.Equal(
            $"Recommended: {name}, +0.300 at 1.40 times the perplexity.",
            SweepPage.Recommendation(Sweep(Point(1, 0.3, 1.4))));
        Assert.EndsWith(
            " No other layer comes near.",
            SweepPage.Recommendation(Sweep(Point(1, 0.3, 1.4), Point(2, 0.1, 1, high: 0.2))),
            StringComparison.Ordinal);
        Assert.EndsWith(
            " cannot be told from it.",
            SweepPage.Recommendation(Sweep(Point(1, 0.3, 1.4), Point(2, 0.1, 1, high: 0.4))),
            StringComparison.Ordinal);
        Assert.StartsWith(
            $"Nothing within 1.5 times the perplexity is shown to turn to the topic; the best is {name}, +0.300 at",
            SweepPage.Recommendation(Sweep(Point(1, 0.3, 1.4) with { Low = -0.1 })),
            StringComparison.Ordinal);
    }

    private static StrengthSweep Sweep(params SweepPoint[] points) => new(points, 1.5);

    private static SweepPoint Point(int layer, double effect, double ratio, double? high = 1) => new(
        HookPoint.ResidualPost(layer), SteeringMethod.Add, 1, effect, 0.01, high, ratio,
        default(InterventionFidelity), ratio <= 1.5, false);
}
