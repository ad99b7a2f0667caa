using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>The statistical identities of the card, in simulation; each with a fixed seed.</summary>
public sealed class UncertaintyStatisticsTests : IDisposable
{
    private const int DEmbedding = SampleIndex.DEmbedding;

    private readonly TemporaryFolder _folder = new();
    private int _indexes;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Bootstrap_errors_are_the_linearised_ones_where_a_latent_is_on_many_prompts()
    {
        Case data = Sample(170, 4, active: 20);
        double[] squared = Random(data, 8);
        LatentSupport support = data.Support(squared);
        LatentErrors errors = data.Errors(squared, new UncertaintyOptions());
        double[] ratios =
        [
            .. Enumerable.Range(0, SampleIndex.DSae).Where(f => support.Prompts[f] >= 20)
                .Select(f => errors.FromReferences[f] / support.LinearisedError[f]),
        ];
        Assert.True(ratios.Length >= 30);
        Assert.InRange(ratios.Average(), 0.98, 1.05);
        Assert.All(ratios, ratio => Assert.InRange(ratio, 0.88, 1.15));
    }

    [Fact]
    public void Draws_and_permutations_give_what_plain_loops_give()
    {
        Case data = Sample(40, 6, active: 9);
        double[] squared = Random(data, 3);
        var options = new UncertaintyOptions { Replicates = 150, Permutations = 199, EffectivePrompts = 2 };
        LatentSupport support = data.Support(squared);
        LatentErrors errors = data.Errors(squared, options);
        TopicSeparation separation = data.Separation(squared, options);
        double[] d = LatentSupport.Used(data.Columns, squared);
        var draws = new SplitMix64(options.Seed);
        int[][] counts = [.. Enumerable.Range(0, options.Replicates).Select(_ => Counts(d.Length, ref draws))];
        var deals = new SplitMix64(options.Seed ^ 0x9E3779B97F4A7C15UL);
        double[] order = [.. d];
        double[][] dealt = [.. Enumerable.Range(0, options.Permutations).Select(_ => Shuffled(order, ref deals))];
        int[] family = [.. Enumerable.Range(0, SampleIndex.DSae).Where(f => support.Effective[f] >= 2)];
        for (int f = 0; f < SampleIndex.DSae; f++)
        {
            double[] replicates = [.. counts.Select(c => Mean(data, f, d, c)).Where(double.IsFinite)];
            if (support.Prompts[f] > 1)
            {
                double mean = replicates.Average();
                Assert.Equal(
                    Math.Sqrt(replicates.Sum(m => (m - mean) * (m - mean)) / (replicates.Length - 1)),
                    errors.FromReferences[f],
                    1e-10);
                Assert.Equal(
                    counts.Count(c => double.IsNaN(Mean(data, f, d, c))) / 150.0, support.Missing[f], 0.13);
            }
            int near = dealt.Count(x => Mean(data, f, x, null) <= support.Mean[f] + 1e-11);
            if (family.Contains(f) && near >= 10)
            {
                Assert.Equal((near + 1) / 200.0, separation.PValue[f]);
            }
        }
        double variance = Variance([.. family.Select(f => support.Mean[f])]);
        int wider = dealt.Count(x => Variance([.. family.Select(f => Mean(data, f, x, null))]) >= variance);
        Assert.Equal((wider + 1) / 200.0, separation.GlobalP);
        Assert.Equal(family.Length, separation.Tested);
    }

    [Fact]
    public void P_values_are_uniform_when_distances_have_nothing_to_do_with_latents()
    {
        const int Draws = 300;
        Case data = Sample(80, 5, active: 14);
        var p = new List<double>();
        var global = new List<double>();
        for (int draw = 0; draw < Draws; draw++)
        {
            double[] squared = Random(data, (ulong)(1000 + draw));
            TopicSeparation separation =
                data.Separation(squared, new UncertaintyOptions { Seed = (ulong)draw, Permutations = 199 });
            double[] tested = [.. separation.PValue.Where(value => !double.IsNaN(value))];
            p.Add(tested[draw % tested.Length]);
            global.Add(separation.GlobalP!.Value);
        }

        Assert.True(Uniformity.Distance([.. p]) < Uniformity.Limit(Draws), $"p: {Uniformity.Distance([.. p])}");
        Assert.True(
            Uniformity.Distance([.. global]) < Uniformity.Limit(Draws), $"global p: {Uniformity.Distance([.. global])}");
    }

