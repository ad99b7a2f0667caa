using System.Text.Json;
using LayerSteer.Models;
using LayerSteer.Tests.Topics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>The uncertainty card on the command line, and what is refused because of it.</summary>
public sealed class UncertaintyTests : IDisposable
{
    private const string Prompt = "The doctor said that";

    private readonly TemporaryFolder _folder = new();
    private readonly PocketModel _pocket = PocketModel.Open(SamplePocket.Folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_topic_has_a_card_in_its_file_its_table_and_its_json()
    {
        string[] topic = ["topic", "--align", SamplePocket.Medical, "--out", _folder["topic.json"]];
        CliRun json = await CliRun.Of([.. topic, "--uncertainty-seed", "7", "--q-value", "0.2", "--json"]);
        TopicProfile profile = TopicProfile.Read(_folder["topic.json"]);
        Assert.Equal((7ul, 0.2), (profile.Uncertainty!.Options.Seed, profile.Uncertainty.Options.QValue));
        Assert.Equal(
            profile.Uncertainty.ToJson().ToJsonString(),
            JsonSerializer.Serialize(json.Json.GetProperty("uncertainty")));
        Assert.Contains("uncertainty card in ", json.Notes, StringComparison.Ordinal);

        CliRun table = await CliRun.Done(topic);
        string[] figures = ["global p", "significant latents", "in support", "completeness", "± references", "± texts"];
        Assert.All(figures, figure => Assert.Contains(figure, table.Out, StringComparison.Ordinal));
        Assert.Contains(string.Join("; ", profile.Reasons)[..10], table.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scores_come_from_shrunk_means_and_without_a_card_they_are_the_plain_ones()
    {
        await CliRun.Done("topic", "--align", SamplePocket.Medical, "--out", _folder["card.json"]);
        await CliRun.Done("topic", "--align", SamplePocket.Medical, "--out", _folder["plain.json"], "--no-uncertainty");
        TopicProfile card = TopicProfile.Read(_folder["card.json"]);
        TopicProfile plain = TopicProfile.Read(_folder["plain.json"]);
        ReferenceIndex index = ReferenceIndex.Open(_pocket.Index);
        using SentenceEncoder encoder = _pocket.LoadEncoder(new LoadOptions());
        TextTable texts = TextTable.Read(SamplePocket.Medical);
        float[] alignment = [.. new TextEmbedder(encoder, SteeringMode.Corrected)
            .Embed(texts.Texts, TestContext.Current.CancellationToken).SelectMany(windows => windows)];
        var scorer = new FeatureScorer(index);
        LatentShrinkage shrinkage = LatentShrinkage.Of(LatentSupport.Of(
            index.Summaries(SummaryKind.Average), scorer.SquaredDistances(alignment)));

        Assert.Equal((TopicProfile.Scored, null), (plain.Verdict, plain.Uncertainty));
        Assert.Equal(scorer.Score(alignment).Scores.Values.ToArray(), plain.ToLatentScores().Values.ToArray());
        double[] expected = (shrinkage.Scores() ?? scorer.Score(alignment).Scores).Values.ToArray();
        Assert.Equal(expected, card.ToLatentScores().Values.ToArray());
        TopicProfile scores = TopicProfiler.Profile(
            "medical", index, encoder, texts, level: UncertaintyLevel.Scores,
            cancellation: TestContext.Current.CancellationToken).Profile;
        Assert.Equal(expected, scores.ToLatentScores().Values.ToArray());
    }

    [Fact]
    public async Task Generate_refuses_a_topic_without_evidence_unless_forced()
    {
        string topic = await NotSteerable();
        TopicProfile profile = TopicProfile.Read(topic);
        string doubts = $"topic 'medical' is not steerable with evidence: {string.Join("; ", profile.Reasons)}";
        string[] generate = ["generate", Prompt, "--topic", topic, "-n", "3"];
        Assert.Equal(
            $"{doubts}; give more texts of one topic, or an index whose reference texts touch on it, or --force to steer "
            + "all the same",
            await CliRun.Refused(2, generate));

        CliRun forced = await CliRun.Done([.. generate, "--force"]);
        Assert.Contains(doubts, forced.Warnings);
        CliRun weak = await Weak(topic);
        Assert.Contains($"topic 'medical' is weak: {string.Join("; ", profile.Reasons)}", weak.Warnings);

        async Task<CliRun> Weak(string path)
        {
            (profile with { Verdict = TopicProfile.Weak }).Write(path);
            return await CliRun.Done(generate);
        }
    }

    [Fact]
    public async Task Seed_mode_has_no_card_and_refuses_nothing()
    {
        string reference = Path.Combine(SamplePocket.Tiny, "reference.csv");
        await CliRun.Done("index", "--reference", reference, "--mode", "seed", "--out", _folder["index"]);
        string[] topic =
        [
            "topic", "--index", _folder["index"], "--encoder", _pocket.Encoder, "--align", SamplePocket.Medical, "--out",
            _folder["seed.json"], "--json",
        ];
        CliRun run = await CliRun.Of(topic);
        Assert.Equal(TopicProfile.Scored, run.Json.GetProperty("verdict").GetString());
        Assert.Equal(JsonValueKind.Null, run.Json.GetProperty("uncertainty").ValueKind);
        TopicProfile profile = TopicProfile.Read(_folder["seed.json"]);
        (profile with { Verdict = TopicProfile.NotSteerable, Reasons = ["nothing"] }).Write(_folder["seed.json"]);
        CliRun seed = await CliRun.Done(
            "generate", Prompt, "--mode", "seed", "--topic", _folder["seed.json"], "-n", "3");
        Assert.Contains("topic 'medical' is not steerable: nothing", seed.Warnings);
    }

    [Fact]
    public async Task The_demo_refuses_texts_without_evidence_unless_forced()
    {
        string texts = _folder.Write("odd.txt", "Nobody said a word.\n\nThe rest is silence.");
        CliRun refused = await CliRun.Of("demo", Prompt, "--align", texts);
        Assert.Equal((2, string.Empty), (refused.Code, refused.Out));
        Assert.StartsWith(
            "topic 'odd' is not steerable with evidence: ", Assert.Single(refused.Errors), StringComparison.Ordinal);

        CliRun forced = await CliRun.Of("demo", Prompt, "--align", texts, "--force", "--json");
        Assert.Equal("not steerable", forced.Json.GetProperty("topic_profile").GetProperty("verdict").GetString());
    }

    [Theory]
    [InlineData("--global-p", "2", "a number from 0 to 1")]
    [InlineData("--q-value", "-0.1", "a number from 0 to 1")]
    [InlineData("--effective-prompts", "1", "a finite number above 1")]
    [InlineData("--in-support", "much", "a number from 0 to 1")]
    [InlineData("--uncertainty-seed", "-1", "a whole number from 0 on")]
    public async Task Thresholds_that_cannot_be_are_refused(string option, string value, string expected) =>
        Assert.Equal(
            $"{option} is '{value}', expected {expected}",
            await CliRun.Refused(1, "topic", "--align", SamplePocket.Medical, option, value));

    /// <summary>No permutation gives a p-value of 0.</summary>
    private async Task<string> NotSteerable()
    {
        await CliRun.Done(
            "topic", "--align", SamplePocket.Medical, "--global-p", "0", "--out", _folder["topic.json"]);
        return _folder["topic.json"];
    }
}
