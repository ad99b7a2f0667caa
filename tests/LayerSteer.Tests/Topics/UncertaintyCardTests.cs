using System.Diagnostics;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class UncertaintyCardTests(ITestOutputHelper output)
{
    [Fact]
    public void A_card_is_the_same_to_the_bit_for_any_number_of_threads()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Sample(folder, 60, dSae: 300, active: 60);
        float[] alignment = Texts(index, 9);
        var options = new UncertaintyOptions { Seed = 5, Replicates = 200, Permutations = 150 };
        string[] files = [.. new[] { 1, 2, 5 }.Select(threads =>
        {
            UncertaintyCard card = UncertaintyCard.Measure(
                index, alignment, [3, 1, 2, 3], options: options, threads: threads,
                cancellation: TestContext.Current.CancellationToken);
            return string.Join(',', All(card).Select(BitConverter.DoubleToInt64Bits));
        })];

        Assert.Equal(files[0], files[1]);
        Assert.Equal(files[0], files[2]);
        UncertaintyCard other = UncertaintyCard.Measure(
            index, alignment, [3, 1, 2, 3], options: options with { Seed = 6 },
            cancellation: TestContext.Current.CancellationToken);
        Assert.NotEqual(files[0], string.Join(',', All(other).Select(BitConverter.DoubleToInt64Bits)));
    }

    [Fact]
    public void Errors_from_the_texts_are_those_of_plain_draws_of_whole_texts()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Sample(folder, 25, dSae: 40, active: 9);
        float[] alignment = Texts(index, 6);
        int[] windows = [1, 3, 2];
        var options = new UncertaintyOptions { Replicates = 120 };
        UncertaintyCard card = UncertaintyCard.Measure(
            index, alignment, windows, options: options, cancellation: TestContext.Current.CancellationToken);
        SummaryRows rows = index.Summaries(SummaryKind.Average);
        var scorer = new FeatureScorer(index);
        const int D = SampleIndex.DEmbedding;
        float[][] texts = [alignment[..D], alignment[D..(4 * D)], alignment[(4 * D)..]];
        var generator = new SplitMix64(options.Seed ^ 0x5851F42D4C957F2DUL);
        var means = new List<double[]>();
        for (int b = 0; b < options.Replicates; b++)
        {
            int[] drawn = [.. Enumerable.Range(0, 3).Select(_ => generator.NextInt(3))];
            means.Add(scorer.Score([.. drawn.SelectMany(text => texts[text])]).MeanSquaredDistance);
        }
        for (int f = 0; f < SampleIndex.DSae; f++)
        {
            if (rows.Support[f] > 0)
            {
                double mean = means.Average(m => m[f]);
                double variance = means.Sum(m => (m[f] - mean) * (m[f] - mean)) / (means.Count - 1);
                Assert.Equal(Math.Sqrt(variance), card.Errors.FromTexts[f], 1e-7);
            }
        }
        UncertaintyCard one = UncertaintyCard.Measure(
            index, alignment, [6], options: options, cancellation: TestContext.Current.CancellationToken);
        Assert.All(one.Errors.FromTexts, error => Assert.True(double.IsNaN(error)));
        Assert.Null(one.Knowledge.EnergyDistance);
        Assert.Null(one.Knowledge.InternalCosine);
        Assert.Null(one.Knowledge.TopicPrompts);
    }

    [Fact]
    public void What_the_references_know_is_what_plain_loops_find()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Sample(folder, 30, dSae: 40, active: 9);
        const int D = SampleIndex.DEmbedding;
        float[] alignment = Texts(index, 6);
        ReferenceKnowledge known = UncertaintyCard.Measure(
            index, alignment, [2, 1, 3], cancellation: TestContext.Current.CancellationToken).Knowledge;
        (int Row, float[] Vector)[] references =
        [
            .. Enumerable.Range(0, index.PromptCount).SelectMany(row =>
                index.Embeddings(row).ToArray().Chunk(D).Select(vector => (row, vector))),
        ];
        float[][] windows = [.. alignment.Chunk(D)];
        int[] textOf = [0, 0, 1, 2, 2, 2];
        double[] delta = [.. windows.Select(a => references.Min(r => Distance(a, r.Vector)))];
        double[] lambda =
        [
            .. references.Select(r => references.Where(o => o.Row != r.Row).Min(o => Distance(r.Vector, o.Vector))).Order(),
        ];
        double[] pairs =
        [
            .. from i in Enumerable.Range(0, 6) from j in Enumerable.Range(0, i) where textOf[i] != textOf[j]
               select Math.Pow(Distance(windows[i], windows[j]), 2),
        ];
        double[] d = [.. Enumerable.Range(0, index.PromptCount).Select(row =>
            references.Where(r => r.Row == row).Min(r => windows.Min(a => Distance(a, r.Vector))))];
        double limit = lambda[(int)Math.Ceiling(0.95 * lambda.Length) - 1];
        double near = pairs.Order().ElementAt((int)Math.Ceiling(0.25 * pairs.Length) - 1);

        Assert.Equal(delta.Count(x => x <= limit) / 6.0, known.InSupportShare);
        Assert.Equal(
            DistanceStatistics.Of(delta).Median / DistanceStatistics.Of(lambda).Median, known.MedianRatio!.Value, 1e-9);
        Assert.Equal(d.Count(x => x * x <= near), known.TopicPrompts);
        Assert.Equal(1 - (pairs.Average() / 2), known.InternalCosine!.Value, 1e-9);
        int[] nearest = [.. Enumerable.Range(0, d.Length).OrderBy(row => d[row]).Take(5)];
        Assert.Equal(nearest.Select(row => index.PromptIds[row]), known.Nearest.Select(reference => reference.Prompt));
        Assert.Equal(nearest.Select(row => index.Digests[row]), known.Nearest.Select(reference => reference.Digest));
        Assert.Equal((3, 6), (known.Texts, known.Windows));
    }

    [Theory]
    [InlineData(0.05, 1, 0.01, 0.1, null, null, "supported")]
    [InlineData(0.051, 1, 0.01, 0.1, null, null, "not steerable")]
    [InlineData(null, 1, 0.01, 0.1, null, null, "not steerable")]
    [InlineData(0.05, 0, 0.01, 0.1, null, null, "not steerable")]
    [InlineData(0.05, 1, 0.01, 0.09, null, null, "weak")]
    [InlineData(0.05, 1, 0.0, 0.1, null, null, "weak")]
    [InlineData(0.05, 1, 0.01, null, null, null, "supported")]
    [InlineData(0.05, 1, 0.01, 0.1, 0.49, 0.2, "weak")]
    [InlineData(0.05, 1, 0.01, 0.1, 0.5, 0.51, "weak")]
    [InlineData(0.05, 1, 0.01, 0.1, 0.5, 0.5, "supported")]
    public void A_verdict_follows_from_its_figures(
        double? globalP, int significant, double between, double? inSupport, double? mass, double? fvu, string word)
    {
        TopicVerdict verdict = TopicVerdict.Of(
            new VerdictFigures
            {
                GlobalP = globalP,
                Significant = significant,
                Between = between,
                InSupportShare = inSupport,
                SupportedMass = mass,
                UnexplainedVariance = fvu,
            },
            new UncertaintyOptions());

        Assert.Equal(word, verdict.Word);
        Assert.NotEmpty(verdict.Reasons);
    }

    [Fact]
    public void Texts_like_the_references_or_like_none_of_them_are_weak()
    {
        var figures = new VerdictFigures
        {
            GlobalP = 0.01,
            Significant = 3,
            Between = 0.01,
            InSupportShare = 1,
            EnergyP = 0.05,
            TopicPrompts = 1,
        };
        Assert.Equal(TopicProfile.Supported, TopicVerdict.Of(figures, new UncertaintyOptions()).Word);
        Assert.Equal(
            ["p of texts no different from the references 0.06, weak above 0.05"],
            TopicVerdict.Of(figures with { EnergyP = 0.06 }, new UncertaintyOptions()).Reasons);
        Assert.Equal(
            ["references as near as the topic's own texts 0, weak below 1"],
            TopicVerdict.Of(figures with { TopicPrompts = 0 }, new UncertaintyOptions()).Reasons);
    }

    [Fact]
    public void A_verdict_says_the_figures_that_decided_it_with_their_thresholds()
    {
        var figures = new VerdictFigures { GlobalP = 0.32, Significant = 0, Between = 0, InSupportShare = 0.05 };
        Assert.Equal(
            ["global p 0.32, evidence is at most 0.05", "0 latents with q below 0.1, evidence is at least 1"],
            TopicVerdict.Of(figures, new UncertaintyOptions()).Reasons);
        Assert.Equal(
            [
                "share of the topic near a reference 0.05, weak below 0.1",
                "variance between latents 0: they differ no more than their errors, so plain scores rank",
            ],
            TopicVerdict.Of(figures with { GlobalP = 0.01, Significant = 3 }, new UncertaintyOptions()).Reasons);
    }

    [Fact]
    public void Without_variance_between_latents_the_plain_scores_stay()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Sample(folder, 40, dSae: 40, active: 9);
        double[] same = [.. Enumerable.Repeat(1.5, index.PromptCount)];
        LatentShrinkage shrinkage = LatentShrinkage.Of(LatentSupport.Of(index.Summaries(SummaryKind.Average), same));
        Assert.False(shrinkage.Ranks);
        Assert.Null(shrinkage.Scores());
        Assert.Equal(0, shrinkage.Between);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused()
    {
        using var folder = new TemporaryFolder();
        ReferenceIndex index = Sample(folder, 10, dSae: 40, active: 9);
        var error = Assert.Throws<ArgumentException>(() => UncertaintyCard.Measure(
            index,
            Texts(index, 2),
            options: new UncertaintyOptions { QValue = double.NaN },
            cancellation: TestContext.Current.CancellationToken));
        Assert.Equal("q_value is NaN, expected 0 to 1", error.Message);
        Assert.StartsWith(
            "3 windows of texts, expected 2",
            Assert.Throws<ArgumentException>(() => UncertaintyCard.Measure(
                index, Texts(index, 2), [2, 1], cancellation: TestContext.Current.CancellationToken)).Message);
    }

    [Fact]
    public void A_card_of_the_pocket_index_and_one_of_the_seeds_size_are_made_in_moments()
    {
        string path = Path.Combine(TestFiles.Root, "models", "pocket", "index");
        Assert.SkipWhen(!Directory.Exists(path), "the pocket model is not here");
        ReferenceIndex pocket = ReferenceIndex.Open(path);
        using var folder = new TemporaryFolder();
        ReferenceIndex seed = Sample(folder, 150, dSae: 32_768, active: 8000);
        foreach ((string name, ReferenceIndex index) in new[] { ("pocket", pocket), ("seed", seed) })
        {
            int d = index.Manifest.DEmbedding;
            float[] alignment = [.. Enumerable.Range(0, 20).SelectMany(row => index.Embeddings(row)[..d].ToArray())];
            UncertaintyCard.Measure(index, alignment, cancellation: TestContext.Current.CancellationToken);
            long start = Stopwatch.GetTimestamp();
            UncertaintyCard card =
                UncertaintyCard.Measure(index, alignment, cancellation: TestContext.Current.CancellationToken);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            output.WriteLine(
                $"{name}: {seconds:F2} s for {index.RowStarts[^1]} activations, {card.Verdict.Word}: "
                + string.Join("; ", card.Verdict.Reasons));
            Assert.True(seconds < 20, $"{name} took {seconds:F1} s"); // a second on a quiet machine; this one may not be
        }
    }

    private static double Distance(float[] x, float[] y) =>
        Math.Sqrt(x.Zip(y, (a, b) => ((double)a - b) * ((double)a - b)).Sum());

    private static ReferenceIndex Sample(TemporaryFolder folder, int prompts, int dSae, int active)
    {
        PromptSummary[] summaries = SampleIndex.Prompts(prompts, 5, dSae, active);
        return ReferenceIndex.Open(
            SampleIndex.Build(folder["index"], SampleIndex.Manifest(summaries, dSae), summaries, partSize: 64));
    }

    private static float[] Texts(ReferenceIndex index, int windows)
    {
        var generator = new SplitMix64(31);
        return
        [
            .. Enumerable.Range(0, windows).SelectMany(_ => SampleIndex.Unit(index.Manifest.DEmbedding, ref generator)),
        ];
    }

    private static IEnumerable<double> All(UncertaintyCard card) =>
    [
        .. card.Errors.FromReferences, .. card.Errors.FromTexts, .. card.Errors.Lower, .. card.Errors.Upper,
        .. card.Separation.PValue, .. card.Separation.QValue, .. card.Shrinkage.Mean,
        card.Separation.GlobalP!.Value, card.Separation.TopZ ?? 0, card.Separation.Spread ?? 0,
        card.Knowledge.EnergyDistance!.Value, card.Knowledge.EnergyP!.Value, card.Knowledge.MedianRatio!.Value,
    ];
}
