using LayerSteer.Autoencoders;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class ContrastiveScorerTests : IDisposable
{
    private const int DSae = 7;
    private const int PromptTokens = 20;

    /// <summary>[latent][token] on two reference prompts of 20 tokens each; what is left out is 0.</summary>
    private static readonly double[][] References =
    [
        [2, 0, 1],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
        [],
        [0.5],
        [0, 4, 4],
        [0, 0, 0.25],
        [1, 3],
    ];

    /// <summary>[latent][text][token] on the topic: three texts of four tokens each.</summary>
    private static readonly double[][][] Topic =
    [
        [[1, 2, 3, 0], [0, 0, 2, 0], [1, 0, 0, 0]],
        [[9, 9, 9, 9], [9, 9, 9, 9], [9, 9, 9, 0]],
        [[5, 5, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]],
        [[7, 7, 7, 7], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0.1, 0, 0, 0], [0.1, 0, 0, 0], [0, 0, 0, 0]],
        [[3, 3, 3, 3], [3, 3, 3, 3], [0, 0, 0, 1]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_contrast_is_cohens_d_over_tokens()
    {
        double[] contrast = ContrastiveScorer.Contrast(Index(), Activations());
        for (int f = 0; f < DSae; f++)
        {
            double[] topic = [.. Topic[f].SelectMany(text => text)];
            double[] references =
                [.. References[f], .. Enumerable.Repeat(0.0, (2 * PromptTokens) - References[f].Length)];
            double spread = Math.Sqrt((Variance(topic) + Variance(references)) / 2);
            Assert.Equal((topic.Average() - references.Average()) / spread, contrast[f], 1e-9);
        }
    }

    [Fact]
    public void Scores_are_contrasts_over_the_largest_with_a_gap_where_no_reference_fired()
    {
        double[] contrast = ContrastiveScorer.Contrast(Index(), Activations());
        LatentScores scores = ContrastiveScorer.Score(Index(), Activations());
        Assert.Equal([true, true, false, true, true, true, true], scores.Supported.ToArray());
        Assert.Equal(1, scores.Values[5]);
        Assert.Equal(contrast[0] / contrast[5], scores.Values[0], 1e-12);
        Assert.InRange(scores.Values[0], 0.1, 0.9);

        // 1 fires on 9 of 40 reference tokens, 3 in one text only, 4 and 6 less than on the references.
        Assert.All((int[])[1, 3, 4, 6], latent => Assert.Equal(0, scores.Values[latent]));
        Assert.True(contrast[1] > contrast[5] && contrast[3] > 0);
        Assert.Equal([2f, 1f, 0f, 0.5f, 4f, 0.25f, 3f], scores.Maxima.ToArray());
    }

    [Fact]
    public void What_is_left_out_is_an_option()
    {
        LatentScores dense = ContrastiveScorer.Score(
            Index(), Activations(), new ContrastOptions { LargestDensity = 9.0 / 40 });
        Assert.Equal(1, dense.Values[1]);
        LatentScores rare = ContrastiveScorer.Score(
            Index(), Activations(), new ContrastOptions { LargestDensity = 1.0 / 40 });
        Assert.Equal(0, rare.Values[0]);
        LatentScores single = ContrastiveScorer.Score(Index(), Activations(), new ContrastOptions { LeastTexts = 1 });
        Assert.True(single.Values[3] > 0);

        // No latent can fire on more texts than there are.
        LatentScores all = ContrastiveScorer.Score(Index(), Activations(), new ContrastOptions { LeastTexts = 9 });
        Assert.Equal([0, 5], Enumerable.Range(0, DSae).Where(latent => all.Values[latent] > 0));
    }

    [Fact]
    public void Another_autoencoder_is_refused() => Assert.Equal(
        "the topic was read through an autoencoder of 3 latents, the index through one of 7",
        Assert.Throws<ArgumentException>(
            () => ContrastiveScorer.Score(Index(), Activations() with { Sum = new double[3] })).Message);

    private static double Variance(double[] values)
    {
        double mean = values.Average();
        return values.Average(value => (value - mean) * (value - mean));
    }

    private static TopicActivations Activations() => new()
    {
        Texts = 3,
        Tokens = 12,
        Sum = [.. Topic.Select(texts => texts.Sum(text => text.Sum()))],
        SumOfSquares = [.. Topic.Select(texts => texts.Sum(text => text.Sum(z => z * z)))],
        TokensActive = [.. Topic.Select(texts => texts.Sum(text => text.Count(z => z > 0)))],
        TextsActive = [.. Topic.Select(texts => texts.Count(text => text.Any(z => z > 0)))],
        Mean = [0],
        Scatter = [0],
        ByText = [],
        Errors = [],
        Quality = default(ReconstructionQuality),
    };

    private ReferenceIndex Index()
    {
        var generator = new SplitMix64(4);
        PromptSummary[] prompts = [.. Enumerable.Range(0, 2).Select(Prompt)];
        string folder = _folder[$"index-{Guid.NewGuid():N}"];
        return ReferenceIndex.Open(SampleIndex.Build(folder, SampleIndex.Manifest(prompts, DSae), prompts));

        // Every second of a latent's values is on the second prompt.
        PromptSummary Prompt(int id)
        {
            double[][] own =
                [.. References.Select(values => values.Where((z, i) => i % 2 == id && z > 0).ToArray())];
            int[] latents = [.. Enumerable.Range(0, DSae).Where(latent => own[latent].Length > 0)];
            return new PromptSummary
            {
                Id = id,
                Digest = ReferenceSource.DigestOfText($"text {id}"),
                Tokens = PromptTokens,
                Embeddings = SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
                Latents = latents,
                Sum = [.. latents.Select(latent => own[latent].Sum())],
                SumOfSquares = [.. latents.Select(latent => own[latent].Sum(z => z * z))],
                Max = [.. latents.Select(latent => (float)own[latent].Max())],
                Count = [.. latents.Select(latent => own[latent].Length)],
            };
        }
    }
}
