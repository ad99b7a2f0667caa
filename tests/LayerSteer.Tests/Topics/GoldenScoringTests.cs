using System.Text.Json;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

/// <summary>
/// The seed's scoring on the three reference cases. Tolerances are those of golden/README.md: 2e-6 for distances, 1e-5
/// for scores; summaries come in as float32 and are normalised again, which moves them by less than 1e-7.
/// </summary>
public sealed class GoldenScoringTests
{
    private static readonly (SummaryKind Kind, string Name)[] Kinds =
    [
        (SummaryKind.Average, "avg"), (SummaryKind.Maximum, "max"), (SummaryKind.Counts, "counts"),
    ];

    public static TheoryData<string> Cases => ["gpt2-topk", "gpt2-relu-sharded", "gpt2-fp16-lastlayer"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Distances_sums_raw_and_intended_scores_are_the_reference_ones(string gptCase)
    {
        using var golden = new GoldenArrays(gptCase);
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Index(golden, folder["index"]);

        FeatureScoring scoring = new FeatureScorer(index).Score(golden.Floats("score.align_embed"));

        double[] raw = golden.Read("score.raw").Values;
        Near(golden.Read("score.min_dist").Values, scoring.MinDistances, 2e-6);
        Near(golden.Read("score.feature_num").Values, scoring.Numerator, 1e-5);
        Near(golden.Read("score.feature_denom").Values, scoring.Denominator, 1e-5);
        Near([.. raw.Select(m => double.IsNaN(m) ? 0 : m)], scoring.MeanSquaredDistance, 1e-5);
        Near(golden.Read("score.intended").Values, scoring.Scores.Values.ToArray(), 1e-5);
        Assert.Equal(raw.Select(m => !double.IsNaN(m)), scoring.Scores.Supported.ToArray());
        Assert.Equal(TopicProfile.Scored, scoring.Verdict);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_published_switch_gives_what_the_reference_returned(string gptCase)
    {
        using var golden = new GoldenArrays(gptCase);
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Index(golden, folder["index"]);

        FeatureScoring scoring = new FeatureScorer(index).Score(golden.Floats("score.align_embed"), publishedBug: true);

        Near(golden.Read("score.published").Values, scoring.Scores.Values.ToArray(), 1e-5);
        bool allZero = Scoring(gptCase).GetProperty("published_scores_all_zero").GetBoolean();
        Assert.Equal(allZero ? TopicProfile.NotSteerable : TopicProfile.Scored, scoring.Verdict);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Coverage_dead_latents_and_the_best_five_are_the_reference_ones(string gptCase)
    {
        using var golden = new GoldenArrays(gptCase);
        using var folder = new TemporaryFolder();
        JsonElement expected = Scoring(gptCase);
        ReferenceIndex index = Index(golden, folder["index"]);

        FeatureScoring scoring = new FeatureScorer(index).Score(golden.Floats("score.align_embed"));

        foreach ((SummaryKind kind, string name) in Kinds)
        {
            double coverage = expected.GetProperty($"coverage_{name}").GetDouble();
            Assert.Equal(coverage, index.Summaries(kind).Coverage, 1e-12);
        }
        Assert.Equal(expected.GetProperty("features_never_fired").GetInt32(), scoring.Scores.UnsupportedCount);
        Assert.Equal(
            expected.GetProperty("intended_top5").EnumerateArray().Select(latent => latent.GetInt32()),
            scoring.Scores.Top(5));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_three_summaries_are_the_reference_ones(string gptCase)
    {
        using var golden = new GoldenArrays(gptCase);
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Index(golden, folder["index"]);

        foreach ((SummaryKind kind, string name) in Kinds)
        {
            SummaryRows rows = index.Summaries(kind);
            double[] dense = new double[index.PromptCount * index.Manifest.DSae];
            for (int row = 0; row < rows.PromptCount; row++)
            {
                for (int i = 0; i < rows.Latents(row).Length; i++)
                {
                    dense[(row * index.Manifest.DSae) + rows.Latents(row)[i]] = rows.Values(row)[i];
                }
            }
            Near(golden.Read($"score.latents_{name}").Values, dense, 1e-7);
        }
    }

    /// <summary>An index whose sums, maxima and counts are proportional to the reference summaries.</summary>
    internal static ReferenceIndex Index(GoldenArrays golden, string folder)
    {
        (double[] average, int[] shape) = golden.Read("score.latents_avg");
        double[] maximum = golden.Read("score.latents_max").Values;
        double[] counts = golden.Read("score.latents_counts").Values;
        (double[] embeddings, int[] embeddingShape) = golden.Read("score.ref_embed");
        int dSae = shape[1];
        int dEmbedding = embeddingShape[1];
        var prompts = new PromptSummary[shape[0]];
        for (int id = 0; id < prompts.Length; id++)
        {
            int row = id * dSae;
            int[] latents = [.. Enumerable.Range(0, dSae).Where(latent => average[row + latent] > 0)];
            double[] sums = [.. latents.Select(latent => average[row + latent])];
            int[] whole = WholeCounts([.. latents.Select(latent => counts[row + latent])]);
            prompts[id] = new PromptSummary
            {
                Id = id,
                Digest = ReferenceSource.DigestOfText($"{id}"),
                Tokens = whole.Length == 0 ? 0 : whole.Max(),
                Embeddings = [.. embeddings.Skip(id * dEmbedding).Take(dEmbedding).Select(value => (float)value)],
                Latents = latents,
                Sum = sums,
                SumOfSquares = sums,
                Max = [.. latents.Select(latent => (float)maximum[row + latent])],
                Count = whole,
            };
        }
        SampleIndex.Build(folder, SampleIndex.Manifest(prompts, dSae, dEmbedding), prompts);
        return ReferenceIndex.Open(folder);
    }

    /// <summary>The smallest whole numbers in the proportion of the shares.</summary>
    private static int[] WholeCounts(double[] shares)
    {
        for (int least = 1; shares.Length > 0; least++)
        {
            double[] scaled = [.. shares.Select(share => share / shares.Min() * least)];
            if (scaled.All(value => Math.Abs(value - Math.Round(value)) < 1e-9))
            {
                return [.. scaled.Select(value => (int)Math.Round(value))];
            }
        }
        return [];
    }

    private static JsonElement Scoring(string gptCase)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden($"{gptCase}/golden.json")));
        return document.RootElement.GetProperty("scoring").Clone();
    }

    private static void Near(double[] expected, double[] found, double tolerance)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - found[i]) <= tolerance, $"[{i}] is {found[i]}, expected {expected[i]}");
        }
    }
}