    [Fact]
    public void Few_latents_that_are_about_the_topic_are_found_though_permutations_are_too_few_to_count_them()
    {
        const int Planted = 4;
        Case data = Sample(200, 9, active: 80, dSae: 300);
        double[] squared = Random(data, 12);
        int[] planted =
            [.. Enumerable.Range(0, 300).Where(f => data.Support(squared).Effective[f] >= 10).Take(Planted)];
        foreach (int f in planted)
        {
            foreach (int r in data.Columns.Rows(f))
            {
                squared[data.Columns.Prompts[r]] *= 0.15;
            }
        }
        var options = new UncertaintyOptions { Permutations = 199 };
        TopicSeparation separation = data.Separation(squared, options);

        // By counting alone no p is below 1/200, and 300 tests need one of 0.1 · 4/300.
        Assert.True(0.1 * Planted / separation.Tested < 1.0 / 200);
        Assert.Equal(Planted, planted.Length);
        Assert.All(planted, f => Assert.True(separation.QValue[f] < 0.1, $"{f}: {separation.QValue[f]}"));
        Assert.InRange(separation.Significant, Planted, Planted + 3);
    }

    [Fact]
    public void Under_a_null_no_variance_is_left_between_latents()
    {
        Case data = Sample(150, 3, active: 60, dSae: 200);
        var shares = new List<double>();
        for (int draw = 0; draw < 40; draw++)
        {
            LatentShrinkage shrinkage = LatentShrinkage.Of(data.Support(Random(data, (ulong)draw)));
            shares.Add(shrinkage.Between!.Value / shrinkage.Within!.Value);
            Assert.Equal(4.0 / 3, shrinkage.Within!.Value, 0.35); // the variance of a uniform number from 0 to 4
        }

        Assert.True(shares.Count(share => share == 0) >= 20, $"{shares.Count(share => share == 0)} of 40 are 0");
        Assert.All(shares, share => Assert.True(share < 0.01, $"{share}"));
    }

    [Fact]
    public void Kappa_is_right_in_a_planted_case_and_shrunk_means_are_nearer_the_truth()
    {
        const int Latents = 4000;
        const double Within = 0.04;
        const double Between = 0.004;
        var generator = new SplitMix64(6);
        double[] truth = new double[Latents];
        LatentSupport support = Empty(Latents);
        for (int f = 0; f < Latents; f++)
        {
            double n = Math.Exp(generator.NextDouble() * Math.Log(60));
            truth[f] = 1.6 + (Math.Sqrt(Between) * Normal(ref generator));
            support.Effective[f] = n;
            support.Mean[f] = truth[f] + (Math.Sqrt(Within / n) * Normal(ref generator));
            support.Spread[f] = Within * (n - 1) / n * (0.7 + (0.6 * generator.NextDouble()));
        }

        LatentShrinkage shrinkage = LatentShrinkage.Of(support with { GrandMean = support.Mean.Average() });

        Assert.Equal(Within, shrinkage.Within!.Value, Within * 0.03);
        Assert.Equal(Between, shrinkage.Between!.Value, Between * 0.12);
        Assert.Equal(Within / Between, shrinkage.Kappa!.Value, 1.5);
        double raw = truth.Select((t, f) => Math.Pow(support.Mean[f] - t, 2)).Average();
        double shrunk = truth.Select((t, f) => Math.Pow(shrinkage.Mean[f] - t, 2)).Average();
        Assert.True(shrunk < raw / 2, $"{shrunk} against {raw}");
        // The posterior sd says how near.
        Assert.Equal(shrunk, shrinkage.Deviation.Average(sd => sd * sd), shrunk * 0.1);
    }

