using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class StrengthSearchTests
{
    private static readonly StrengthBudget Nats = new(0.1, null);

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.3)]
    [InlineData(0.999)]
    [InlineData(1.001)]
    [InlineData(7)]
    [InlineData(60)]
    public void Where_cost_grows_it_is_within_a_twentieth_of_the_exact_strength(double exact)
    {
        FoundStrength found = StrengthSearch.Find(g => Cost(0.1 * Math.Pow(g / exact, 2)), Nats);
        Assert.InRange(found.Strength, exact / 1.05, exact);
        Assert.InRange(found.Tried.Count, 2, StrengthSearch.DefaultEvaluations);
        Assert.False(found.ReachedLimit);
        Assert.All(found.Tried, tried => Assert.Equal(tried.Strength <= exact, tried.IsWithin));
        Assert.Contains(found.Tried, tried => tried.Strength == found.Strength && tried.IsWithin);
    }

    [Fact]
    public void A_valley_behind_a_ridge_is_not_taken_for_safe_ground()
    {
        // Cheap again from 2 on; the ridge is met at 1.
        FoundStrength found = StrengthSearch.Find(g => Cost(g is > 0.7f and < 2f ? 9 : 0.01), Nats);
        Assert.InRange(found.Strength, 0.7 / 1.05, 0.7);
        Assert.All(found.Tried, tried => Assert.InRange(tried.Strength, 0, 1));
    }

    [Fact]
    public void A_cost_that_is_not_a_number_is_too_much()
    {
        Assert.Equal(0f, StrengthSearch.Find(_ => Cost(double.NaN), Nats).Strength);
        FoundStrength found = StrengthSearch.Find(g => Cost(g > 3f ? double.NaN : 0), Nats);
        Assert.InRange(found.Strength, 3 / 1.05, 3);
        var ratio = new StrengthBudget(null, 1.5);
        Assert.Equal(0f, StrengthSearch.Find(_ => Cost(0, double.NaN), ratio).Strength);
    }

    [Fact]
    public void Where_even_the_smallest_costs_too_much_it_is_0()
    {
        FoundStrength found = StrengthSearch.Find(_ => Cost(0.2), Nats);
        Assert.Equal((0f, false), (found.Strength, found.ReachedLimit));
        Assert.Equal([StrengthSearch.Least], found.Tried.Select(tried => tried.Strength));
    }

    [Fact]
    public void What_costs_nothing_reaches_the_limit()
    {
        FoundStrength found = StrengthSearch.Find(_ => Cost(0), Nats);
        Assert.Equal((StrengthSearch.Most, true), (found.Strength, found.ReachedLimit));
        Assert.Equal([1f / 64, 1f / 16, 1f / 4, 1f, 4f, 16f, 64f], found.Tried.Select(tried => tried.Strength));
    }

    [Fact]
    public void The_tighter_of_two_budgets_counts()
    {
        FoundStrength nats =
            StrengthSearch.Find(g => Cost(0.1 * g, 0.01 * g), new StrengthBudget(0.2, 2));
        Assert.InRange(nats.Strength, 2 / 1.05, 2);
        FoundStrength ratio =
            StrengthSearch.Find(g => Cost(0.001 * g, 0.5 * g), new StrengthBudget(0.2, Math.Exp(1.5)));
        Assert.InRange(ratio.Strength, 3 / 1.05, 3);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    public void It_tries_no_more_than_it_may_and_gives_what_it_knows_to_be_within(int evaluations)
    {
        int measured = 0;
        FoundStrength found = StrengthSearch.Find(
            g =>
            {
                measured++;
                return Cost(g <= 10f ? 0 : 1);
            },
            Nats,
            evaluations);
        Assert.Equal((evaluations, evaluations), (measured, found.Tried.Count));
        Assert.Equal(found.Tried.Where(tried => tried.IsWithin).Max(tried => tried.Strength), found.Strength);
        Assert.False(found.ReachedLimit);
    }

    [Fact]
    public void A_budget_that_cannot_be_is_refused()
    {
        Assert.Equal("the budget limits nothing; give nats or a perplexity ratio", Refusal(null, null));
        Assert.Equal("the budget is 0 nats, expected a finite number above 0", Refusal(0, null));
        Assert.Equal("the budget is NaN nats, expected a finite number above 0", Refusal(double.NaN, 2));
        Assert.Equal("the budget is 1 times the perplexity, expected a finite number above 1", Refusal(0.1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => StrengthSearch.Find(_ => Cost(0), Nats, 1));
    }

    private static string Refusal(double? nats, double? ratio) => Assert.Throws<ArgumentException>(
        () => StrengthSearch.Find(_ => Cost(0), new StrengthBudget(nats, ratio))).Message;

    private static InterventionFidelity Cost(double divergence, double lossChange = 0) =>
        new(1, divergence, lossChange, 0, 0, 1, null, null);
}
