using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class GenerateCommandTests
{
    private static readonly string[] AllMethods = ["orig", "sae", "clamp", "weight", "swap"];

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task Greedy_ids_of_every_method_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        JsonElement greedy = golden.Json.GetProperty("greedy");
        int prompt = greedy.GetProperty("prompt_index").GetInt32();
        foreach (JsonProperty method in greedy.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Array))
        {
            int[] expected = GoldenCase.Ints(method.Value);
            CliRun run = await CliRun.Of(Generate(
                golden.Prompts[prompt], golden.WithScores(), "--method", method.Name, "--mode", "seed", "--greedy",
                "-n", $"{expected.Length}", "--json"));
            Assert.Equal(expected, GoldenCase.Ints(run.Json.GetProperty("ids")));
            Assert.Equal(golden.TokensWithBos(prompt), GoldenCase.Ints(run.Json.GetProperty("prompt_ids")));
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task The_published_loop_repeats_the_reference_step_by_step(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        JsonElement generation = golden.Json.GetProperty("generation");
        string prompt = golden.Prompts[generation.GetProperty("prompt_index").GetInt32()];
        string picks = string.Join(',', GoldenCase.Ints(generation.GetProperty("picks")));
        foreach (
            JsonProperty method in generation.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Object))
        {
            CliRun run = await CliRun.Of(Generate(
                prompt, golden.WithScores(), "--method", method.Name, "--mode", "seed", "--picks", picks,
                "--published-loop", "generate", "--json"));
            CompareSteps(method.Value, run.Json);
        }
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task The_published_demo_repeats_the_reference_step_by_step(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        JsonElement demo = golden.Json.GetProperty("swap_demo");
        string prompt = golden.Prompts[demo.GetProperty("prompt_index").GetInt32()];
        int layer = demo.GetProperty("layer").GetInt32();
        foreach (JsonElement recorded in demo.GetProperty("runs").EnumerateArray())
        {
            string picks = string.Join(
                ',',
                recorded.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("pick").GetInt32()));
            CliRun run = await CliRun.Of(Generate(
                prompt,
                golden.WithScores(layer),
                "--method", recorded.GetProperty("method").GetString()!, "--mode", "seed", "--picks", picks,
                "--published-loop", "demo", "--json"));
            CompareSteps(recorded, run.Json);
        }
    }

    [Fact]
    public async Task Many_prompts_give_the_ids_that_each_gives_alone_with_any_number_of_threads()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string file = Path.Combine(golden.Folder, "prompts.json");
        foreach (
            string[] rule in new string[][] { ["--greedy"], ["--temperature", "1.3", "--top-k", "40", "--seed", "7"] })
        {
            string[] common = [.. golden.WithScores(), .. rule, "-n", "6", "--json"];
            CliRun many = await CliRun.Of(["generate", "--prompts", file, .. common]);
            CliRun oneThread = await CliRun.Of(["generate", "--prompts", file, .. common, "--threads", "1"]);
            JsonElement together = many.Json.GetProperty("results");
            JsonElement alike = oneThread.Json.GetProperty("results");
            Assert.Equal(golden.Prompts.Length, together.GetArrayLength());
            for (int i = 0; i < golden.Prompts.Length; i++)
            {
                CliRun alone = await CliRun.Of(["generate", golden.Prompts[i], .. common]);
                int[] ids = GoldenCase.Ints(alone.Json.GetProperty("ids"));
                Assert.Equal(ids, GoldenCase.Ints(together[i].GetProperty("ids")));
                Assert.Equal(ids, GoldenCase.Ints(alike[i].GetProperty("ids")));
            }
        }
    }

    [Fact]
    public async Task A_file_with_one_prompt_is_a_list_too_and_any_number_of_tokens_ends_with_the_context()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string file = folder.Write("prompts.json", TempFolder.Ascii("""["Hello"]"""));
        CliRun run = await CliRun.Of(
            ["generate", "--prompts", file, .. golden.WithScores(), "-n", $"{int.MaxValue}", "--ignore-eos", "--json"]);
        JsonElement result = Assert.Single(run.Json.GetProperty("results").EnumerateArray());
        Assert.Equal("context_full", result.GetProperty("stop_reason").GetString());
        Assert.Equal(
            golden.Context,
            result.GetProperty("prompt_ids").GetArrayLength() + result.GetProperty("ids").GetArrayLength());
    }

    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task Strength_zero_gives_the_ids_of_the_unsteered_model(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        int[] orig = await Ids(golden, "--method", "orig");
        foreach (string method in AllMethods[1..])
        {
            Assert.Equal(orig, await Ids(golden, "--method", method, "--strength", "0"));
        }
    }

    [Fact]
    public async Task The_text_is_streamed_behind_the_prompt_and_is_that_of_json()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string[] args = Generate(golden.Prompts[1], golden.WithScores(), "-n", "8");
        CliRun streamed = await CliRun.Done(args);
        CliRun json = await CliRun.Of([.. args, "--json"]);
        Assert.Equal(golden.Prompts[1] + json.Json.GetProperty("text").GetString() + Environment.NewLine, streamed.Out);
        Assert.Contains("swap, corrected mode, strength 1: ", streamed.Notes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compare_prints_both_and_the_unsteered_one_is_orig()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        CliRun run =
            await CliRun.Of(Generate(golden.Prompts[1], golden.WithScores(), "-n", "8", "--compare", "--json"));
        Assert.Equal(
            await Ids(golden, "--method", "orig"),
            GoldenCase.Ints(run.Json.GetProperty("unsteered").GetProperty("ids")));
        Assert.Equal(await Ids(golden), GoldenCase.Ints(run.Json.GetProperty("ids")));
        CliRun table = await CliRun.Done(Generate(golden.Prompts[1], golden.WithScores(), "-n", "8", "--compare"));
        Assert.Contains("unsteered", table.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_prompts_compared_give_what_each_gives_alone()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string[] prompts = [.. golden.Prompts, .. golden.Prompts.Select(prompt => prompt + " and"), golden.Prompts[0]];
        string file = folder.Write("prompts.json", JsonSerializer.SerializeToUtf8Bytes(prompts));
        string[] common = [.. golden.WithScores(), "-n", "5", "--json"];
        CliRun many = await CliRun.Of(["generate", "--prompts", file, "--compare", .. common]);
        JsonElement[] results = [.. many.Json.GetProperty("results").EnumerateArray()];
        Assert.Equal(prompts.Length, results.Length);
        Assert.True(prompts.Length > 8, "more prompts than run side by side");
        for (int i = 0; i < prompts.Length; i++)
        {
            CliRun steered = await CliRun.Of(["generate", prompts[i], .. common]);
            CliRun orig = await CliRun.Of(["generate", prompts[i], .. common, "--method", "orig"]);
            Assert.Equal(
                GoldenCase.Ints(steered.Json.GetProperty("ids")), GoldenCase.Ints(results[i].GetProperty("ids")));
            Assert.Equal(
                steered.Json.GetProperty("edits").GetRawText(), results[i].GetProperty("edits").GetRawText());
            Assert.Equal(
                GoldenCase.Ints(orig.Json.GetProperty("ids")),
                GoldenCase.Ints(results[i].GetProperty("unsteered").GetProperty("ids")));
            Assert.Equal(i < 8 ? 16 : 2 * (prompts.Length - 8), results[i].GetProperty("batch").GetInt32());
        }
    }

    [Fact]
    public async Task The_time_printed_says_how_many_texts_it_is_for()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string[] args = Generate(golden.Prompts[1], golden.WithScores(), "-n", "3");
        Assert.EndsWith(" ms a token", (await CliRun.Done(args)).Notes.TrimEnd(), StringComparison.Ordinal);
        Assert.EndsWith(
            " ms a step of 2 texts side by side",
            (await CliRun.Done([.. args, "--compare"])).Notes.TrimEnd(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scores_with_gaps_say_how_many_latents_are_unsupported()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        string scores = Path.Combine(golden.Folder, "scores_with_gaps.csv");
        int gaps = golden.Json.GetProperty("gaps").GetProperty("gap_features").GetArrayLength();
        CliRun run =
            await CliRun.Done(Generate("Hello", [.. golden.Steered(), "--scores", scores], "-n", "2", "--json"));
        Assert.Contains(
            $"'{scores}': {512 - gaps} latents scored, {gaps} unsupported", run.Notes, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("corrected")]
    [InlineData("seed")]
    public async Task Texts_in_place_of_scores_give_the_ids_of_index_topic_and_generate(string mode)
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        await CliRun.Done(golden.Index(folder.File("index"), mode));
        await CliRun.Done([.. golden.Topic(folder.File("index")), "--out", folder.File("topic.json")]);
        string[] common = ["--mode", mode, "-n", "6", "--force", "--json"];
        CliRun steps = await CliRun.Of(
            Generate("The doctor", [.. golden.Steered(), "--topic", folder.File("topic.json")], common));
        CliRun direct = await CliRun.Of(Generate("The doctor", [.. golden.Steered(), .. golden.Texts()], common));
        Assert.Equal(GoldenCase.Ints(steps.Json.GetProperty("ids")), GoldenCase.Ints(direct.Json.GetProperty("ids")));
    }

    [Fact]
    public async Task Json_says_how_it_was_made()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        JsonElement json = (await CliRun.Of(Generate(
            "The doctor", golden.WithScores(), "--uniform-top-k", "5", "--seed", "11", "-n", "3", "--positions", "2:",
            "--json"))).Json;
        JsonElement steering = json.GetProperty("steering");
        Assert.Equal(11UL, json.GetProperty("seed").GetUInt64());
        Assert.Equal("one", json.GetProperty("bos").GetString());
        Assert.Equal("length", json.GetProperty("stop_reason").GetString());
        Assert.Equal("corrected", steering.GetProperty("mode").GetString());
        Assert.Equal("keep", steering.GetProperty("error_term").GetString());
        Assert.Equal("2:", steering.GetProperty("positions").GetString());
        Assert.Equal(
            "blocks.2.hook_resid_post",
            Assert.Single(steering.GetProperty("hook_points").EnumerateArray()).GetString());
        Assert.Equal(64, steering.GetProperty("digests").GetProperty("model").GetString()!.Length);
    }

    private static string[] Generate(string prompt, string[] steering, params string[] more) =>
        ["generate", prompt, .. steering, .. more];

    private static async Task<int[]> Ids(GoldenCase golden, params string[] more)
    {
        CliRun run = await CliRun.Of(Generate(golden.Prompts[1], golden.WithScores(), [.. more, "-n", "8", "--json"]));
        return GoldenCase.Ints(run.Json.GetProperty("ids"));
    }

    private static void CompareSteps(JsonElement expected, JsonElement found)
    {
        Assert.Equal(expected.GetProperty("text").GetString(), found.GetProperty("text").GetString());
        JsonElement[] wanted = [.. expected.GetProperty("steps").EnumerateArray()];
        JsonElement[] steps = [.. found.GetProperty("steps").EnumerateArray()];
        Assert.Equal(wanted.Length, steps.Length);
        for (int i = 0; i < wanted.Length; i++)
        {
            Assert.Equal(GoldenCase.Ints(wanted[i].GetProperty("top5")), GoldenCase.Ints(steps[i].GetProperty("top5")));
            if (wanted[i].TryGetProperty("model_input", out JsonElement input))
            {
                Assert.Equal(GoldenCase.Ints(input), GoldenCase.Ints(steps[i].GetProperty("model_input")));
            }
        }
    }
}
