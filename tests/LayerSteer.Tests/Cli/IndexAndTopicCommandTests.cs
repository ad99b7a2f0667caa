using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`index` and `topic` against golden.npz in seed mode; tolerances from golden/README.md.</summary>
public class IndexAndTopicCommandTests
{
    private const double OfVectors = 2e-6;
    private const double OfSummaries = 1e-6;
    private const double OfScores = 1e-5;

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task The_dump_of_an_index_is_that_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var folder = new TempFolder();
        CliRun run =
            await CliRun.Of([.. golden.Index(folder.File("index")), "--dump", folder.File("dump.npz"), "--json"]);
        Assert.Equal(Coverage(golden, "avg"), run.Json.GetProperty("coverage").GetDouble(), 1e-12);
        Assert.Equal("none", run.Json.GetProperty("bos").GetString());
        using TensorFile dump = TensorFile.Open(folder.File("dump.npz"));
        foreach (string summary in new[] { "avg", "max", "counts" })
        {
            string key = "score.latents_" + summary;
            Close.To(golden.Floats(key), dump[key].ToFloats(), OfSummaries, key);
        }

        Close.To(golden.Floats("score.ref_embed"), dump["score.ref_embed"].ToFloats(), OfVectors, "score.ref_embed");
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task Scores_of_a_topic_are_those_of_the_reference_with_gaps_where_nothing_fired(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        using var folder = new TempFolder();
        await CliRun.Done(golden.Index(folder.File("index")));
        string scores = folder.File("scores.csv");
        CliRun run = await CliRun.Of(
        [
            .. golden.Topic(folder.File("index")), "--mode", "seed", "--encoder", golden.Encoder,
            "--out", folder.File("topic.json"), "--scores-out", scores, "--dump", folder.File("dump.npz"), "--json",
        ]);
        JsonElement scoring = golden.Json.GetProperty("scoring");
        Assert.Equal(Coverage(golden, "avg"), run.Json.GetProperty("coverage").GetDouble(), 1e-12);
        Assert.Equal(TopicProfile.Scored, run.Json.GetProperty("verdict").GetString());
        Assert.Equal(
            GoldenCase.Ints(scoring.GetProperty("intended_top5")), GoldenCase.Ints(run.Json.GetProperty("top")));
        float[] intended = golden.Floats("score.intended");
        LatentScores read = LatentScores.ReadCsv(scores, intended.Length);
        Close.To(intended, [.. read.Values.ToArray().Select(score => (float)score)], OfScores, "score.intended");
        Assert.Equal(scoring.GetProperty("features_never_fired").GetInt32(), read.UnsupportedCount);
        TopicProfile profile = TopicProfile.Read(folder.File("topic.json"));
        Assert.Equal(read.Values.ToArray(), profile.ToLatentScores().Values.ToArray());
        using TensorFile dump = TensorFile.Open(folder.File("dump.npz"));
        Close.To(
            golden.Floats("score.align_embed"), dump["score.align_embed"].ToFloats(), OfVectors, "score.align_embed");
        Close.To(golden.Floats("score.min_dist"), dump["score.min_dist"].ToFloats(), OfVectors, "score.min_dist");
        Close.To(intended, dump["score.intended"].ToFloats(), OfScores, "score.intended");
    }

