using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class StatisticsTests
{
    [Fact]
    public void Distinct_and_repeated_n_grams_are_those_counted_by_hand()
    {
        int[] ids = [1, 2, 1, 2, 1, 2];
        Assert.Equal(2 / 6.0, TextDiversity.Distinct(ids, 1));
        Assert.Equal(2 / 5.0, TextDiversity.Distinct(ids, 2));
        Assert.Equal(1 / 3.0, TextDiversity.Repetition(ids, 4)!.Value, 1e-12);
        Assert.Equal(1, TextDiversity.Distinct([11, 1], 2));
        Assert.Equal(1, TextDiversity.Distinct([1, 11, 1, 1], 3));
        Assert.Null(TextDiversity.Distinct([1, 2, 3], 4));
        Assert.Null(TextDiversity.Repetition([], 1));
    }

    [Fact]
    public void Holm_multiplies_the_smallest_by_all_and_never_goes_down()
    {
        double[] adjusted = HolmCorrection.Adjust([0.01, 0.04, 0.03, 0.5]);
        Assert.Equal([0.04, 0.09, 0.09, 0.5], adjusted.Select(p => Math.Round(p, 12)));
        Assert.Equal([1.0, 1.0], HolmCorrection.Adjust([0.6, 0.7]));
        Assert.Empty(HolmCorrection.Adjust([]));
    }

    [Theory]
    [InlineData(1, 12.7062047362)]
    [InlineData(2, 4.3026527297)]
    [InlineData(11, 2.2009851600)]
    [InlineData(30, 2.0422724563)]
    public void Quantiles_of_Students_t_are_those_of_tables(int freedom, double expected)
    {
        Assert.Equal(expected, Distributions.StudentQuantile(0.975, freedom), 1e-7);
        Assert.Equal(-expected, Distributions.StudentQuantile(0.025, freedom), 1e-7);
    }

    [Fact]
    public void The_normal_distribution_is_that_of_tables()
    {
        Assert.Equal(0.5, Distributions.NormalBelow(0));
        Assert.Equal(0.9750021049, Distributions.NormalBelow(1.96), 1e-9);
        Assert.Equal(0.0013498980, Distributions.NormalBelow(-3), 1e-9);
    }

    [Fact]
    public void Each_stratum_counts_the_same_however_many_units_it_has()
    {
        PairedUnit[] units =
        [
            new("a", "p", 1), new("a", "p", 1), new("a", "q", 1), new("a", "q", 5), new("b", "p", 4),
        ];
        PairedDifference difference = new PairedBootstrap().Of(units);
        Assert.Equal((2.0 + 4) / 2, difference.Mean);
        Assert.Equal((5, 2), (difference.Units, difference.Clusters));
        Assert.Equal(difference, new PairedBootstrap().Of([.. units.Reverse()]));
    }

    [Fact]
    public void The_p_value_counts_the_signs_that_are_as_far_from_zero()
    {
        PairedUnit[] units = [new("a", "p", 1), new("a", "q", 1), new("a", "r", 1)];
        PairedDifference difference = new PairedBootstrap().Of(units);
        Assert.Equal(2 / 8.0, difference.P); // all plus, and all minus
        Assert.Equal((1.0, 1.0), (difference.Low, difference.High));
        PairedUnit[] mixed = [new("a", "p", 3), new("a", "q", 1), new("a", "r", -1)];
        Assert.Equal(6 / 8.0, new PairedBootstrap().Of(mixed).P); // |±3 ±1 ±1| ≥ 3 but for 3−1−1 and its opposite
    }

    [Fact]
    public void One_cluster_has_no_interval_and_tells_nothing()
    {
        PairedDifference difference = new PairedBootstrap().Of([new("a", "p", 2), new("b", "p", 4)]);
        Assert.Equal((3.0, null, null, 1.0), (difference.Mean, difference.Low, difference.High, difference.P));
    }

    [Fact]
    public void Differences_that_cancel_are_no_finding_of_rounding()
    {
        PairedUnit[] units =
        [
            .. Enumerable.Range(0, 10).SelectMany(i => (PairedUnit[])
            [
                new("a", $"{i}", 0.1 * i), new("b", $"{i}", 0.2), new("c", $"{i}", -0.2 - (0.1 * i)),
            ]),
        ];
        PairedDifference difference = new PairedBootstrap().Of(units);
        Assert.Equal(0, difference.Mean, 1e-15);
        Assert.Equal(1, difference.P);
    }

    [Fact]
    public void Nothing_and_what_is_not_finite_are_refused()
    {
        Assert.Equal(
            "no unit; expected at least one",
            Assert.Throws<ArgumentException>(() => new PairedBootstrap().Of([])).Message);
        Assert.Equal(
            "the difference of medical, Today we is NaN, expected a finite number",
            Assert.Throws<ArgumentException>(
                () => new PairedBootstrap().Of([new("medical", "Today we", double.NaN)])).Message);
        Assert.Equal(
            "confidence is 1, expected a number between 0 and 1",
            Assert.Throws<ArgumentException>(() => new PairedBootstrap(confidence: 1)).Message);
    }

    /// <summary>
    /// Twelve prompts that have an effect of their own on every topic, as in an evaluation. Of 500 intervals 95 % are
    /// 475 with a deviation of 5: four of them to each side, and two more for what a bootstrap of a dozen can do.
    /// </summary>
    [Fact]
    public void Intervals_cover_the_true_difference_and_p_values_are_uniform_without_one()
    {
        const int Runs = 500;
        const double True = 0.3;
        var generator = new SplitMix64(11);
        int covered = 0;
        int small = 0;
        for (int run = 0; run < Runs; run++)
        {
            var units = new List<PairedUnit>();
            var centred = new List<PairedUnit>();
            double[] prompts = [.. Enumerable.Range(0, 12).Select(_ => Normal(ref generator))];
            foreach (string topic in new[] { "a", "b", "c" })
            {
                for (int prompt = 0; prompt < 12; prompt++)
                {
                    for (int draw = 0; draw < 2; draw++)
                    {
                        double noise = prompts[prompt] + Normal(ref generator);
                        units.Add(new PairedUnit(topic, $"{prompt:D2}", True + noise));
                        centred.Add(new PairedUnit(topic, $"{prompt:D2}", noise));
                    }
                }
            }

            PairedDifference difference = new PairedBootstrap(400, seed: (ulong)run).Of(units);
            covered += difference.Low <= True && True <= difference.High ? 1 : 0;
            small += new PairedBootstrap(100, seed: (ulong)run).Of(centred).P < 0.05 ? 1 : 0;
        }

        Assert.InRange(covered, 445, 495);
        Assert.InRange(small, 5, 45);
    }

    private static double Normal(ref SplitMix64 generator) =>
        Math.Sqrt(-2 * Math.Log(1 - generator.NextDouble())) * Math.Cos(2 * Math.PI * generator.NextDouble());
}
