using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>The parts that the card's statistics are made of.</summary>
public sealed class ResamplingTests
{
    [Fact]
    public void The_product_of_a_column_and_a_tile_is_the_plain_one_to_the_bit()
    {
        var generator = new SplitMix64(1);
        double[] tile = new double[50 * ReplicateKernel.Width];
        for (int i = 0; i < tile.Length; i++)
        {
            tile[i] = generator.NextDouble() - 0.3;
        }
        for (int count = 0; count < 20; count++)
        {
            int[] rows = [.. Enumerable.Range(0, 50).Where(_ => generator.NextDouble() < 0.4).Take(count)];
            double[] values = [.. rows.Select(_ => generator.NextDouble())];
            double[] fast = new double[ReplicateKernel.Width];
            double[] plain = new double[ReplicateKernel.Width];
            ReplicateKernel.Product(rows, values, tile, fast);
            ReplicateKernel.Scalar(rows, values, tile, plain);
            Assert.Equal(plain, fast);
        }
    }

    [Theory]
    [InlineData(1000, 1000, 0.95)]
    [InlineData(1000, 640, 0.95)]
    [InlineData(100, 2, 0.95)]
    [InlineData(200, 200, 0.1)]
    public void Percentiles_of_a_stream_are_those_of_the_sorted_values(int most, int count, double level)
    {
        var generator = new SplitMix64((ulong)count);
        var tails = new ReplicateTails(most, level);
        double[] values = [.. Enumerable.Range(0, count).Select(_ => Math.Round(generator.NextDouble(), 2))];
        foreach (double value in values)
        {
            tails.Add(value);
        }
        Array.Sort(values);
        double mean = values.Average();

        Assert.Equal(Percentile((1 - level) / 2), tails.Lower, 1e-12);
        Assert.Equal(Percentile((1 + level) / 2), tails.Upper, 1e-12);
        Assert.Equal(Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (count - 1)), tails.Deviation, 1e-12);

