using CsCheck;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class ReferenceIndexTests
{
    private readonly PromptSummary[] _prompts = SampleIndex.Prompts(20);

    [Fact]
    public void What_was_appended_is_read_back_to_the_bit()
    {
        using var folder = new TemporaryFolder();

        ReferenceIndex index = Open(folder, _prompts, 6);

        Assert.Equal(_prompts.Select(p => p.Id), index.PromptIds);
        Assert.Equal(_prompts.Select(p => p.Digest), index.Digests);
        Assert.Equal(_prompts.Select(p => p.Tokens), index.Tokens);
        Assert.Equal(_prompts.SelectMany(p => p.Latents), index.Latents);
        Assert.Equal(_prompts.SelectMany(p => p.Sum), index.Sums);
        Assert.Equal(_prompts.SelectMany(p => p.Max), index.Maxima);
        Assert.Equal(_prompts.SelectMany(p => p.Count), index.Counts);
        for (int row = 0; row < _prompts.Length; row++)
        {
            Assert.Equal(_prompts[row].Embeddings, index.Embeddings(row).ToArray());
        }
    }

    [Fact]
    public void Latent_statistics_add_up_over_the_parts()
    {
        using var folder = new TemporaryFolder();

        ReferenceIndex index = Open(folder, _prompts, 6);

        for (int latent = 0; latent < SampleIndex.DSae; latent++)
        {
            (PromptSummary Prompt, int At)[] active =
            [
                .. _prompts.Select(p => (p, Array.IndexOf(p.Latents, latent))).Where(found => found.Item2 >= 0),
            ];
            LatentStatistics statistics = index.LatentStatistics[latent];
            Assert.Equal(latent, statistics.Latent);
            Assert.Equal(active.Length, statistics.PromptsActive);
            Assert.Equal(active.Sum(a => a.Prompt.Count[a.At]), statistics.TokensActive);
            Assert.Equal(active.Sum(a => a.Prompt.Sum[a.At]), statistics.Sum, 1e-12);
            Assert.Equal(active.Sum(a => a.Prompt.SumOfSquares[a.At]), statistics.SumOfSquares, 1e-12);
            Assert.Equal(active.Select(a => a.Prompt.Max[a.At]).DefaultIfEmpty(0).Max(), statistics.Max);
        }
    }

    [Fact]
    public void A_build_killed_in_the_middle_of_a_part_resumes_to_the_same_scores()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        SampleIndex.Build(folder["index"], manifest, _prompts.Take(8));
        Directory.CreateDirectory(folder["index/.tmp-part-000008-000011"]);
        folder.Write("index/.tmp-part-000008-000011/prompts.parquet", "PAR1 cut off");
        folder.Write("index/.tmp-manifest.json", "{");
        folder.Write("index/writer.lock", string.Empty);

        using (ReferenceIndexWriter writer = ReferenceIndexWriter.Open(
            folder["index"], manifest with { Created = manifest.Created.AddDays(1) }))
        {
            Assert.Equal(Enumerable.Range(0, 8), writer.CompletedPrompts.Order());
            Assert.Equal(Enumerable.Range(8, 12), writer.RemainingPrompts);
            Assert.Equal(manifest.Created, writer.Manifest.Created);
            Assert.Empty(Directory.GetFileSystemEntries(folder["index"], ".tmp-*"));
            writer.Append([.. writer.RemainingPrompts.Select(id => _prompts[id])]);
            Assert.True(writer.IsComplete);
        }

        Assert.False(File.Exists(folder["index/writer.lock"]));
        Same(Open(folder, _prompts, 20, "straight"), ReferenceIndex.Open(folder["index"]));
    }

    [Fact]
    public void A_folder_that_was_killed_before_its_manifest_is_begun_again()
    {
        using var folder = new TemporaryFolder();
        folder.Write(".tmp-manifest.json", "{");
        folder.Write("writer.lock", string.Empty);

        SampleIndex.Build(folder.Root, SampleIndex.Manifest(_prompts), _prompts);

        Assert.Equal(20, ReferenceIndex.Open(folder.Root).PromptCount);
    }

    [Fact]
    public void Shards_merged_in_any_order_score_as_the_whole() => Gen.Select(Gen.ULong, Gen.Int[2, 5]).Sample(
        (seed, of) =>
        {
            using var folder = new TemporaryFolder();
            PromptSummary[] prompts = SampleIndex.Prompts(5 + (int)(seed % 20), seed);
            IndexManifest manifest = SampleIndex.Manifest(prompts);
            ReferenceIndex whole = Open(folder, prompts, 3, "whole");
            var generator = new SplitMix64(seed);
            int[] order = [.. Enumerable.Range(1, of)];
            generator.Shuffle<int>(order);
            var shards = new List<string>();
            foreach (int number in order)
            {
                IdRange ids = IdRange.OfShard(number, of, prompts.Length);
                PromptSummary[] own = prompts[ids.First..ids.End];
                shards.Add(SampleIndex.Build(
                    folder[$"shard-{number}"], manifest with { Ids = [ids] }, own, 1 + (number % 3)));
            }
            while (shards.Count > 1)
            {
                string merged = folder[$"merged-{shards.Count}"];
                ReferenceIndex.Merge(shards[0], shards[1], merged);
                shards = [.. shards.Skip(2), merged];
            }
            Same(whole, ReferenceIndex.Open(shards[0]));
        },
        iter: 12);

    [Fact]
    public void Two_lists_are_joined_as_the_list_of_both()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] more = SampleIndex.Prompts(9, seed: 2);
        PromptSummary[] both = [.. _prompts, .. more.Select(p => p with { Id = p.Id + _prompts.Length })];
        SampleIndex.Build(folder["a"], SampleIndex.Manifest(_prompts), _prompts);
        SampleIndex.Build(folder["b"], SampleIndex.Manifest(more), more);

        ReferenceIndex.Merge(folder["a"], folder["b"], folder["c"]);

        ReferenceIndex joined = ReferenceIndex.Open(folder["c"]);
        Assert.Equal("refs.csv + refs.csv", joined.Manifest.Reference.Path);
        Same(Open(folder, both, 5, "straight"), joined);
    }

    [Fact]
    public void Shards_that_share_a_prompt_are_refused_with_its_id()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        SampleIndex.Build(folder["a"], manifest with { Ids = [new IdRange(0, 12)] }, _prompts[..12]);
        SampleIndex.Build(folder["b"], manifest with { Ids = [new IdRange(10, 20)] }, _prompts[10..]);

        var error = Assert.Throws<InvalidDataException>(
            () => ReferenceIndex.Merge(folder["a"], folder["b"], folder["c"]));

        Assert.Equal($"'{folder["b"]}': prompt 10 is in '{folder["a"]}' as well", error.Message);
        Assert.False(Path.Exists(folder["c"]));
    }

    [Fact]
    public void Indexes_of_two_modes_are_refused_by_field()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] more = SampleIndex.Prompts(9, seed: 2);
        SampleIndex.Build(folder["a"], SampleIndex.Manifest(_prompts), _prompts);
        SampleIndex.Build(folder["b"], SampleIndex.Manifest(more) with { Mode = SteeringMode.Seed }, more);

        var error = Assert.Throws<InvalidDataException>(
            () => ReferenceIndex.Merge(folder["a"], folder["b"], folder["c"]));

        Assert.Equal($"'{folder["b"]}': mode is seed, expected corrected as in '{folder["a"]}'", error.Message);
    }

    [Fact]
    public void A_shard_is_not_joined_to_another_list()
    {
        using var folder = new TemporaryFolder();
        PromptSummary[] more = SampleIndex.Prompts(9, seed: 2);
        SampleIndex.Build(folder["a"], SampleIndex.Manifest(_prompts), _prompts);
        SampleIndex.Build(folder["b"], SampleIndex.Manifest(more) with { Ids = [new IdRange(0, 4)] }, more[..4]);

        var error = Assert.Throws<InvalidDataException>(
            () => ReferenceIndex.Merge(folder["a"], folder["b"], folder["c"]));

        Assert.Equal(
            $"'{folder["b"]}' holds 4 of the 9 prompts of its list and '{folder["a"]}' is of another list; "
            + "merge the shards of each list first",
            error.Message);
    }

    [Fact]
    public void A_failed_merge_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        SampleIndex.Build(folder["a"], manifest with { Ids = [new IdRange(0, 12)] }, _prompts[..12]);
        SampleIndex.Build(folder["b"], manifest with { Ids = [new IdRange(12, 20)] }, _prompts[12..15]);

        var error = Assert.Throws<InvalidDataException>(
            () => ReferenceIndex.Merge(folder["a"], folder["b"], folder["c"]));

        Assert.Equal($"'{folder["b"]}': 3 of 8 prompts are in; resume the build to finish this index", error.Message);
        Assert.Equal(["a", "b"], Directory.GetFileSystemEntries(folder.Root).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void An_unfinished_index_is_read_only_when_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        SampleIndex.Build(folder["index"], SampleIndex.Manifest(_prompts), _prompts[..12]);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder["index"]));

        Assert.Equal(
            $"'{folder["index"]}': 12 of 20 prompts are in; resume the build to finish this index",
            error.Message);
        Assert.Equal(12, ReferenceIndex.Open(folder["index"], allowUnfinished: true).PromptCount);
    }

    [Fact]
    public void A_list_with_other_texts_than_its_digest_says_is_refused()
    {
        using var folder = new TemporaryFolder();
        IndexManifest manifest = SampleIndex.Manifest(_prompts);
        manifest = manifest with { Reference = manifest.Reference with { Digest = new string('0', 64) } };
        SampleIndex.Build(folder["index"], manifest, _prompts);

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder["index"]));

        Assert.Equal(
            $"'{folder["index"]}': the prompts' digests add up to {SampleIndex.Manifest(_prompts).Reference.Digest}, "
            + $"expected reference.digest {new string('0', 64)}",
            error.Message);
    }

    [Fact]
    public void Shards_are_runs_that_cover_the_list() => Gen.Select(Gen.Int[1, 60], Gen.Int[0, 500]).Sample(
        (of, more) =>
        {
            int count = of + more;
            IdRange[] shards = [.. Enumerable.Range(1, of).Select(number => IdRange.OfShard(number, of, count))];
            Assert.Equal([new IdRange(0, count)], IdRange.Joined(shards));
            Assert.InRange(shards.Max(s => s.Count) - shards.Min(s => s.Count), 0, 1);
        });

    private static ReferenceIndex Open(
        TemporaryFolder folder, PromptSummary[] prompts, int partSize, string name = "index") =>
        ReferenceIndex.Open(SampleIndex.Build(folder[name], SampleIndex.Manifest(prompts), prompts, partSize));

    private static void Same(ReferenceIndex expected, ReferenceIndex found)
    {
        Assert.Equal(expected.Digests, found.Digests);
        Assert.Equal(expected.Manifest.Reference.Digest, found.Manifest.Reference.Digest);
        Assert.Equal(expected.Manifest.Ids, found.Manifest.Ids);
        var generator = new SplitMix64(77);
        float[] alignment =
        [
            .. Enumerable.Range(0, 3).SelectMany(_ => SampleIndex.Unit(SampleIndex.DEmbedding, ref generator)),
        ];
        foreach (SummaryKind kind in Enum.GetValues<SummaryKind>())
        {
            FeatureScoring one = new FeatureScorer(expected, kind).Score(alignment);
            FeatureScoring two = new FeatureScorer(found, kind).Score(alignment);
            Assert.Equal(one.MinDistances, two.MinDistances);
            Assert.Equal(one.Numerator, two.Numerator);
            Assert.Equal(one.Denominator, two.Denominator);
            Assert.Equal(one.Support, two.Support);
            Assert.Equal(one.Scores.Values.ToArray(), two.Scores.Values.ToArray());
        }
    }
}
