using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>
/// Command lines that are wrong whatever the files hold: one line, exit code 1, and nothing on stdout.
/// </summary>
public class UsageTests
{
    private const string NotInSeed = "it is the published formulas; use corrected mode";

    [Theory]
    [InlineData(
        "seed mode refuses --strength: it is the published formulas; use --mode corrected",
        "--mode",
        "seed",
        "--strength",
        "1")]
    [InlineData(
        "seed mode drops the error term: " + NotInSeed + " to keep it", "--mode", "seed", "--error-term", "keep")]
    [InlineData(
        "seed mode edits every position: " + NotInSeed + " for --positions",
        "--mode",
        "seed",
        "--positions",
        "generated")]
    [InlineData(
        "method sae with the error term kept would be orig; leave out the error term or use another method",
        "--method", "sae", "--error-term", "keep")]
    [InlineData(
        "strength is 2, but method sae has none; expected 1, or 0 for no edit", "--method", "sae", "--strength", "2")]
    [InlineData(
        "give only one of --scores, --topic, or --reference with --align and --encoder", "--topic", "medical")]
    [InlineData(
        "give only one of --scores, --topic, or --reference with --align and --encoder",
        "--reference", "r.csv", "--align", "a.csv", "--encoder", "e")]
    [InlineData("--reference, --align and --encoder belong together", "--reference", "r.csv", "--align", "a.csv")]
    [InlineData(
        "give one of --greedy, --uniform-top-k, --picks, or --temperature with --top-k and --top-p", "--greedy",
        "--temperature", "1")]
    [InlineData(
        "give one of --greedy, --uniform-top-k, --picks, or --temperature with --top-k and --top-p", "--picks", "0",
        "--uniform-top-k", "5")]
    [InlineData(
        "--max-new-tokens is 3, but --picks has only 2; give a pick for each token", "--picks", "0,1", "-n", "3")]
    [InlineData("3 autoencoders for 2 layers; expected one for all or one each", "--layer", "1", "--sae", "a,b")]
    [InlineData("give either a PROMPT or --prompts", "--prompts", "p.json")]
    [InlineData("--published-loop takes one PROMPT and no --compare", "--published-loop", "demo", "--compare")]
    [InlineData("--published-loop has its own BOS; leave out --bos none", "--published-loop", "--bos", "none")]
    public Task Options_that_contradict_each_other_are_refused(string expected, params string[] more) =>
        Refused(expected, ["--sae", "sae.pt", "--layer", "2", "--scores", "scores.csv", .. more]);

    [Theory]
    [InlineData(
        "no method 'swapp'; there are orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, project, "
        + "diffmean",
        "--method", "swapp")]
    [InlineData(
        "no positions 'end'; there are all-but-special, all, prompt, generated, FROM:TO (such as 4:20)", "--positions",
        "end")]
    [InlineData(
        "no positions '9:4'; there are all-but-special, all, prompt, generated, FROM:TO (such as 4:20)",
        "--positions",
        "9:4")]
    [InlineData("--mode is 'both'; there are corrected, seed", "--mode", "both")]
    [InlineData("--bos is 'two'; there are one, none", "--bos", "two")]
    [InlineData("--error-term is 'maybe'; there are keep, drop", "--error-term", "maybe")]
    [InlineData("--layer is 'last', expected layers from 0, such as 9 or 1,3", "--layer", "last")]
    [InlineData("--layer is '-1', expected layers from 0, such as 9 or 1,3", "--layer", "-1")]
    [InlineData("--picks is '0,x', expected ranks from 0, such as 0,3,1", "--picks", "0,x")]
    [InlineData("--strength is '-1', expected a number from 0 on, or auto", "--strength", "-1")]
    [InlineData("--strength is 'NaN', expected a number from 0 on, or auto", "--strength", "NaN")]
    [InlineData("--strength is '1,5', expected a number from 0 on, or auto", "--strength", "1,5")]
    [InlineData(
        "--temperature is '0', expected a finite number above 0; --greedy is the limit of 0", "--temperature", "0")]
    [InlineData("--top-k is '0', expected a whole number from 1 on", "--top-k", "0")]
    [InlineData("--top-p is '1.1', expected a number above 0 and at most 1", "--top-p", "1.1")]
    [InlineData("--seed is '-4', expected a whole number from 0 on", "--seed", "-4")]
    [InlineData("--max-new-tokens is '0', expected a whole number from 1 on", "--max-new-tokens", "0")]
    [InlineData("--clamp-count is '0', expected a whole number from 1 on", "--clamp-count", "0")]
    [InlineData("--clamp-amount is 'Infinity', expected a finite number", "--clamp-amount", "Infinity")]
    [InlineData("--threads is '0', expected a whole number from 1 to 1024", "--threads", "0")]
    public Task A_value_that_cannot_be_is_refused_with_what_there_is(string expected, string option, string value) =>
        Refused(expected, [option, value]);