    [Fact]
    public void Intervals_cover_the_truth_where_a_latent_is_on_many_prompts()
    {
        const int Trials = 60;
        const int Latents = 12;
        double[] truth = Truth(20_000);
        int covered = 0;
        int all = 0;
        for (int trial = 0; trial < Trials; trial++)
        {
            Case data = Population(140, (ulong)(50 + trial), out double[] squared);
            LatentSupport support = data.Support(squared);
            LatentErrors errors = data.Errors(squared, new UncertaintyOptions { Seed = (ulong)trial, Replicates = 300 });
            for (int f = 0; f < Latents; f++)
            {
                if (support.Prompts[f] >= 20)
                {
                    all++;
                    covered += errors.Lower[f] <= truth[f] && truth[f] <= errors.Upper[f] ? 1 : 0;
                }
            }
        }

        Assert.True(all > 600);
        Assert.InRange((double)covered / all, 0.90, 0.98);

        double[] Truth(int prompts)
        {
            Case data = Population(prompts, 1, out double[] squared);
            return data.Support(squared).Mean;
        }
    }

    [Fact]
    public void A_latent_on_one_prompt_has_no_error_and_is_unstable()
    {
        PromptSummary[] prompts = SampleIndex.Prompts(30, seed: 2, active: 12);
        prompts[3] = prompts[3] with
        {
            Latents = [.. prompts[3].Latents, SampleIndex.DSae - 1],
            Sum = [.. prompts[3].Sum, 1.5],
            SumOfSquares = [.. prompts[3].SumOfSquares, 2],
            Max = [.. prompts[3].Max, 1],
            Count = [.. prompts[3].Count, 2],
        };
        Case data = Build(prompts, SampleIndex.DSae);
        double[] squared = Random(data, 1);
        const int Lonely = SampleIndex.DSae - 1;
        LatentSupport support = data.Support(squared);
        LatentErrors errors = data.Errors(squared, new UncertaintyOptions());
        TopicSeparation separation = data.Separation(squared, new UncertaintyOptions());

        Assert.Equal((1, 1.0, squared[3]), (support.Prompts[Lonely], support.Effective[Lonely], support.Mean[Lonely]));
        double used = data.Columns.Prompts.Length;
        Assert.Equal(Math.Pow(1 - (1 / used), used), support.Missing[Lonely], 1e-12);
        double[] missing =
        [
            support.LinearisedError[Lonely], support.Spread[Lonely], errors.FromReferences[Lonely], errors.Lower[Lonely],
            errors.Upper[Lonely], separation.PValue[Lonely], separation.QValue[Lonely],
        ];
        Assert.All(missing, value => Assert.True(double.IsNaN(value)));
    }

    [Fact]
    public void The_grand_mean_weighs_latents_by_their_activation()
    {
        Case data = Sample(30, 8, active: 12);
        double[] squared = Random(data, 4);
        LatentSupport support = data.Support(squared);
        double weighted = 0;
        double weights = 0;
        for (int f = 0; f < SampleIndex.DSae; f++)
        {
            double weight = data.Columns.Values(f).ToArray().Sum();
            weights += weight;
            weighted += weight > 0 ? weight * support.Mean[f] : 0;
        }
        Assert.Equal(weighted / weights, support.GrandMean, 1e-12);
    }

    private static LatentSupport Empty(int latents) => new()
    {
        Prompts = new int[latents],
        Effective = new double[latents],
        Mean = new double[latents],
        Spread = new double[latents],
        LinearisedError = new double[latents],
        Missing = new double[latents],
        GrandMean = 0,
    };

