using System.Diagnostics;
using CsCheck;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class FeatureScorerTests(ITestOutputHelper output)
{
    [Fact]
    public void Scores_equal_the_plain_formula() => Gen.ULong.Sample(
        seed =>
        {
            using var folder = new TemporaryFolder();
            PromptSummary[] prompts = SampleIndex.Prompts(12, seed);
            ReferenceIndex index = Open(folder, prompts);
            float[] alignment = Alignment(3, seed);
            foreach (SummaryKind kind in Enum.GetValues<SummaryKind>())
            {
                FeatureScoring scoring = new FeatureScorer(index, kind).Score(alignment);
                double?[] expected = Plain(prompts, alignment, kind);
                for (int f = 0; f < SampleIndex.DSae; f++)
                {
                    Assert.Equal(expected[f].HasValue, scoring.Scores.Supported[f]);
                    Assert.Equal(expected[f] ?? 0, scoring.Scores.Values[f], 1e-12);
                }
            }
        },
        iter: 15);

    [Fact]
    public void Distance_in_lanes_equals_the_plain_sum() => Gen.Float[-1, 1].Array[1, 70].Sample(x =>
    {
        float[] y = [.. x.Reverse()];
        double plain = x.Zip(y, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
        return Math.Abs(plain - FeatureScorer.SquaredDistance(x, y)) <= 1e-13 * (1 + plain);
    });

    [Fact]
    public void A_text_that_is_in_both_sets_is_at_distance_zero_exactly()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] prompts = SampleIndex.Prompts(3);
        ReferenceIndex index = Open(folder, prompts);

        FeatureScoring scoring = new FeatureScorer(index).Score(index.Embeddings(1)[..SampleIndex.DEmbedding]);

        Assert.Equal(0, scoring.MinDistances[1]);
        Assert.True(scoring.MinDistances[0] > 0);
    }

    [Fact]
    public void A_latent_without_support_has_no_score_and_is_never_among_the_best()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Open(folder, SampleIndex.Prompts(6));

        LatentScores scores = new FeatureScorer(index).Score(Alignment(2, 5)).Scores;

        Assert.False(scores.Supported[SampleIndex.DSae - 1]);
        Assert.DoesNotContain(SampleIndex.DSae - 1, scores.Top(SampleIndex.DSae));
        Assert.Equal(scores.ScoredCount, scores.Top(SampleIndex.DSae).Length);
        Assert.DoesNotContain(scores.Values.ToArray(), double.IsNaN);
    }

    [Fact]
    public void Equal_distances_make_every_score_zero_and_the_topic_not_steerable()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Open(folder, SampleIndex.Prompts(1));

        FeatureScoring scoring = new FeatureScorer(index).Score(Alignment(2, 5));

        Assert.Equal(TopicProfile.NotSteerable, scoring.Verdict);
        Assert.Equal(["every supported latent has the same distance to the topic"], scoring.Reasons);
        Assert.True(scoring.Scores.ScoredCount > 0);
        Assert.All(scoring.Scores.Values.ToArray(), score => Assert.Equal(0, score));
    }

    [Fact]
    public void An_index_on_which_nothing_fired_is_not_steerable()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] silent = [.. SampleIndex.Prompts(3).Select(Silent)];
        ReferenceIndex index = Open(folder, silent);

        FeatureScoring scoring = new FeatureScorer(index).Score(Alignment(2, 5));

        Assert.Equal(TopicProfile.NotSteerable, scoring.Verdict);
        Assert.Equal(["no latent is active on any reference prompt"], scoring.Reasons);
        Assert.Equal(SampleIndex.DSae, scoring.Scores.UnsupportedCount);
        Assert.Equal(0, scoring.Coverage);
    }

    [Fact]
    public void The_published_switch_says_why_every_score_is_zero()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Open(folder, SampleIndex.Prompts(7));
        FeatureScorer scorer = new(index);

        FeatureScoring scoring = scorer.Score(Alignment(2, 5), publishedBug: true);

        int unsupported = scorer.Score(Alignment(2, 5)).Scores.UnsupportedCount;
        Assert.Equal(
            [$"the published scoring makes every score 0: {unsupported} latents never fired and 1 prompts were silent"],
            scoring.Reasons);
        Assert.Equal(0, scoring.Scores.UnsupportedCount);
        Assert.All(scoring.Scores.Values.ToArray(), score => Assert.Equal(0, score));
    }

    [Fact]
    public void A_vector_that_is_not_normalised_is_refused_with_its_length()
    {
        using var folder = new TemporaryFolder();
        FeatureScorer scorer = new(Open(folder, SampleIndex.Prompts(3)));
        float[] alignment = Alignment(2, 5);
        alignment[SampleIndex.DEmbedding] = 3;

        var error = Assert.Throws<ArgumentException>(() => scorer.Score(alignment));

        Assert.StartsWith("embedding 1 has length 3.", error.Message, StringComparison.Ordinal);
        Assert.Contains("expected 1 (L2-normalised, finite)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_NaN_vector_is_refused()
    {
        using var folder = new TemporaryFolder();
        FeatureScorer scorer = new(Open(folder, SampleIndex.Prompts(3)));
        float[] alignment = Alignment(1, 5);
        alignment[0] = float.NaN;

        var error = Assert.Throws<ArgumentException>(() => scorer.Score(alignment));

        Assert.Contains("embedding 0 has length NaN, expected 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_thousand_prompts_are_scored_well_within_a_tenth_of_a_second()
    {
        using var folder = new TemporaryFolder();
        const int dSae = 32_768;
        PromptSummary[] prompts = Large(2_000, dSae, 300, 384);
        IndexManifest manifest = SampleIndex.Manifest(prompts, dSae, 384);
        SampleIndex.Build(folder["index"], manifest, prompts, 100);
        var clock = Stopwatch.StartNew();
        ReferenceIndex index = ReferenceIndex.Open(folder["index"]);
        output.WriteLine($"open {clock.Elapsed.TotalMilliseconds:F0} ms");
        FeatureScorer scorer = new(index);
        var generator = new SplitMix64(3);
        float[] alignment = [.. Enumerable.Range(0, 20).SelectMany(_ => SampleIndex.Unit(384, ref generator))];

        double best = double.PositiveInfinity;
        for (int run = 0; run < 5; run++)
        {
            clock.Restart();
            scorer.Score(alignment);
            best = Math.Min(best, clock.Elapsed.TotalMilliseconds);
        }

        output.WriteLine($"score {best:F1} ms");
        Assert.InRange(best, 0, 100);
    }

    private static PromptSummary[] Large(int count, int dSae, int active, int dEmbedding)
    {
        var generator = new SplitMix64(11);
        var prompts = new PromptSummary[count];
        for (int id = 0; id < count; id++)
        {
            var latents = new SortedSet<int>();
            while (latents.Count < active)
            {
                latents.Add(generator.NextInt(dSae));
            }
            double[] values = new double[active];
            for (int i = 0; i < active; i++)
            {
                values[i] = 0.1 + generator.NextDouble();
            }
            prompts[id] = new PromptSummary
            {
                Id = id,
                Digest = ReferenceSource.DigestOfText($"{id}"),
                Tokens = 80,
                Embeddings = SampleIndex.Unit(dEmbedding, ref generator),
                Latents = [.. latents],
                Sum = values,
                SumOfSquares = values,
                Max = [.. values.Select(value => (float)value)],
                Count = [.. values.Select(_ => 1)],
            };
        }
        return prompts;
    }

    private static double?[] Plain(PromptSummary[] prompts, float[] alignment, SummaryKind kind)
    {
        double[] numerator = new double[SampleIndex.DSae];
        double[] denominator = new double[SampleIndex.DSae];
        foreach (PromptSummary prompt in prompts)
        {
            double squared = prompt.Embeddings.Chunk(SampleIndex.DEmbedding)
                .SelectMany(window => alignment.Chunk(SampleIndex.DEmbedding), (window, text) => window.Zip(text))
                .Min(pairs => pairs.Sum(pair => Math.Pow((double)pair.First - pair.Second, 2)));
            double[] values = kind switch
            {
                SummaryKind.Average => prompt.Sum,
                SummaryKind.Maximum => [.. prompt.Max.Select(value => (double)value)],
                _ => [.. prompt.Count.Select(value => (double)value)],
            };
            for (int i = 0; i < prompt.Latents.Length; i++)
            {
                numerator[prompt.Latents[i]] += values[i] / values.Sum() * squared;
                denominator[prompt.Latents[i]] += values[i] / values.Sum();
            }
        }
        double?[] mean = [.. numerator.Select((n, f) => denominator[f] > 0 ? n / denominator[f] : (double?)null)];
        return [.. mean.Select(m => 1 - ((m - mean.Min()) / (mean.Max() - mean.Min())))];
    }

    private static PromptSummary Silent(PromptSummary prompt) => prompt with
    {
        Tokens = 0,
        Latents = [],
        Sum = [],
        SumOfSquares = [],
        Max = [],
        Count = [],
    };

    private static ReferenceIndex Open(TemporaryFolder folder, PromptSummary[] prompts) =>
        ReferenceIndex.Open(SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts), prompts));

    private static float[] Alignment(int texts, ulong seed)
    {
        var generator = new SplitMix64(seed ^ 99);
        return [.. Enumerable.Range(0, texts).SelectMany(_ => SampleIndex.Unit(SampleIndex.DEmbedding, ref generator))];
    }
}
