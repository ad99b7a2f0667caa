using System.Text.Json;
using LayerSteer.Cli;
using LayerSteer.Numerics;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class TimingCommandTests
{
    private static readonly string[] Keys =
        ["embedding", "latents", "distance", "score", "generation", "generation_orig", "steering"];

    [Fact]
    public async Task Every_stage_has_its_numbers_and_the_machine_is_named()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        JsonElement json = (await Timing(golden, "--json")).Json;
        JsonElement timings = json.GetProperty("timings");
        Assert.Equal(Keys, timings.EnumerateObject().Select(timing => timing.Name));
        foreach (JsonProperty timing in timings.EnumerateObject().Where(timing => timing.Name != "steering"))
        {
            Assert.True(timing.Value.GetProperty("mean_ms").GetDouble() > 0, timing.Name);
            Assert.True(timing.Value.GetProperty("half_width_ms").GetDouble() >= 0, timing.Name);
            Assert.True(timing.Value.GetProperty("median_ms").GetDouble() > 0, timing.Name);
        }

        // 3 reference and 3 alignment texts are embedded, twice each; 3 beginnings of reference texts are continued.
        Assert.Equal(
            [12, 6, 2, 2, 6, 6, 6],
            timings.EnumerateObject().Select(timing => timing.Value.GetProperty("n").GetInt32()));
        Assert.Equal(Mean("generation") - Mean("generation_orig"), Mean("steering"), 1e-9);
        Assert.Equal(WorkerPool.VectorBits, json.GetProperty("machine").GetProperty("vector_bits").GetInt32());
        Assert.Equal(32, json.GetProperty("model").GetProperty("d_model").GetInt32());
        Assert.Equal("blocks.0.hook_resid_post", json.GetProperty("sae")[0].GetProperty("hook_point").GetString());

        double Mean(string key) => timings.GetProperty(key).GetProperty("mean_ms").GetDouble();
    }

    [Fact]
    public async Task Timing_counts_real_tokens()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        string[] few = ["--mode", "seed", "--repeats", "1", "-n", "3", "--json"];
        CliRun run = await CliRun.Of(["timing", .. golden.Steered(), .. golden.Texts(), .. few]);
        JsonElement timings = run.Json.GetProperty("timings");
        JsonElement scoring = golden.Json.GetProperty("scoring");
        int references = scoring.GetProperty("ref_tokens").GetArrayLength();
        Assert.Equal(Length("ref_wordpiece_ids") + Length("align_wordpiece_ids"), Units("embedding"));
        Assert.Equal(Length("ref_tokens"), Units("latents"));
        Assert.Equal(references, Units("distance"));
        Assert.Equal(references, Units("score"));
        Assert.Equal(3 * references, Units("generation"));

        int Length(string lists) => scoring.GetProperty(lists).EnumerateArray().Sum(list => list.GetArrayLength());

        long Units(string key) => timings.GetProperty(key).GetProperty("units").GetInt64();
    }

    [Fact]
    public async Task A_table_and_rows_for_latex_are_printed()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        CliRun table = await Timing(golden, "--scores", golden.Scores, "--method", "clamp");
        Assert.Contains("generation clamp", table.Out, StringComparison.Ordinal);
        Assert.Contains("clamp minus orig", table.Out, StringComparison.Ordinal);
        Assert.Contains($"{WorkerPool.VectorBits}-bit vectors", table.Notes, StringComparison.Ordinal);
        CliRun latex = await Timing(golden, "--latex");
        string[] rows = latex.Out.TrimEnd('\n').Split("&\n");
        Assert.Equal(Keys.Length, rows.Length);
        Assert.All(rows, row => Assert.Matches(@"^-?\d+\.\d{5} \$\\pm\$ \d+\.\d{5}$", row));
    }

    [Fact]
    public async Task Timing_without_steering_is_refused()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-relu-sharded");
        const string Expected = "timing compares steering with none; --method orig and --strength 0 do not steer";
        Assert.Equal(
            Expected, await CliRun.Refused(1, ["timing", .. golden.Steered(), .. golden.Texts(), "--method", "orig"]));
        Assert.Equal(
            Expected, await CliRun.Refused(1, ["timing", .. golden.Steered(), .. golden.Texts(), "--strength", "0"]));
        Assert.Equal(
            "give either --latex or --json",
            await CliRun.Refused(1, ["timing", .. golden.Steered(), .. golden.Texts(), "--json", "--latex"]));
    }

    [Fact]
    public void Statistics_are_those_of_the_formulas()
    {
        var timing = new Timing("key", "name", "token", 9, [1, 2, 3, 6]);
        Assert.Equal(3, timing.Mean);
        Assert.Equal(2.5, timing.Median);
        Assert.Equal(Math.Sqrt(14.0 / 3), timing.StandardDeviation, 1e-12);
        Assert.Equal(1.96 * Math.Sqrt(14.0 / 3) / 2, timing.HalfWidth, 1e-12);
        Assert.Equal(0, new Timing("key", "name", "token", 9, [4]).HalfWidth);
    }

    private static Task<CliRun> Timing(GoldenCase golden, params string[] more) => CliRun.Done(
        ["timing", .. golden.Steered(), .. golden.Texts(), "--repeats", "2", "--max-texts", "3", "-n", "3", .. more]);
}
