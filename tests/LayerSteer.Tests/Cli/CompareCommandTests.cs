using System.Text.Json;
using LayerSteer.Cli;
using LayerSteer.Tests.Evaluation;
using LayerSteer.Tests.Formats;
using Spectre.Console.Testing;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class CompareCommandTests : IDisposable
{
    private const string Prompt = "The doctor said that";

    private readonly TempFolder _folder = new();
    private readonly string _pocket = SamplePocket.Folder;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_method_that_scores_steer_is_compared_if_nothing_is_asked_for()
    {
        JsonElement json = (await CliRun.Of("compare", Prompt, "--topic", "medical", "-n", "6", "--json")).Json;
        Assert.Equal(
            [
                "unsteered", "hint", "clamp", "weight", "swap", "add", "set", "min-clamp", "scale", "ablate", "project",
                "finetuned",
            ],
            Arms(json).Select(arm => Text(arm, "arm")));
        Assert.Equal(
            "it adds a mean difference, which a topic holds that was made with a model and an autoencoder",
            Text(json.GetProperty("not_run"), "diffmean"));
        Assert.Equal("medical", Text(json, "topic"));
        foreach (JsonElement arm in Arms(json))
        {
            JsonElement[] tokens = [.. arm.GetProperty("tokens").EnumerateArray()];
            Assert.Equal(6, tokens.Length);
            double mean = tokens.Average(token => token.GetProperty("shift").GetDouble());
            Assert.Equal(mean, arm.GetProperty("mean_shift").GetDouble(), 1e-12);
            Assert.Equal(Text(arm, "arm") == "unsteered", mean == 0);
        }
    }

    [Fact]
    public async Task The_texts_are_those_of_generate_with_the_same_draws()
    {
        string[] common = ["--topic", "medical", "--temperature", "0.9", "--seed", "5", "-n", "8", "--json"];
        JsonElement json = (await CliRun.Of(
            ["compare", Prompt, "--arms", "swap=2,clamp=0.5", "--arms", "sae", .. common])).Json;
        Assert.Equal(["unsteered", "swap=2", "clamp=0.5", "sae"], Arms(json).Select(arm => Text(arm, "arm")));
        string[][] generate = [["orig"], ["swap", "--strength", "2"], ["clamp", "--strength", "0.5"], ["sae"]];
        foreach ((JsonElement arm, string[] method) in Arms(json).Zip(generate))
        {
            CliRun alone = await CliRun.Of(["generate", Prompt, "--method", .. method, .. common]);
            Assert.Equal(Text(alone.Json, "text"), Text(arm, "text"));
        }
    }

    [Fact]
    public async Task A_strength_behind_an_arm_goes_before_one_that_is_to_be_found()
    {
        string[] compare = ["compare", Prompt, "--topic", "medical", "--arms", "clamp=0.5,clamp", "-n", "4", "--json"];
        JsonElement[] given = Arms((await CliRun.Of(compare)).Json);
        JsonElement[] auto = Arms((await CliRun.Of([.. compare, "--strength", "auto", "--budget-kl", "0.001"])).Json);
        Assert.Equal("clamp=0.5", Text(auto[1], "arm"));
        Assert.Equal(given[1].GetRawText(), auto[1].GetRawText());
        Assert.NotEqual(given[2].GetRawText(), auto[2].GetRawText());
    }

    [Fact]
    public async Task The_hint_and_the_tuned_model_write_what_they_write_alone()
    {
        string[] common = ["--topic", "medical", "-n", "8", "--json"];
        JsonElement json = (await CliRun.Of(
            ["compare", Prompt, "--arms", "hint,finetuned", "--hint", "About {topic}: ", .. common])).Json;
        CliRun hinted = await CliRun.Of(["generate", "About medical: " + Prompt, "--method", "orig", .. common]);
        CliRun tuned = await CliRun.Of(
            "generate", Prompt, "--method", "orig", "--model", Path.Combine(_pocket, "finetuned", "medical"), "-n", "8",
            "--json");
        Assert.Equal(Text(hinted.Json, "text"), Text(Arms(json)[1], "text"));
        Assert.Equal(Text(tuned.Json, "text"), Text(Arms(json)[2], "text"));
        Assert.All(Arms(json).Skip(1), arm => Assert.True(arm.GetProperty("mean_shift").GetDouble() > 0));
    }

    [Fact]
    public async Task Strength_zero_and_orig_are_the_unsteered_model_to_the_bit()
    {
        JsonElement json = (await CliRun.Of(
            "compare", Prompt, "--topic", "medical", "--arms", "orig,swap", "--strength", "0", "-n", "5",
            "--json")).Json;
        Assert.Equal(["unsteered", "swap"], Arms(json).Select(arm => Text(arm, "arm")));
        Assert.Equal(
            Arms(json)[0].GetProperty("tokens").GetRawText(), Arms(json)[1].GetProperty("tokens").GetRawText());
        Assert.All(
            Arms(json)[1].GetProperty("tokens").EnumerateArray(),
            token => Assert.Equal(0.0, token.GetProperty("shift").GetDouble()));
    }

    [Fact]
    public async Task The_page_shows_what_json_says_and_results_do_not_depend_on_threads()
    {
        string[] command = ["compare", Prompt, "--topic", "outdoors", "-n", "6", "--json"];
        CliRun run = await CliRun.Of([.. command, "--out", _folder.File("a.html")]);
        Assert.Equal("only ready topics of the pocket model come with a tuned model",
            run.Json.GetProperty("not_run").GetProperty("finetuned").GetString());
        CliRun again = await CliRun.Of([.. command, "--out", _folder.File("b.html"), "--threads", "1"]);
        Assert.Equal(run.Out, again.Out);
        string page = await File.ReadAllTextAsync(_folder.File("a.html"), TestContext.Current.CancellationToken);
        Assert.Equal(
            page, await File.ReadAllTextAsync(_folder.File("b.html"), TestContext.Current.CancellationToken));
        var body = PageChecks.Body(page);
        Assert.Equal(
            Arms(run.Json).Skip(1).Sum(arm => arm.GetProperty("tokens").GetArrayLength()),
            body.Descendants("span").Count(span => (string?)span.Attribute("class") == "tok"));
    }

    [Fact]
    public async Task Tables_fit_the_width_and_hold_every_arm()
    {
        using var output = new StringWriter();
        using var tables = new TestConsole();
        using var notes = new TestConsole();
        tables.Width(100);
        int code = await CommandLine.RunAsync(
            ["compare", Prompt, "--topic", "medical", "-n", "12"],
            new Terminal(output, () => tables, () => notes),
            TestContext.Current.CancellationToken);
        Assert.Equal(0, code);
        Assert.All(tables.Lines, line => Assert.InRange(line.Length, 0, 100));
        Assert.All(
            (string[])["unsteered", "hint", "swap", "finetuned"],
            name => Assert.Contains(name, tables.Output, StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', tables.Output);
    }

    [Fact]
    public async Task Scores_in_a_file_have_no_name_to_hint_at()
    {
        string scores = _folder.File("scores.csv");
        await File.WriteAllTextAsync(scores, Scores(), TestContext.Current.CancellationToken);
        JsonElement json = (await CliRun.Of("compare", Prompt, "--scores", scores, "-n", "3", "--json")).Json;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("topic").ValueKind);
        Assert.Equal(
            ["unsteered", "clamp", "weight", "swap", "scale", "ablate", "project"],
            Arms(json).Select(arm => Text(arm, "arm")));
        Assert.Equal(
            ["hint", "finetuned", "add", "set", "min-clamp", "diffmean"],
            json.GetProperty("not_run").EnumerateObject().Select(arm => arm.Name));
        Assert.Equal(
            "arm set cannot be run: it measures in the latents' largest activations, which a topic holds, but not scores "
            + "in a file",
            await CliRun.Refused(1, "compare", Prompt, "--scores", scores, "--arms", "set"));
        Assert.Equal(
            "arm hint cannot be run: scores have no topic's name to hint at; give --topic",
            await CliRun.Refused(1, "compare", Prompt, "--scores", scores, "--arms", "hint"));
    }

    [Fact]
    public async Task In_seed_mode_the_published_methods_are_compared()
    {
        JsonElement json = (await CliRun.Of(
            "compare", Prompt, "--align", SamplePocket.Medical, "--encoder", Path.Combine(_pocket, "encoder"),
            "--reference", Path.Combine(SamplePocket.Tiny, "reference.csv"), "--mode", "seed", "-n", "2", "--json")).Json;
        Assert.Equal(
            ["unsteered", "hint", "clamp", "weight", "swap"], Arms(json).Select(arm => Text(arm, "arm")));
        Assert.StartsWith(
            "method add is not one of the published ones", Text(json.GetProperty("not_run"), "add"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("twist", "no arm 'twist'; there are unsteered, hint, ")]
    [InlineData("swap=-1", "the strength of arm swap is '-1', expected a number from 0 on")]
    [InlineData("clamp=much", "the strength of arm clamp is 'much', expected a number from 0 on")]
    [InlineData("hint=2", "arm hint has no strength; give it without '=2'")]
    [InlineData("sae=2", "arm sae=2 cannot be run: strength is 2, but method sae has none")]
    public async Task What_is_no_arm_is_refused_in_one_line(string arms, string message)
    {
        string error = await CliRun.Refused(1, "compare", Prompt, "--topic", "medical", "--arms", arms);
        Assert.StartsWith(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_before_anything_is_generated()
    {
        Assert.StartsWith(
            "arm finetuned cannot be run: ",
            await CliRun.Refused(1, "compare", Prompt, "--topic", "outdoors", "--arms", "finetuned"),
            StringComparison.Ordinal);
        Assert.Equal(
            "arm diffmean cannot be run: it adds a mean difference, which a topic holds that was made with a model and an "
            + "autoencoder",
            await CliRun.Refused(1, "compare", Prompt, "--topic", "outdoors", "--arms", "diffmean"));
        Assert.StartsWith(
            "'missing/page.html': there is no folder",
            (await CliRun.Refused(2, "compare", Prompt, "--topic", "medical", "-o", "missing/page.html")),
            StringComparison.Ordinal);
        Assert.StartsWith(
            "method swap needs scores",
            await CliRun.Refused(1, "compare", Prompt),
            StringComparison.Ordinal);
        CliRun method = await CliRun.Of("compare", Prompt, "--topic", "medical", "--method", "swap");
        Assert.Equal(1, method.Code);
    }

    private static string Scores()
    {
        string profile = File.ReadAllText(Path.Combine(SamplePocket.Folder, "topics", "medical.json"));
        int count = JsonDocument.Parse(profile).RootElement.GetProperty("d_sae").GetInt32();
        return ",score\n" + string.Concat(Enumerable.Range(0, count).Select(i => $"{i},{(i % 7) / 7.0:F3}\n"));
    }

    private static JsonElement[] Arms(JsonElement json) => [.. json.GetProperty("arms").EnumerateArray()];

    private static string Text(JsonElement value, string name) => value.GetProperty(name).GetString()!;
}