        double Percentile(double share)
        {
            double at = share * (count - 1);
            int low = (int)Math.Floor(at);
            return values[low] + ((at - low) * (values[Math.Min(low + 1, count - 1)] - values[low]));
        }
    }

    [Fact]
    public void Q_values_equal_the_plain_definition_and_a_missing_test_stays_missing()
    {
        var generator = new SplitMix64(3);
        double[] p = new double[60];
        for (int i = 0; i < p.Length; i++)
        {
            p[i] = i % 9 == 4 ? double.NaN : Math.Round(generator.NextDouble(), 1);
        }
        double[] q = FalseDiscovery.QValues(p);
        double[] tests = [.. p.Where(x => !double.IsNaN(x))];
        for (int i = 0; i < p.Length; i++)
        {
            double plain = double.IsNaN(p[i]) ? double.NaN : tests.Where(x => x >= p[i])
                .Select(x => Math.Min(1, x * tests.Length / tests.Count(y => y <= x))).Min();
            Assert.Equal(plain, q[i], 1e-12);
        }
    }

    [Fact]
    public void False_discoveries_stay_below_the_rate_and_true_ones_are_made()
    {
        const int Tests = 200;
        const int True = 40;
        var generator = new SplitMix64(7);
        double falseShare = 0;
        double found = 0;
        const int Runs = 400;
        for (int run = 0; run < Runs; run++)
        {
            double[] p = new double[Tests];
            for (int i = 0; i < Tests; i++)
            {
                p[i] = i < True ? Math.Pow(generator.NextDouble(), 8) : generator.NextDouble();
            }
            bool[] significant = [.. FalseDiscovery.QValues(p).Select(q => q < 0.1)];
            int all = significant.Count(s => s);
            falseShare += all == 0 ? 0 : (double)significant.Skip(True).Count(s => s) / all;
            found += significant.Take(True).Count(s => s);
        }

        // The rate is 0.1 · 160/200 = 0.08; its standard error over 400 runs is below 0.005.
        Assert.InRange(falseShare / Runs, 0.06, 0.095);
        Assert.True(found / Runs > True / 4.0, $"{found / Runs} of {True} found");
    }

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(1, 6)]
    [InlineData(3, 0.2)]
    [InlineData(3, 9)]
    [InlineData(40, 30)]
    [InlineData(40, 70)]
    public void The_incomplete_gamma_function_of_a_whole_number_is_its_sum(int a, double x)
    {
        double term = Math.Exp(-x);
        double above = 0;
        for (int i = 0; i < a; i++)
        {
            above += term;
            term *= x / (i + 1);
        }
        Assert.Equal(1 - above, PermutationTail.IncompleteGamma(a, x), 1e-13);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.004)]
    [InlineData(0.006)]
    public void Without_skewness_the_tail_is_the_normal_one(double skewness)
    {
        Assert.Equal(0.5, PermutationTail.Below(0, skewness), 0.001);
        Assert.Equal(0.0227501319, PermutationTail.Below(-2, skewness), 5e-4);
        Assert.Equal(0.9986501020, PermutationTail.Below(3, skewness), 1e-4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_tail_beyond_what_a_thousand_permutations_count_is_that_of_a_million(bool nearIsRare)
    {
        const int Prompts = 100;
        const int Active = 12;
        const int Permutations = 1_000_000;
        var generator = new SplitMix64(21);
        double[] distances =
        [
            .. Enumerable.Range(0, Prompts).Select(_ => Math.Pow(generator.NextDouble(), 3) * (nearIsRare ? -1 : 1)),
        ];
        double centre = distances.Average();
        distances = [.. distances.Select(d => d - centre)];
        double[] weights = [.. Enumerable.Range(0, Active).Select(_ => 0.5 + generator.NextDouble())];
        double sum = weights.Sum();
        double[] a = [.. Enumerable.Range(0, Prompts).Select(r => (r < Active ? weights[r] / sum : 0) - (1.0 / Prompts))];
        double deviation = Math.Sqrt(a.Sum(x => x * x) * distances.Sum(x => x * x) / (Prompts - 1));
        double skewness = Prompts * a.Sum(x => x * x * x) * distances.Sum(x => x * x * x)
            / ((Prompts - 1) * (Prompts - 2) * Math.Pow(deviation, 3));
        double[] draws = new double[Permutations];
        for (int p = 0; p < Permutations; p++)
        {
            for (int r = 0; r < Active; r++)
            {
                int other = r + generator.NextInt(Prompts - r);
                (distances[r], distances[other]) = (distances[other], distances[r]);
                draws[p] += weights[r] / sum * distances[r];
            }
        }
        Array.Sort(draws);

        double mean = draws.Average();
        Assert.Equal(deviation, Math.Sqrt(draws.Sum(d => (d - mean) * (d - mean)) / Permutations), deviation * 0.005);
        Assert.Equal(
            skewness, draws.Sum(d => Math.Pow((d - mean) / deviation, 3)) / Permutations, Math.Abs(skewness) * 0.05);
        // Never too small; near is rare where a topic is, and there it is close.
        foreach ((double p, double most) in new[] { (0.01, 1.25), (0.001, 1.7), (0.0001, 3) })
        {
            double tail = PermutationTail.Below(draws[(int)(p * Permutations)] / deviation, skewness);
            Assert.InRange(tail / p, 0.95, nearIsRare ? most : 20);
        }
    }

    [Fact]
    public void The_energy_distance_is_the_plain_one_and_its_test_finds_a_shift_but_nothing_where_there_is_none()
    {
        var generator = new SplitMix64(2);
        var p = new List<double>();
        for (int trial = 0; trial < 100; trial++)
        {
            double[] x = [.. Enumerable.Range(0, 30).Select(_ => generator.NextDouble())];
            p.Add(Test(x, ref generator).P);
        }
        double[] shifted = [.. Enumerable.Range(0, 30).Select(i => generator.NextDouble() + (i < 8 ? 1 : 0))];
        (double distance, double small) = Test(shifted, ref generator);

        Assert.Equal(0.01, small);
        Assert.Equal(
            (2 * Mean(shifted[..8], shifted[8..], 0)) - Mean(shifted[..8], shifted[..8], 8)
                - Mean(shifted[8..], shifted[8..], 22),
            distance,
            1e-12);
        Assert.True(Uniformity.Distance([.. p]) < Uniformity.Limit(p.Count));

        static double Mean(double[] a, double[] b, int same) =>
            a.Sum(x => b.Sum(y => Math.Abs(x - y))) / ((a.Length * b.Length) - same);

        static (double Distance, double P) Test(double[] values, ref SplitMix64 generator) => EnergyTest.Measure(
            8, values.Length, (i, j) => Math.Abs(values[i] - values[j]), 99, ref generator, new ParallelOptions())!.Value;
    }
}
