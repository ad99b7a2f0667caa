using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class CoverageTests
{
    [Fact]
    public void Coverage_never_falls_with_more_prompts_and_ends_at_the_observed_one()
    {
        DictionaryCoverage coverage = Of([0, 1, 1, 2, 5, 16, 3, 0], 16);

        Assert.Equal([2, 4, 6, 8, 10, 12, 14, 16], coverage.Prompts);
        Assert.All(
            coverage.Rarefaction.Zip(coverage.Rarefaction.Skip(1)), pair => Assert.True(pair.First < pair.Second));
        Assert.Equal(0.75, coverage.Observed);
        Assert.Equal(0.75, coverage.Rarefaction[^1], 1e-12);
    }

    [Fact]
    public void Rarefaction_equals_the_mean_over_every_subset_of_prompts()
    {
        const int Prompts = 8;
        const int Latents = 12;
        var generator = new SplitMix64(5);
        bool[,] active = new bool[Prompts, Latents];
        int[] support = new int[Latents];
        for (int r = 0; r < Prompts; r++)
        {
            for (int f = 0; f < Latents; f++)
            {
                active[r, f] = generator.NextDouble() < 0.02 + (0.05 * f);
                support[f] += active[r, f] ? 1 : 0;
            }
        }

        DictionaryCoverage coverage = Of(support, Prompts);

        Assert.Contains(0, support);
        Assert.Equal(Enumerable.Range(1, Prompts), coverage.Prompts);
        for (int size = 1; size <= Prompts; size++)
        {
            double seen = 0;
            int subsets = 0;
            for (uint subset = 0; subset < 1 << Prompts; subset++)
            {
                if (System.Numerics.BitOperations.PopCount(subset) == size)
                {
                    subsets++;
                    seen += Enumerable.Range(0, Latents).Count(f =>
                        Enumerable.Range(0, Prompts).Any(r => (subset >> r & 1) == 1 && active[r, f]));
                }
            }
            Assert.Equal(seen / subsets / Latents, coverage.Rarefaction[size - 1], 1e-12);
        }
    }

    [Fact]
    public void Chao2_finds_a_known_number_of_latents_that_ever_fire_and_completeness_the_share_of_activity_seen()
    {
        const int Alive = 4000;
        const int Prompts = 60;
        const double Rate = 0.02;
        var generator = new SplitMix64(11);
        int[] support = new int[10_000];
        for (int f = 0; f < Alive; f++)
        {
            for (int r = 0; r < Prompts; r++)
            {
                support[f] += generator.NextDouble() < Rate ? 1 : 0;
            }
        }

        DictionaryCoverage coverage = Of(support, Prompts);

        double seen = coverage.Observed * support.Length;
        Assert.True(seen < 0.75 * Alive);
        Assert.InRange(coverage.Chao2, 0.95 * Alive, 1.05 * Alive);
        // All that live fire alike, so the share of activity that is on latents seen is the share of those seen.
        Assert.Equal(seen / Alive, coverage.Completeness!.Value, 0.02);
    }

    [Fact]
    public void Latents_count_from_as_many_effective_prompts_as_are_asked_for()
    {
        DictionaryCoverage coverage = DictionaryCoverage.Of([0, 1, 9, 9, 30], [double.NaN, 1, 4.9, 5, 12], 30);

        Assert.Equal(
            (0.8, 0.6, 0.4, 0.2),
            (coverage.Observed, coverage.AtLeastTwo, coverage.AtLeastFive, coverage.AtLeastTen));
    }

    [Fact]
    public void Completeness_of_a_silent_index_is_missing_and_of_one_without_singletons_whole()
    {
        Assert.Null(Of([0, 0], 3).Completeness);
        Assert.Equal(1, Of([2, 3], 3).Completeness);
    }

    private static DictionaryCoverage Of(int[] support, int prompts) =>
        DictionaryCoverage.Of(support, [.. support.Select(k => k == 0 ? double.NaN : k)], prompts);
}
