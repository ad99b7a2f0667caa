using LayerSteer.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class TopicProfileTests
{
    [Fact]
    public void A_profile_is_read_back_to_the_bit()
    {
        using var folder = new TemporaryFolder();
        TopicProfile profile = Sample(folder, out FeatureScoring scoring);

        profile.Write(folder["medical.json"]);
        TopicProfile read = TopicProfile.Read(folder["medical.json"]);

        Assert.Equal(profile.Scores.Latents, read.Scores.Latents);
        Assert.Equal(profile.Scores.Scores, read.Scores.Scores);
        Assert.Equal(profile.Scores.Support, read.Scores.Support);
        Assert.Equal(profile, read with { Scores = profile.Scores, Reasons = profile.Reasons });
        Assert.Equal(scoring.Scores.Values.ToArray(), read.ToLatentScores().Values.ToArray());
        Assert.Equal(scoring.Scores.Supported.ToArray(), read.ToLatentScores().Supported.ToArray());
        Assert.Equal(
            ["index", "medical.json"], Directory.GetFileSystemEntries(folder.Root).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_profile_says_what_it_was_made_with()
    {
        using var folder = new TemporaryFolder();

        TopicProfile profile = Sample(folder, out FeatureScoring scoring);

        Assert.Equal("medical", profile.Name);
        Assert.Equal(TopicProfile.Scored, profile.Verdict);
        Assert.Empty(profile.Reasons);
        Assert.Equal("sae-digest", profile.Provenance.Sae.Digest);
        Assert.Equal("blocks.2.hook_resid_post", profile.HookPoint);
        Assert.Equal(12, profile.Provenance.Reference.Count);
        Assert.Equal(11, profile.PromptsUsed);
        Assert.Equal(scoring.MinDistances.Min(), profile.MinDistance.Min);
        Assert.Equal(scoring.MinDistances.Average(), profile.MinDistance.Mean, 1e-12);
        Assert.All(profile.Scores.Support, support => Assert.InRange(support, 1, 11));
    }

    [Fact]
    public void A_profile_says_the_type_of_its_model_and_one_that_does_not_is_f32()
    {
        using var folder = new TemporaryFolder();
        TopicProfile profile = Sample(folder, out _);
        profile = profile with { Provenance = profile.Provenance with { Dtype = "int8" } };
        profile.Write(folder["medical.json"]);
        string text = File.ReadAllText(folder["medical.json"]);
        Assert.Equal("int8", TopicProfile.Read(folder["medical.json"]).Provenance.Dtype);

        folder.Write("medical.json", text.Replace(",\"dtype\":\"int8\"", "", StringComparison.Ordinal));
        Assert.Equal("f32", TopicProfile.Read(folder["medical.json"]).Provenance.Dtype);
        folder.Write("medical.json", text.Replace("\"int8\"", "\"f64\"", StringComparison.Ordinal));
        Assert.Equal(
            $"'{folder["medical.json"]}': provenance.dtype is 'f64', expected f32, bf16, int8",
            Assert.Throws<InvalidDataException>(() => TopicProfile.Read(folder["medical.json"])).Message);
    }

    [Fact]
    public void The_all_zero_scores_of_the_published_code_can_be_kept_too()
    {
        using var folder = new TemporaryFolder();
        TopicProfile profile = Sample(folder, out _, publishedBug: true);

        profile.Write(folder["medical.json"]);

        TopicProfile read = TopicProfile.Read(folder["medical.json"]);
        Assert.True(read.PublishedBug);
        Assert.Equal(TopicProfile.NotSteerable, read.Verdict);
        Assert.Equal(SampleIndex.DSae, read.ToLatentScores().ScoredCount);
    }

    [Theory]
    [InlineData("\"latents\":[0,", "\"latents\":[40,",
        "scores.latents[0] is 40 after -1, expected ascending latents from 0 to 39")]
    [InlineData("\"latents\":[0,", "\"latents\":[", "scores has 38 latents, 39 scores and 39 supports")]
    [InlineData("\"scores\":[", "\"scores\":[-1,", "scores has 39 latents, 40 scores and 39 supports")]
    [InlineData("\"support\":[", "\"support\":[0,", "scores has 39 latents, 39 scores and 40 supports")]
    [InlineData("\"verdict\":\"scored\"", "\"verdict\":\"fine\"",
        "verdict is 'fine', expected 'scored' or 'not steerable'")]
    [InlineData("\"verdict\":\"scored\"", "\"verdict\":\"not steerable\"", "verdict is 'not steerable' with 0 reasons")]
    [InlineData("\"coverage\":", "\"coverage\":1", "coverage is 10.975, expected 0 to 1")]
    [InlineData("\"d_sae\":40", "\"d_sae\":0", "d_sae is 0 and d_model is 64, expected 1 to 16777216")]
    [InlineData("\"prompts_used\":11", "\"prompts_used\":13",
        "prompts_used is 13, expected 0 to the 12 of provenance.reference")]
    [InlineData("\"texts\":2", "\"texts\":3", "alignment has 3 texts and 2 windows")]
    [InlineData("\"min\":", "\"min\":1", "min_distance is not ordered from 0 to 2")]
    public void A_value_that_cannot_be_is_refused_by_field(string from, string to, string message)
    {
        using var folder = new TemporaryFolder();
        Sample(folder, out _).Write(folder["p.json"]);
        string text = File.ReadAllText(folder["p.json"]);
        Assert.Contains(from, text, StringComparison.Ordinal);
        folder.Write("p.json", text.Replace(from, to, StringComparison.Ordinal));

        var error = Assert.Throws<InvalidDataException>(() => TopicProfile.Read(folder["p.json"]));

        Assert.Equal($"'{folder["p.json"]}': {message}", error.Message);
    }

    [Fact]
    public void A_cut_off_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        Sample(folder, out _).Write(folder["p.json"]);
        folder.Write("p.json", File.ReadAllText(folder["p.json"])[..^40]);

        var error = Assert.Throws<InvalidDataException>(() => TopicProfile.Read(folder["p.json"]));

        Assert.StartsWith($"'{folder["p.json"]}': ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_median_of_an_even_number_is_the_mean_of_the_middle_two() =>
        Assert.Equal(new DistanceStatistics(1, 2.75, 2.5, 5), DistanceStatistics.Of([5, 2, 3, 1]));

    private static TopicProfile Sample(TemporaryFolder folder, out FeatureScoring scoring, bool publishedBug = false)
    {
        PromptSummary[] prompts = SampleIndex.Prompts(12, seed: 3, active: 30);
        ReferenceIndex index = ReferenceIndex.Open(
            SampleIndex.Build(folder["index"], SampleIndex.Manifest(prompts), prompts));
        var generator = new SplitMix64(9);
        float[] alignment =
        [
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
        ];
        scoring = new FeatureScorer(index).Score(alignment, publishedBug);
        var source = new AlignmentSource("medical.csv", ReferenceSource.DigestOf(["a", "b"]), 2, 2);
        return TopicProfile.From(
            "medical", index.Manifest, scoring, source, new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero));
    }
}
