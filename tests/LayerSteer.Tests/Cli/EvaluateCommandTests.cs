using System.Text;
using System.Text.Json;
using LayerSteer.Evaluation;
using LayerSteer.Tests.Evaluation;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`evaluate` on the sample model, whose text is noise: what is shown is the way, not the effect.</summary>
public sealed class EvaluateCommandTests : IDisposable
{
    private const string AllArms = "hint,example,sae,random-swap,swap,clamp,seed-swap,finetuned";

    private readonly TempFolder _folder = new();
    private readonly string _tiny = Path.Combine(TestFiles.Root, "samples", "tiny");

    public EvaluateCommandTests()
    {
        _folder.Write("harbour.jsonl", Topic(
            "harbour",
            "The ferry leaves the harbour.", "Sails lay on the deck.", "A boat needs a keel.", "The anchor is heavy.",
            "Ropes and sails were wet.", "The pilot steered the boat into the harbour."));
        _folder.Write("bakery.jsonl", Topic(
            "bakery",
            "Knead the dough.", "The oven is hot.", "Flour and water make a loaf.", "Yeast lets the dough rise.",
            "Bread cools on the shelf.", "The baker lit the oven before dawn."));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_arm_has_its_figures_against_the_unsteered_model()
    {
        JsonElement json = (await CliRun.Done([.. await Arguments("out"), "--json"])).Json;
        Assert.Equal(
            ["unsteered", "hint", "example", "sae", "random-swap", "swap", "clamp", "seed-swap", "finetuned"],
            json.GetProperty("arms").EnumerateArray().Select(arm => arm.GetProperty("arm").GetString()));
        Assert.Equal(
            "no checkpoint was given for bakery", json.GetProperty("not_run").GetProperty("finetuned").GetString());
        EvaluationReport report = EvaluationReport.Read(Path.Combine(_folder.File("out"), "evaluation.json"));
        Assert.Equal(["bakery", "harbour"], report.Topics);
        ArmReport unsteered = report.Arms[0];
        Assert.All(unsteered.Metrics, metric => Assert.Null(metric.Difference));
        Assert.Equal(0, unsteered.Metrics.First(metric => metric.Metric == "kl").Mean);
        foreach (ArmReport arm in report.Arms.Skip(1))
        {
            MetricReport similarity = arm[EvaluationMetric.Similarity];
            Assert.True(similarity.Low <= similarity.Difference && similarity.Difference <= similarity.High, arm.Name);
            Assert.InRange(similarity.PHolm!.Value, similarity.P!.Value, 1);
            if (arm.Name != "finetuned")
            {
                Assert.Equal(
                    unsteered[EvaluationMetric.Similarity].Mean!.Value + similarity.Difference!.Value,
                    similarity.Mean!.Value,
                    1e-9);
            }
        }

        // Tuned is the model itself here, so it writes the same to the bit; leakage has no unit in texts of so few words.
        ArmReport tuned = report.Arms[^1];
        Assert.All(tuned.Metrics, metric => Assert.Equal(metric.Metric == "leakage" ? (double?)null : 0.0, metric.Difference));
        Assert.Equal(["clamp", "swap"], report.Strengths.Select(point => point.Method).Distinct().Reverse());
        Assert.All(
            report.Strengths.GroupBy(point => (point.Method, point.Topic)),
            tried => Assert.Equal((2, 1), (tried.Count(), tried.Count(point => point.Chosen))));
        string markdown = await File.ReadAllTextAsync(
            Path.Combine(_folder.File("out"), "evaluation.md"), TestContext.Current.CancellationToken);
        Assert.Contains("| swap − random-swap |", markdown, StringComparison.Ordinal);
        Assert.Contains("**finetuned**: not run for all topics, no checkpoint was given for bakery.", markdown);
        string page = await File.ReadAllTextAsync(
            Path.Combine(_folder.File("out"), EvaluationPage.FileName), TestContext.Current.CancellationToken);
        PageChecks.Body(page);
        Assert.Equal(EvaluationPage.Text(report), page);
        Assert.Equal(report.Topics, report.Latents.Select(topic => topic.Topic));
        Assert.All(report.Latents, topic => Assert.All(topic.Latents, latent => Assert.NotEmpty(latent.Writes)));
    }

    [Fact]
    public async Task An_interrupted_run_goes_on_to_the_same_files_to_the_byte()
    {
        string[] arguments = await Arguments("out");
        await CliRun.Done(arguments);
        byte[] results = await Bytes("out", EvaluationLog.ResultFile);
        byte[] report = await Bytes("out", "evaluation.json");
        byte[] page = await Bytes("out", EvaluationPage.FileName);
        await File.WriteAllBytesAsync(
            Path.Combine(_folder.File("out"), EvaluationLog.ResultFile),
            results[..(results.Length * 2 / 5)],
            TestContext.Current.CancellationToken);
        File.Delete(Path.Combine(_folder.File("out"), "evaluation.json"));
        await CliRun.Done([.. arguments, "--batch", "3", "--threads", "1", "--charts", _folder.File("charts")]);
        Assert.Equal(results, await Bytes("out", EvaluationLog.ResultFile));
        Assert.Equal(report, await Bytes("out", "evaluation.json"));
        Assert.Equal(page, await Bytes("out", EvaluationPage.FileName));
        Assert.True(File.Exists(Path.Combine(_folder.File("charts"), "effect-cost.svg")));
    }

    [Fact]
    public async Task Arms_in_another_order_give_the_same_figures()
    {
        await CliRun.Done(await Arguments("out"));
        string[] other = await Arguments("other");
        other[Array.IndexOf(other, "--arms") + 1] = string.Join(',', AllArms.Split(',').Reverse());
        await CliRun.Done(other);
        EvaluationReport first = EvaluationReport.Read(Path.Combine(_folder.File("out"), "evaluation.json"));
        EvaluationReport second = EvaluationReport.Read(Path.Combine(_folder.File("other"), "evaluation.json"));
        Assert.NotEqual(first.Arms.Select(arm => arm.Name), second.Arms.Select(arm => arm.Name));
        foreach (ArmReport arm in first.Arms)
        {
            ArmReport same = second.Arms.First(candidate => candidate.Name == arm.Name);
            Assert.Equal(arm.Metrics, same.Metrics);
            Assert.Equal((arm.Verdict, arm.TopicsUp, arm.EditChange), (same.Verdict, same.TopicsUp, same.EditChange));
        }
    }

    [Fact]
    public async Task A_folder_of_another_evaluation_is_refused()
    {
        string[] arguments = [.. await Arguments("out"), "--arms", "hint"];
        await CliRun.Done(arguments);
        string error = await CliRun.Refused(2, [.. arguments, "--seed", "5"]);
        Assert.Equal(
            $"'{_folder.File("out")}': holds an evaluation with seed '0', here it is '5'; give another folder, or what "
            + "that evaluation was made with",
            error);
    }

    [Fact]
    public async Task A_table_tells_the_arms_and_what_was_not_run()
    {
        string[] arguments = await Arguments("out");
        CliRun run = await CliRun.Done([.. arguments[..^2], "--arms", "swap,finetuned"]);
        Assert.Contains("topic similarity", run.Out, StringComparison.Ordinal);
        Assert.Contains("finetuned not run: no checkpoint was given", run.Out, StringComparison.Ordinal);
        Assert.Contains("--judge-encoder names another", run.Notes, StringComparison.Ordinal);
        Assert.Contains(
            "with 3 prompts and 7 arms no difference can be told from chance: give at least 9 prompts", run.Warnings);
        Assert.Contains(run.Warnings, warning => warning.StartsWith("topic 'bakery' is ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(
        "--finetuned is 'boats=x', expected TOPIC=FOLDER with one of the topics bakery, harbour",
        "--finetuned", "boats=x")]
    [InlineData("--finetuned is 'x', expected TOPIC=FOLDER with one of the topics bakery, harbour", "--finetuned", "x")]
    [InlineData("--strengths is '1,a', expected numbers such as 1,2,4, or METHOD=NUMBERS", "--strengths", "1,a")]
    [InlineData(
        "no method 'push'; there are orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, project, "
        + "diffmean",
        "--strengths", "push=1")]
    [InlineData(
        "40 prompts and 6 to choose strengths on, but there are only 36; lower --prompt-count or --dev-prompts, or "
        + "give more --prompts",
        "--prompt-count", "40")]
    [InlineData("an evaluation is of one layer; evaluate each into a folder of its own", "--layer", "1,2")]
    public async Task Wrong_usage_is_refused(string expected, params string[] more)
    {
        string[] arguments =
        [
            "evaluate", "--model", "m", "--sae", "s", "--index", "i", "--out", _folder.File("out"), "--topics",
            _folder.File("harbour.jsonl"), _folder.File("bakery.jsonl"), .. more,
        ];
        Assert.Equal(
            expected, await CliRun.Refused(1, more[0] == "--layer" ? arguments : [.. arguments, "--layer", "2"]));
    }

    private async Task<string[]> Arguments(string output)
    {
        string[] loading =
        [
            "--model", Path.Combine(_tiny, "model"), "--sae", Path.Combine(_tiny, "sae"), "--layer", "2", "--encoder",
            Path.Combine(_tiny, "encoder"),
        ];
        if (!Directory.Exists(_folder.File("index")))
        {
            await CliRun.Done(
            [
                "index", .. loading, "--reference", Path.Combine(_tiny, "reference.csv"), "--out",
                _folder.File("index"),
            ]);
        }

        return
        [
            "evaluate", .. loading, "--index", _folder.File("index"), "--topics", _folder.File("harbour.jsonl"),
            _folder.File("bakery.jsonl"), "--out", _folder.File(output), "--prompt-count", "3", "--dev-prompts", "2",
            "--seeds", "1", "--tokens", "5", "--resamples", "100", "--strengths", "swap=1,4", "--strengths",
            "clamp=0.1,0.3", "--arms", AllArms, "--finetuned", $"harbour={Path.Combine(_tiny, "model")}",
        ];
    }

    private Task<byte[]> Bytes(string folder, string file) =>
        File.ReadAllBytesAsync(Path.Combine(_folder.File(folder), file), TestContext.Current.CancellationToken);

    private static byte[] Topic(string name, params string[] texts)
    {
        string[] splits = ["align", "align", "align", "align_small", "test", "test"];
        var lines = new StringBuilder();
        for (int i = 0; i < texts.Length; i++)
        {
            var line = new { topic = name, split = splits[i], text = texts[i] };
            lines.Append(JsonSerializer.Serialize(line)).Append('\n');
        }

        return Encoding.UTF8.GetBytes(lines.ToString());
    }
}
