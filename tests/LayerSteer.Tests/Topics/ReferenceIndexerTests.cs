using LayerSteer.Models;
using LayerSteer.Tests.Golden;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class ReferenceIndexerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("layersteer-indexer-").FullName;

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public void Summaries_distances_and_scores_from_texts_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var parts = new Parts(golden);
        ReferenceIndex index = parts.Build(Path.Combine(_folder, name), SteeringMode.Seed);
        foreach ((SummaryKind kind, string array) in new[]
        {
            (SummaryKind.Average, "avg"), (SummaryKind.Maximum, "max"), (SummaryKind.Counts, "counts"),
        })
        {
            Close.To(golden.Floats("score.latents_" + array), Dense(index.Summaries(kind)), 1e-6, array);
            Assert.Equal(
                golden.Json.GetProperty("scoring").GetProperty("coverage_" + array).GetDouble(),
                index.Summaries(kind).Coverage,
                1e-9);
        }

        string align = Path.Combine(golden.Folder, "d_align.csv");
        ScoredTopic topic = TopicProfiler.Profile(
            "topic", index, parts.Encoder, TextTable.Read(align), cancellation: TestContext.Current.CancellationToken);
        Close.To(golden.Floats("score.align_embed"), topic.Alignment, 2e-6, "align_embed");
        Close.To(
            golden.Floats("score.min_dist"),
            topic.Scoring.MinDistances.Select(d => (float)d).ToArray(),
            1e-5,
            "min_dist");
        Close.To(
            golden.Floats("score.intended"),
            topic.Scoring.Scores.Values.ToArray().Select(s => (float)s).ToArray(),
            1e-5,
            "intended");
        Assert.Equal(
            GoldenCase.Ints(golden.Json.GetProperty("scoring").GetProperty("intended_top5")),
            topic.Scoring.Scores.Top(5));
    }

    [Theory]
    [InlineData(SteeringMode.Seed)]
    [InlineData(SteeringMode.Corrected)]
    public void A_build_that_was_cancelled_and_resumed_scores_as_one_that_was_not(SteeringMode mode)
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var parts = new Parts(golden);
        var many = new TextTable(
            Enumerable.Range(0, 5).SelectMany(i => parts.References.Texts.Select(t => $"{t} ({i})")));
        ReferenceIndex whole = parts.Build(Path.Combine(_folder, "whole"), mode, many);

        string resumed = Path.Combine(_folder, "resumed");
        using var cancellation = new CancellationTokenSource();
        var cancel = new CancelAfterFirstPart(cancellation);
        Assert.Throws<OperationCanceledException>(() => parts.Build(resumed, mode, many, cancel, cancellation.Token));
        Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(resumed));
        Assert.True(ReferenceIndex.Open(resumed, allowUnfinished: true).PromptCount is > 0 and < 80);
        AssertSame(whole, parts.Build(resumed, mode, many));
    }

    [Fact]
    public void Shards_merged_are_the_whole_index()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var parts = new Parts(golden);
        ReferenceIndex whole = parts.Build(Path.Combine(_folder, "whole"), SteeringMode.Corrected);
        string[] shards = [.. Enumerable.Range(1, 3).Select(i => Path.Combine(_folder, $"shard{i}"))];
        for (int i = 0; i < shards.Length; i++)
        {
            ReferenceIndexer indexer = parts.Indexer(SteeringMode.Corrected);
            IndexManifest manifest = indexer.Manifest(parts.References, i + 1, shards.Length);
            indexer.Build(shards[i], manifest, parts.References, cancellation: TestContext.Current.CancellationToken);
        }

        ReferenceIndex.Merge(shards[2], shards[0], Path.Combine(_folder, "two"));
        ReferenceIndex.Merge(Path.Combine(_folder, "two"), shards[1], Path.Combine(_folder, "merged"));
        AssertSame(whole, ReferenceIndex.Open(Path.Combine(_folder, "merged")));
    }

    [Fact]
    public void A_prompt_beyond_the_context_is_the_sum_of_its_chunks()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var parts = new Parts(golden);
        string text = string.Concat(Enumerable.Repeat("A goose crossed the yard and the ferry leaned on the mud. ", 12));
        int[] ids = parts.Tokenizer.Encode(text);
        int context = parts.Decoder.Spec.ContextLength;
        Assert.True(ids.Length > 2 * context);

        ReferenceIndex corrected = parts.Build(
            Path.Combine(_folder, "corrected"), SteeringMode.Corrected, new TextTable([text]));
        Assert.Equal(ids.Length, corrected.Tokens[0]);
        ReferenceIndex seed = parts.Build(Path.Combine(_folder, "seed"), SteeringMode.Seed, new TextTable([text]));
        Assert.Equal(ids.Length - 1, seed.Tokens[0]);
    }

    [Fact]
    public void A_prompt_is_summarised_the_same_whatever_stands_beside_it()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var parts = new Parts(golden);
        ReferenceIndex together = parts.Build(Path.Combine(_folder, "together"), SteeringMode.Corrected);
        for (int i = 0; i < 3; i++)
        {
            ReferenceIndex alone = parts.Build(
                Path.Combine(_folder, $"alone{i}"), SteeringMode.Corrected, new TextTable([parts.References.Texts[i]]));
            SummaryRows one = alone.Summaries(SummaryKind.Average);
            SummaryRows all = together.Summaries(SummaryKind.Average);
            Assert.Equal(all.Latents(i).ToArray(), one.Latents(0).ToArray());
            Assert.Equal(all.Values(i).ToArray(), one.Values(0).ToArray());
            Assert.Equal(together.Embeddings(i).ToArray(), alone.Embeddings(0).ToArray());
        }
    }

    [Fact]
    public void A_text_of_one_token_takes_no_part_in_seed_mode_and_is_named()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var parts = new Parts(golden);
        var texts = new TextTable(["Some longer text about boats", "a", "Another text"]);
        ReferenceIndexer indexer = parts.Indexer(SteeringMode.Seed);
        string folder = Path.Combine(_folder, "silent");
        IReadOnlyList<int> silent = indexer.Build(
            folder, indexer.Manifest(texts), texts, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([1], silent);
        Assert.True(ReferenceIndex.Open(folder).Summaries(SummaryKind.Average).Latents(1).IsEmpty);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static float[] Dense(SummaryRows rows)
    {
        int dSae = rows.Support.Length;
        float[] dense = new float[rows.PromptCount * dSae];
        for (int row = 0; row < rows.PromptCount; row++)
        {
            ReadOnlySpan<int> latents = rows.Latents(row);
            dense.AsSpan(row * dSae, dSae).Fill(latents.IsEmpty ? float.NaN : 0f);
            for (int i = 0; i < latents.Length; i++)
            {
                dense[(row * dSae) + latents[i]] = (float)rows.Values(row)[i];
            }
        }

        return dense;
    }

    private static void AssertSame(ReferenceIndex expected, ReferenceIndex actual)
    {
        Assert.Equal(expected.PromptIds, actual.PromptIds);
        Assert.Equal(expected.Digests, actual.Digests);
        float[] topic = expected.Embeddings(0).ToArray();
        foreach (SummaryKind kind in Enum.GetValues<SummaryKind>())
        {
            Assert.Equal(
                new FeatureScorer(expected, kind).Score(topic).Scores.Values.ToArray(),
                new FeatureScorer(actual, kind).Score(topic).Scores.Values.ToArray());
        }
    }

    private sealed class CancelAfterFirstPart(CancellationTokenSource source) : IProgress<IndexProgress>
    {
        public void Report(IndexProgress value)
        {
            if (value.Done > 0)
            {
                source.Cancel();
            }
        }
    }

    private sealed class Parts(GoldenCase golden) : IDisposable
    {
        private readonly Steerer _steerer = Steerer.Load(golden.Model, golden.Sae, golden.Layer);

        public Decoder Decoder => _steerer.Decoder;

        public TextTokenizer Tokenizer => _steerer.Tokenizer;

        public SentenceEncoder Encoder { get; } = SentenceEncoder.Load(golden.Encoder);

        public TextTable References { get; } = TextTable.Read(Path.Combine(golden.Folder, "d_ref.csv"));

        public ReferenceIndexer Indexer(SteeringMode mode) => _steerer.Indexer(Encoder, mode);

        public ReferenceIndex Build(
            string folder,
            SteeringMode mode,
            TextTable? texts = null,
            IProgress<IndexProgress>? progress = null,
            CancellationToken? cancellation = null) => _steerer.BuildIndex(
                folder,
                texts ?? References,
                Encoder,
                mode,
                progress,
                cancellation ?? TestContext.Current.CancellationToken);

        public void Dispose()
        {
            _steerer.Dispose();
            Encoder.Dispose();
        }
    }
}