    [Theory]
    [InlineData("avg")]
    [InlineData("max")]
    [InlineData("Counts")]
    public async Task Each_summary_has_the_coverage_of_the_reference(string summary)
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        await CliRun.Done(golden.Index(folder.File("index")));
        CliRun run = await CliRun.Of([.. golden.Topic(folder.File("index")), "--summary", summary, "--json"]);
        Assert.Equal(Coverage(golden, summary.ToLowerInvariant()), run.Json.GetProperty("coverage").GetDouble(), 1e-12);
    }

    [Fact]
    public async Task The_published_defect_makes_every_score_zero_and_says_so()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        await CliRun.Done(golden.Index(folder.File("index")));
        string scores = folder.File("scores.csv");
        CliRun run = await CliRun.Of(
            [.. golden.Topic(folder.File("index")), "--published-bug", "--scores-out", scores, "--json"]);
        Assert.Equal(TopicProfile.NotSteerable, run.Json.GetProperty("verdict").GetString());
        float[] published = golden.Floats("score.published");
        Assert.Equal(
            published.Select(score => (double)score), LatentScores.ReadCsv(scores, published.Length).Values.ToArray());
    }

    [Fact]
    public async Task Csv_files_are_those_that_the_published_code_writes()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string csv = folder.File("csv");
        await CliRun.Done([.. golden.Index(folder.File("index")), "--csv", csv]);
        await CliRun.Done([.. golden.Topic(folder.File("index")), "--csv", csv]);
        string expected = Path.Combine(golden.Folder, "csv");
        CsvLayout.Equal(Path.Combine(expected, "D_ref_embeds.csv"), Path.Combine(csv, "D_ref_embeds.csv"), OfVectors);
        CsvLayout.Equal(
            Path.Combine(expected, "D_align_embeds.csv"), Path.Combine(csv, "D_align_embeds.csv"), OfVectors);
        CsvLayout.Equal(
            Path.Combine(expected, "dref_latents_2.csv"), Path.Combine(csv, "dref_latents_2.csv"), OfSummaries);
    }

    [Fact]
    public async Task Shards_that_are_merged_score_as_the_whole_to_the_bit()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        using var folder = new TempFolder();
        await CliRun.Done(golden.Index(folder.File("whole")));
        await CliRun.Done([.. golden.Index(folder.File("a")), "--shard", "1/2"]);
        await CliRun.Done([.. golden.Index(folder.File("b")), "--shard", "2/2"]);
        CliRun merged = await CliRun.Of(
            "index", "merge", folder.File("a"), folder.File("b"), "--out", folder.File("joined"), "--json");
        Assert.Equal(12, merged.Json.GetProperty("prompts").GetInt32());
        foreach (string index in new[] { "whole", "joined" })
        {
            await CliRun.Done([.. golden.Topic(folder.File(index)), "--scores-out", folder.File(index + ".csv")]);
        }

        Assert.Equal(
            await File.ReadAllBytesAsync(folder.File("whole.csv"), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(folder.File("joined.csv"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_named_topic_is_listed_and_found()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string name = $"medical {Path.GetFileName(folder.Path)}";
        await CliRun.Done(golden.Index(folder.File("index"), "corrected"));
        await CliRun.Done([.. golden.Topic(folder.File("index")), "--name", name, "--out", folder.File("topic.json")]);
        CliRun list = await CliRun.Of("topic", "list", "--json");
        Assert.Contains(name, list.Json.EnumerateArray().Select(topic => topic.GetProperty("name").GetString()));
        string[] generate = ["generate", "The nurse", .. golden.Steered(), "-n", "4", "--force", "--json"];
        Assert.Equal(
            GoldenCase.Ints(
                (await CliRun.Of([.. generate, "--topic", folder.File("topic.json")])).Json.GetProperty("ids")),
            GoldenCase.Ints((await CliRun.Of([.. generate, "--topic", name])).Json.GetProperty("ids")));
    }

    [Fact]
    public async Task A_table_tells_verdict_coverage_and_the_best_latents()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        CliRun index = await CliRun.Done(golden.Index(folder.File("index")));
        Assert.Contains("95.70 % of 512 latents", index.Out, StringComparison.Ordinal);
        CliRun topic = await CliRun.Done(golden.Topic(folder.File("index")));
        int best = golden.Json.GetProperty("scoring").GetProperty("intended_top5")[0].GetInt32();
        Assert.Contains("490 scored, 22 unsupported", topic.Out, StringComparison.Ordinal);
        Assert.Contains($"{best} (1.000, ", topic.Out, StringComparison.Ordinal);
    }

    private static double Coverage(GoldenCase golden, string summary) =>
        golden.Json.GetProperty("scoring").GetProperty("coverage_" + summary).GetDouble();
}