    /// <summary>
    /// Prompts of a population: each of twelve latents is active with its own chance, and a prompt is the nearer the more
    /// of the even ones are.
    /// </summary>
    private Case Population(int prompts, ulong seed, out double[] squared)
    {
        const int Latents = 12;
        var generator = new SplitMix64(seed);
        PromptSummary[] summaries = SampleIndex.Prompts(prompts, seed, dSae: Latents + 1, active: 1);
        squared = new double[prompts];
        for (int r = 0; r < prompts; r++)
        {
            var latents = new List<int>();
            for (int f = 0; f < Latents; f++)
            {
                if (generator.NextDouble() < 0.15 + (0.05 * f))
                {
                    latents.Add(f);
                }
            }
            double[] sums = [.. latents.Select(_ => 0.1 + generator.NextDouble())];
            squared[r] = 1.7 - (0.1 * latents.Count(f => f % 2 == 0)) + (0.3 * (generator.NextDouble() - 0.5));
            summaries[r] = summaries[r] with
            {
                Tokens = 30,
                Latents = [.. latents],
                Sum = sums,
                SumOfSquares = sums,
                Max = [.. sums.Select(s => (float)s)],
                Count = [.. latents.Select(_ => 1)],
            };
        }
        return Build(summaries, Latents + 1);
    }

    private Case Sample(int prompts, ulong seed, int active, int dSae = SampleIndex.DSae) =>
        Build(SampleIndex.Prompts(prompts, seed, dSae, active), dSae);

    private Case Build(PromptSummary[] prompts, int dSae)
    {
        string path = SampleIndex.Build(
            _folder[$"index{_indexes++}"], SampleIndex.Manifest(prompts, dSae), prompts, partSize: 5000);
        return new Case(ReferenceIndex.Open(path));
    }

    /// <summary>Distances that have nothing to do with latents: uniform, 0 to 4.</summary>
    private static double[] Random(Case data, ulong seed)
    {
        var generator = new SplitMix64(seed);
        return [.. Enumerable.Range(0, data.Index.PromptCount).Select(_ => generator.NextDouble() * 4)];
    }

    private static int[] Counts(int prompts, ref SplitMix64 generator)
    {
        int[] counts = new int[prompts];
        for (int draw = 0; draw < prompts; draw++)
        {
            counts[generator.NextInt(prompts)]++;
        }
        return counts;
    }

    private static double[] Shuffled(double[] order, ref SplitMix64 generator)
    {
        generator.Shuffle<double>(order);
        return [.. order];
    }

    private static double Mean(Case data, int f, double[] distances, int[]? counts)
    {
        double numerator = 0;
        double denominator = 0;
        for (int i = 0; i < data.Columns.Rows(f).Length; i++)
        {
            int row = data.Columns.Rows(f)[i];
            double weight = data.Columns.Values(f)[i] * (counts?[row] ?? 1);
            numerator += weight * distances[row];
            denominator += weight;
        }
        return numerator / denominator;
    }

    private static double Variance(double[] values)
    {
        double mean = values.Average();
        return values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1);
    }

    private static double Normal(ref SplitMix64 generator) =>
        Math.Sqrt(-2 * Math.Log(1 - generator.NextDouble())) * Math.Cos(2 * Math.PI * generator.NextDouble());

    private sealed class Case(ReferenceIndex index)
    {
        public ReferenceIndex Index => index;

        public LatentColumns Columns { get; } = new(index.Summaries(SummaryKind.Average));

        public LatentSupport Support(double[] squared) => LatentSupport.Of(Columns, LatentSupport.Used(Columns, squared));

        public LatentErrors Errors(double[] squared, UncertaintyOptions options)
        {
            float[] text = index.Embeddings(0)[..DEmbedding].ToArray();
            var texts = new TextDistances(index, Columns.Prompts, text, [0, 1], new ParallelOptions());
            return LatentErrors.Measure(
                Columns,
                LatentSupport.Used(Columns, squared),
                Support(squared),
                texts,
                options,
                new ParallelOptions());
        }

        public TopicSeparation Separation(double[] squared, UncertaintyOptions options)
        {
            LatentSupport support = Support(squared);
            return TopicSeparation.Measure(
                Columns,
                LatentSupport.Used(Columns, squared),
                support,
                LatentShrinkage.Of(support),
                options,
                new ParallelOptions());
        }
    }
}
