using System.Text.Json;
using LayerSteer.Tests.Topics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`topic` with the model at hand: what it says of the topic's own texts.</summary>
public sealed class TopicModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly PocketModel _pocket = PocketModel.Open(SamplePocket.Folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_pocket_model_reads_the_texts_unless_it_is_left_out()
    {
        string[] topic = ["topic", "--align", SamplePocket.Medical, "--out", _folder["t.json"], "--json"];
        CliRun run = await CliRun.Of(topic);
        TopicProfile profile = TopicProfile.Read(_folder["t.json"]);
        Assert.Equal(
            profile.Representation!.ToJson().ToJsonString(), run.Json.GetProperty("representation").GetRawText());
        Assert.Equal(
            profile.ToLatentScores(ScoringKind.Contrastive).Top(5),
            run.Json.GetProperty("contrastive_top").EnumerateArray().Select(latent => latent.GetInt32()));
        Assert.Equal((5, "none"), (profile.Contrast!.Texts, profile.Contrast.Filter));
        Assert.Contains(
            $"model and autoencoder on {profile.Representation.Tokens} tokens in ",
            run.Notes,
            StringComparison.Ordinal);

        CliRun without = await CliRun.Of([.. topic, "--no-model"]);
        Assert.Equal(JsonValueKind.Null, without.Json.GetProperty("representation").ValueKind);
        Assert.Equal(JsonValueKind.Null, without.Json.GetProperty("contrastive_top").ValueKind);
        Assert.Null(TopicProfile.Read(_folder["t.json"]).Contrast);
        Assert.Equal(run.Json.GetProperty("top").GetRawText(), without.Json.GetProperty("top").GetRawText());
    }

    [Fact]
    public async Task A_model_that_is_named_says_what_the_pocket_model_does()
    {
        string[] named = Named(_pocket.Model, _pocket.DefaultSae.Path);
        CliRun pocket = await CliRun.Of("topic", "--align", SamplePocket.Medical, "--json");
        CliRun run = await CliRun.Of([.. named, "--json"]);
        Assert.Equal(pocket.Out, run.Out);
        CliRun plain = await CliRun.Of([.. named[..^4], "--json"]);
        Assert.Equal(JsonValueKind.Null, plain.Json.GetProperty("representation").ValueKind);
    }

    [Fact]
    public async Task How_much_is_read_what_it_is_compared_with_and_the_filter_are_options()
    {
        string general = _folder.Write("general.txt", "A walk up the hill.\n\nThe lake at the bridge, and a boat.");
        string[] topic = ["topic", "--align", SamplePocket.Medical, "--out", _folder["t.json"]];
        await CliRun.Done(topic);
        ProfileContrast all = TopicProfile.Read(_folder["t.json"]).Contrast!;
        await CliRun.Done([.. topic, "--align-tokens", "12", "--general", general, "--filter", "output"]);
        TopicProfile read = TopicProfile.Read(_folder["t.json"]);
        Assert.Equal((10, 10, 5), (read.Contrast!.Tokens, read.Representation!.Tokens, read.Contrast.Texts));
        Assert.Equal("output", read.Contrast.Filter);
        Assert.NotEqual(all.OtherTexts, read.Contrast.OtherTexts);
        Assert.NotEqual(all.MeanDifference, read.Contrast.MeanDifference);

        await CliRun.Done([.. topic, "--filter", "confidence"]);
        ProfileContrast half = TopicProfile.Read(_folder["t.json"]).Contrast!;
        Assert.InRange(half.Latents.Length, 1, all.Latents.Length - 1);
        Assert.Subset(all.Latents.ToHashSet(), half.Latents.ToHashSet());
    }

    [Fact]
    public async Task Another_model_than_that_of_the_index_is_refused()
    {
        string[] tuned = Named(Path.Combine(_pocket.Folder, "finetuned", "medical"), _pocket.DefaultSae.Path);
        Assert.StartsWith(
            "topic 'medical' was made with model digest ", await CliRun.Refused(2, tuned), StringComparison.Ordinal);
        Assert.Equal(
            "--model goes with corrected scores: seed mode and --published-bug are the published scores",
            await CliRun.Refused(1, [.. Named(_pocket.Model, _pocket.DefaultSae.Path), "--published-bug"]));
    }

    [Theory]
    [InlineData("--model and --sae belong together", "--model", "m")]
    [InlineData("--model and --sae belong together", "--sae", "s")]
    [InlineData("--no-model does not go with --model", "--no-model", "--model", "m", "--sae", "s")]
    [InlineData("--align-tokens is '0', expected a whole number from 1 on", "--align-tokens", "0")]
    [InlineData("--filter is 'best'; there are none, output, confidence", "--filter", "best")]
    public async Task Options_that_cannot_be_are_refused(string expected, params string[] more) => Assert.Equal(
        expected, await CliRun.Refused(1, ["topic", "--align", SamplePocket.Medical, .. more]));

    private string[] Named(string model, string sae) =>
    [
        "topic", "--align", SamplePocket.Medical, "--index", _pocket.Index, "--encoder", _pocket.Encoder, "--model",
        model, "--sae", sae,
    ];
}
