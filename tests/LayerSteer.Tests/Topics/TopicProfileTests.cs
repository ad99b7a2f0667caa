using System.Text.RegularExpressions;
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
        "verdict is 'fine', expected 'scored', 'supported', 'weak' or 'not steerable'")]
    [InlineData("\"verdict\":\"scored\"", "\"verdict\":\"weak\"",
        "verdict is 'weak' without uncertainty, which decides it")]
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
    public void A_card_is_read_back_and_has_one_value_a_scored_latent()
    {
        using var folder = new TemporaryFolder();
        TopicProfile profile = WithCard(folder);

        profile.Write(folder["medical.json"]);
        TopicProfile read = TopicProfile.Read(folder["medical.json"]);

        ProfileUncertainty card = profile.Uncertainty!;
        Assert.Equal(card.ToJson().ToJsonString(), read.Uncertainty!.ToJson().ToJsonString());
        Assert.Equal(profile.Scores.Latents.Length, card.ShrunkMean.Length);
        Assert.Equal(card.Options, read.Uncertainty.Options);
        Assert.Contains(null, card.QValue);
        Assert.Equal(card.Nearest.Select(latent => latent.ShrunkMean).Order(), card.Nearest.Select(latent => latent.ShrunkMean));
        Assert.Equal(profile.Verdict, read.Verdict);
        Assert.Equal(profile.Reasons, read.Reasons);
        Assert.NotEqual(TopicProfile.Scored, read.Verdict);
    }

    [Theory]
    [InlineData("\"effective_prompts\":[", "\"effective_prompts\":[1,",
        "uncertainty: has 40 effective_prompts, 39 errors, 39 q_values and 39 shrunk_means, expected 39, one a scored latent")]
    [InlineData("\"shrunk_mean\":[", "\"shrunk_mean\":[1e999,",
        "uncertainty: has 39 effective_prompts, 39 errors, 39 q_values and 40 shrunk_means, expected 39, one a scored latent")]
    [InlineData("\"replicates\":100", "\"replicates\":-1",
        "uncertainty: options.replicates is -1 and permutations is 99, expected 100 and 99 to 1000000")]
    [InlineData("\"q_value\":0.1", "\"q_value\":1e999", "uncertainty: options.q_value is Infinity, expected 0 to 1")]
    [InlineData("\"at_least_ten\":", "\"at_least_ten\":7", "uncertainty: coverage.at_least_ten is 70, expected 0 to 1")]
    [InlineData("\"tested\":", "\"tested\":40", "uncertainty: separation.tested is 402, expected 0 to 39")]
    [InlineData("\"tokens\":", "\"tokens\":-", "uncertainty: density.tokens is -330, expected 0 to 1.7976931348623157E+308")]
    [InlineData("\"nearest\":[{\"latent\":", "\"nearest\":[null,{\"latent\":",
        "uncertainty: has a null or too many entries in nearest, expected at most 32")]
    public void A_card_that_cannot_be_is_refused_by_field(string from, string to, string message)
    {
        using var folder = new TemporaryFolder();
        WithCard(folder).Write(folder["p.json"]);
        string text = File.ReadAllText(folder["p.json"]);
        Assert.Contains(from, text, StringComparison.Ordinal);
        int at = text.LastIndexOf(from, StringComparison.Ordinal);
        folder.Write("p.json", text[..at] + to + text[(at + from.Length)..]);

        var error = Assert.Throws<InvalidDataException>(() => TopicProfile.Read(folder["p.json"]));

        Assert.Equal($"'{folder["p.json"]}': {message}", error.Message);
    }

    [Fact]
    public void No_change_of_one_number_of_a_card_ends_otherwise_than_read_or_refused()
    {
        using var folder = new TemporaryFolder();
        WithCard(folder).Write(folder["p.json"]);
        string text = File.ReadAllText(folder["p.json"]);
        int card = text.IndexOf("\"uncertainty\"", StringComparison.Ordinal);
        string[] hostile = ["-1", "1e999", "-1e999", "null", "[]", "{}", "\"x\"", "99999999999999999999", "true"];
        var generator = new SplitMix64(5);
        Match[] numbers = Regex.Matches(text[card..], "-?[0-9]+(\\.[0-9]+)?(E-?[0-9]+)?").ToArray();
        int refused = 0;
        for (int i = 0; i < 400; i++)
        {
            Match number = numbers[generator.NextInt(numbers.Length)];
            string changed = text[..(card + number.Index)] + hostile[generator.NextInt(hostile.Length)]
                + text[(card + number.Index + number.Length)..];
            folder.Write("p.json", changed);
            try
            {
                TopicProfile.Read(folder["p.json"]);
            }
            catch (InvalidDataException e)
            {
                Assert.StartsWith($"'{folder["p.json"]}': ", e.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.InRange(refused, 300, 400);
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

    internal static TopicProfile WithCard(TemporaryFolder folder)
    {
        TopicProfile plain = Sample(folder, out FeatureScoring scoring);
        ReferenceIndex index = ReferenceIndex.Open(folder["index"]);
        var generator = new SplitMix64(9);
        float[] alignment =
        [
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
        ];
        UncertaintyCard card = UncertaintyCard.Measure(
            index, alignment, options: new UncertaintyOptions { Replicates = 100, Permutations = 99 });
        return TopicProfile.From("medical", index.Manifest, scoring, plain.Alignment, plain.Created, card);
    }

    internal static TopicProfile Sample(TemporaryFolder folder, out FeatureScoring scoring, bool publishedBug = false)
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
