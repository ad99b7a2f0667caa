using System.Text.Json;
using LayerSteer.Tests.Evaluation;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>`sweep` on the sample model, whose text is noise: what is shown is the way, not the effect.</summary>
public sealed class SweepCommandTests : IDisposable
{
    private static readonly string[] Small =
    [
        "sweep", "--align", SamplePocket.Medical, "--methods", "clamp,add", "--strengths", "2,0.5", "--prompt-count",
        "3", "-n", "4",
    ];

    private readonly TempFolder _folder = new();

    public SweepCommandTests() => Assert.NotEmpty(SamplePocket.Folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_choice_has_its_effect_and_cost_and_the_front_is_of_those_that_none_beats()
    {
        CliRun run = await CliRun.Of([.. Small, "--budget", "100", "--json"]);
        JsonElement[] points = [.. run.Json.GetProperty("points").EnumerateArray()];
        Assert.Equal(
            [("clamp", 0.5), ("clamp", 2), ("add", 0.5), ("add", 2)],
            points.Select(point => (point.GetProperty("method").GetString()!, Number(point, "strength"))));
        Assert.All(points, point => Assert.Equal(SamplePocket.DefaultHook, Hook(point)));
        foreach (JsonElement point in points)
        {
            Assert.True(Number(point, "kl") > 0 && Number(point, "change") > 0);
            Assert.InRange(Number(point, "gain"), Number(point, "low"), Number(point, "high"));
            Assert.Equal(Number(point, "perplexity_ratio") <= 100, point.GetProperty("within_budget").GetBoolean());
            bool beaten = points.Any(other =>
                Number(other, "gain") >= Number(point, "gain")
                && Number(other, "perplexity_ratio") <= Number(point, "perplexity_ratio")
                && (Number(other, "gain") > Number(point, "gain")
                    || Number(other, "perplexity_ratio") < Number(point, "perplexity_ratio")));
            Assert.Equal(!beaten, point.GetProperty("on_front").GetBoolean());
        }

        JsonElement best = run.Json.GetProperty("best");
        Assert.Equal(
            points.Where(point => point.GetProperty("within_budget").GetBoolean()).Max(point => Number(point, "gain")),
            Number(best, "gain"));
        Assert.Equal(("medical", 100.0), (run.Json.GetProperty("topic").GetString(), Number(run.Json, "budget")));
        Assert.NotEmpty(run.Json.GetProperty("recommendation").GetString()!);
        Assert.Equal(run.Out, (await CliRun.Of([.. Small, "--budget", "100", "--json", "--threads", "1"])).Out);
    }

    [Fact]
    public async Task It_is_written_as_a_page_or_as_the_chart_alone()
    {
        string page = _folder.File("sweep.html");
        CliRun table = await CliRun.Done([.. Small, "--out", page]);
        Assert.Contains("layer 2 clamp 0.5", table.Out, StringComparison.Ordinal);
        Assert.Contains("--judge-encoder names another", table.Notes, StringComparison.Ordinal);
        string body = PageChecks.Body(await Text(page)).Value;
        Assert.Contains("layer 2 add 2", body, StringComparison.Ordinal);
        Assert.Contains("Dose and response", body, StringComparison.Ordinal);

        string chart = _folder.File("sweep.svg");
        await CliRun.Done([.. Small, "--out", chart]);
        PageChecks.Svg(await Text(chart));
    }

    [Fact]
    public async Task A_layer_without_an_index_needs_the_reference_texts()
    {
        Assert.Equal(
            $"no index is of {SamplePocket.OtherHook}; give --reference TEXTS, or --index one a layer",
            await CliRun.Refused(1, [.. Small, "--layer", "1,2"]));
        CliRun run = await CliRun.Of(
            [.. Small, "--layer", "1,2", "--reference", Path.Combine(SamplePocket.Tiny, "reference.csv"), "--json"]);
        Assert.Equal(
            [SamplePocket.OtherHook, SamplePocket.DefaultHook],
            run.Json.GetProperty("points").EnumerateArray().Select(Hook).Distinct());
    }

    [Theory]
    [InlineData("method project has no strength to sweep toward a topic", "--methods", "add,project")]
    [InlineData("method orig has no strength to sweep toward a topic", "--methods", "orig")]
    [InlineData(
        "no method 'push'; there are orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, project, "
        + "diffmean",
        "--methods", "push")]
    [InlineData("--strengths is '1,0', expected numbers above 0 such as 0.5,1,2", "--strengths", "1,0")]
    [InlineData("--prompt-count is '1', expected a whole number from 2 on", "--prompt-count", "1")]
    [InlineData("--budget is '0.5', expected a number from 1 on", "--budget", "0.5")]
    [InlineData("--out is 'sweep.png', expected a name that ends in .html or .svg", "--out", "sweep.png")]
    public async Task What_cannot_be_is_refused(string expected, params string[] more) =>
        Assert.Equal(expected, await CliRun.Refused(1, ["sweep", "--align", SamplePocket.Medical, .. more]));

    private static string Hook(JsonElement point) => point.GetProperty("hook_point").GetString()!;

    private static double Number(JsonElement value, string name) => value.GetProperty(name).GetDouble();

    private static Task<string> Text(string path) => File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
}