    [Fact]
    public async Task An_unknown_hook_point_is_refused_with_the_list()
    {
        CliRun run = await CliRun.Of("generate", "Hello", "--model", "m", "--hook", "resid");
        string error = Assert.Single(run.Errors);
        Assert.Equal(1, run.Code);
        Assert.StartsWith(
            "no hook point 'resid' in a block; there are hook_resid_pre, ", error, StringComparison.Ordinal);
        Assert.EndsWith(", hook_mlp_out, hook_resid_post", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Steering_needs_an_autoencoder_a_layer_and_scores()
    {
        await Refused(
            "method swap needs --sae; --method orig is the unsteered model", ["--scores", "s.csv"]);
        await Refused(
            "method weight needs scores: give --scores, --topic, or --reference with --align and --encoder",
            ["--sae", "a", "--layer", "1", "--method", "weight"]);
        Assert.Equal(
            "method clamp needs scores: give --scores or --topic",
            await CliRun.Refused(
                1, "trace", "--model", "m", "--sae", "a", "--layer", "1", "--method", "clamp", "--prompts", "p.json",
                "--out", "o.npz"));
    }

    [Fact]
    public async Task Other_commands_refuse_what_cannot_be_too()
    {
        string[] index =
            ["index", "--model", "m", "--sae", "a", "--encoder", "e", "--reference", "r.csv", "--out", "o"];
        Assert.Equal(
            "an index is of one layer; build one index for each",
            await CliRun.Refused(1, [.. index, "--layer", "1,2"]));
        Assert.Equal(
            "--shard is '3/2', expected N/OF with N from 1 to OF, such as 2/8", await CliRun.Refused(
                1, [.. index, "--layer", "1", "--shard", "3/2"]));
        Assert.Equal(
            "--summary is 'mean'; there are avg, max, counts",
            await CliRun.Refused(1, "topic", "--index", "i", "--align", "a.csv", "--summary", "mean"));
        Assert.Equal("no completion for 'fish'; there is bash", await CliRun.Refused(1, "completion", "fish"));
        Assert.Equal(
            "--train is 'many', expected a whole number from 1 on",
            await CliRun.Refused(1, "dataset", "--input", "i.csv", "--out", "o", "--train", "many"));
    }

    [Fact]
    public async Task What_is_missing_or_unknown_is_named_with_the_way_to_help()
    {
        CliRun missing = await CliRun.Of("trace");
        Assert.Equal(["Option '--out' is required."], missing.Errors);
        Assert.Contains("layersteer trace --help shows what there is", missing.Notes, StringComparison.Ordinal);
        CliRun merge = await CliRun.Of("index", "merge", "a", "b");
        Assert.Equal(["Option '--out' is required."], merge.Errors);
        Assert.Contains("layersteer index merge --help shows what there is", merge.Notes, StringComparison.Ordinal);
        CliRun unknown = await CliRun.Of("genrate");
        Assert.Equal(1, unknown.Code);
        Assert.Contains("Unrecognized command or argument 'genrate'.", unknown.Errors);
    }

    [Fact]
    public async Task Help_shows_values_as_they_are_written()
    {
        CliRun help = await CliRun.Done("generate", "--help");
        Assert.Contains("--mode <corrected|seed>", help.Out, StringComparison.Ordinal);
        Assert.Contains("--bos <one|none>", help.Out, StringComparison.Ordinal);
        Assert.Contains(
            "--method <orig|sae|clamp|weight|swap|add|set|min-clamp|scale|ablate|project|diffmean>",
            help.Out,
            StringComparison.Ordinal);
        Assert.Empty(help.Notes);
    }

    [Fact]
    public async Task Values_are_read_in_any_case()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string[] words = ["--mode", "SEED", "--bos", "One", "--method", "SAE"];
        CliRun run = await CliRun.Of(["generate", "Hello", .. golden.WithScores(), .. words, "-n", "1", "--json"]);
        Assert.Equal("seed", run.Json.GetProperty("steering").GetProperty("mode").GetString());
    }

    [Fact]
    public async Task No_arguments_print_the_help_and_fail_and_version_prints_the_version()
    {
        CliRun none = await CliRun.Of();
        Assert.Equal(1, none.Code);
        Assert.Contains("Commands:", none.Out, StringComparison.Ordinal);
        CliRun version = await CliRun.Done("--version");
        Assert.Matches(@"^\d+\.\d+\.\d+", version.Out);
    }

    [Fact]
    public async Task Paths_with_commas_are_not_split_and_lists_may_be_given_one_by_one()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string scores = folder.File("a,b.csv");
        File.Copy(golden.Scores, scores);
        string[] common = ["generate", "Hello", "--model", golden.Model, "-n", "2", "--json"];
        string[] two = ["--scores", scores, "--sae", golden.Sae, "--sae", golden.Sae, "--layer", "1", "--layer", "3"];
        CliRun apart = await CliRun.Of([.. common, .. two]);
        CliRun joined = await CliRun.Of([.. common, "--scores", golden.Scores, "--sae", golden.Sae, "--layer", "1,3"]);
        Assert.Equal(GoldenCase.Ints(joined.Json.GetProperty("ids")), GoldenCase.Ints(apart.Json.GetProperty("ids")));
    }

    private static async Task Refused(string expected, string[] more) =>
        Assert.Equal(expected, await CliRun.Refused(1, ["generate", "Hello", "--model", "m", .. more]));
}
