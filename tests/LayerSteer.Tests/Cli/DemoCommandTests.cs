using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Cli;
using LayerSteer.Tests.Topics;
using Spectre.Console.Testing;
using Xunit;

namespace LayerSteer.Tests.Cli;

public sealed class DemoCommandTests : IDisposable
{
    private const string Prompt = "The doctor said that";

    private readonly TemporaryFolder _folder = new();
    private readonly string _pocket = SamplePocket.Folder;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_topic_by_name_gives_three_texts_with_their_times_and_the_latents_that_moved()
    {
        JsonElement json = (await CliRun.Of("demo", Prompt, "--topic", "medical", "--seed", "3", "--json")).Json;
        Assert.Equal(
            [
                "prompt", "topic", "seed", "temperature", "top_p", "original", "finetuned", "steered", "topic_profile",
                "scoring_ms",
            ],
            json.EnumerateObject().Select(field => field.Name));
        Assert.Equal((Prompt, "medical", 3), (Text(json, "prompt"), Text(json, "topic"), json.GetProperty("seed").GetInt32()));
        JsonElement steered = json.GetProperty("steered");
        foreach (JsonElement arm in new[] { json.GetProperty("original"), json.GetProperty("finetuned"), steered })
        {
            Assert.NotEmpty(Text(arm, "text"));
            Assert.True(arm.GetProperty("ms_per_token").GetDouble() > 0);
            Assert.Equal(12, arm.GetProperty("tokens").GetInt32());
        }

        Assert.NotEqual(Text(json.GetProperty("original"), "text"), Text(json.GetProperty("finetuned"), "text"));
        Assert.NotEqual(Text(json.GetProperty("original"), "text"), Text(steered, "text"));
        Assert.Equal(("swap", 2), (Text(steered, "method"), steered.GetProperty("strength").GetDouble()));
        JsonElement[] latents = [.. steered.GetProperty("latents").EnumerateArray()];
        Assert.Equal(5, latents.Length);
        double[] moved = [.. latents.Select(latent => Math.Abs(latent.GetProperty("moved").GetDouble()))];
        Assert.Equal(moved.OrderDescending(), moved);
        Assert.All(latents, latent => Assert.Equal(5, latent.GetProperty("tokens").GetArrayLength()));
        Assert.InRange(json.GetProperty("topic_profile").GetProperty("coverage").GetDouble(), 0.5, 1);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("scoring_ms").ValueKind);
    }

    [Fact]
    public async Task The_texts_are_those_of_generate_with_the_same_draws()
    {
        string[] common = ["--temperature", "0.8", "--seed", "5", "-n", "9", "--json"];
        JsonElement json = (await CliRun.Of(["demo", Prompt, "--method", "weight", "--strength", "1.5", .. common])).Json;
        CliRun generate = await CliRun.Of(
            ["generate", Prompt, "--topic", "medical", "--method", "weight", "--strength", "1.5", "--top-p", "0.95",
                "--compare", .. common]);
        Assert.Equal(Text(generate.Json, "text"), Text(json.GetProperty("steered"), "text"));
        Assert.Equal(Text(generate.Json.GetProperty("unsteered"), "text"), Text(json.GetProperty("original"), "text"));
    }

    [Fact]
    public async Task Strength_zero_is_the_original_and_moves_no_latent()
    {
        JsonElement json = (await CliRun.Of("demo", Prompt, "--strength", "0", "--json")).Json;
        Assert.Equal(Text(json.GetProperty("original"), "text"), Text(json.GetProperty("steered"), "text"));
        Assert.Equal(0, json.GetProperty("steered").GetProperty("latents").GetArrayLength());
    }

    [Fact]
    public async Task Texts_of_ones_own_are_scored_against_the_index_like_a_topic()
    {
        string texts = _folder.Write("mine.txt", string.Join(
            "\n\n", LayerSteer.Topics.TextTable.Read(SamplePocket.Medical).Texts));
        JsonElement mine = (await CliRun.Of("demo", Prompt, "--align", texts, "--force", "--json")).Json;
        JsonElement named = (await CliRun.Of("demo", Prompt, "--topic", "medical", "--json")).Json;
        Assert.Equal("mine", Text(mine, "topic"));
        Assert.Equal(Text(named.GetProperty("steered"), "text"), Text(mine.GetProperty("steered"), "text"));
        Assert.Equal(Unjudged(named), Unjudged(mine));
        Assert.Equal(JsonValueKind.Null, mine.GetProperty("finetuned").ValueKind);
        Assert.InRange(mine.GetProperty("scoring_ms").GetDouble(), 0.001, 60_000);
    }

    /// <summary>Without the verdict: the ready topics of the sample have no card.</summary>
    private static string Unjudged(JsonElement demo)
    {
        JsonObject profile = JsonNode.Parse(demo.GetProperty("topic_profile").GetRawText())!.AsObject();
        profile.Remove("verdict");
        profile.Remove("reasons");
        return profile.ToJsonString();
    }

    [Fact]
    public async Task A_folder_of_texts_says_what_it_left_out()
    {
        _folder.Write("a.txt", "A doctor and a nurse.");
        _folder.Write("photo.jpg", "x");
        CliRun run = await CliRun.Done("demo", Prompt, "--align", _folder.Root, "--force");
        Assert.Contains(
            $"1 texts from 1 files; 1 files of other kinds left out, such as '{_folder["photo.jpg"]}'",
            run.Notes,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_in_one_line()
    {
        Assert.Equal(
            "no topic 'law' in the pocket model; there are medical, outdoors",
            await CliRun.Refused(2, "demo", Prompt, "--topic", "law"));
        string empty = _folder.Write("empty.txt", "\n");
        Assert.Equal(
            $"'{empty}': no text in it; expected at least one paragraph",
            await CliRun.Refused(2, "demo", Prompt, "--align", empty));
        string text = string.Concat(Enumerable.Repeat("a doctor ", 90));
        Assert.Matches(
            @"^the prompt has \d+ tokens with BOS and the model's context is 128, which leaves no room for a new one; ",
            await CliRun.Refused(2, "demo", text));
        Assert.Equal("the prompt is empty; give at least one character", await CliRun.Refused(2, "demo", string.Empty));
        Assert.Equal(
            "give either --topic or --align", await CliRun.Refused(1, "demo", Prompt, "--topic", "a", "--align", "b"));
        Assert.Equal(
            "--finetune needs --align; a topic by name comes with its fine-tuned model",
            await CliRun.Refused(1, "demo", Prompt, "--finetune"));
        Assert.Equal(
            "strength is 2, but method sae has none; expected 1, or 0 for no edit",
            await CliRun.Refused(1, "demo", Prompt, "--method", "sae", "--strength", "2"));
    }

    [Theory]
    [InlineData(60, 1)]
    [InlineData(80, 1)]
    [InlineData(120, 3)]
    [InlineData(160, 3)]
    public async Task The_texts_stand_side_by_side_where_they_fit_and_never_beyond_the_width(int width, int columns)
    {
        (int code, string shown, string notes) = await Shown(width, string.Empty, "demo", Prompt);
        Assert.Equal((0, string.Empty), (code, string.Concat(notes.Split('\n').Where(line => line.StartsWith("error")))));
        string[] lines = shown.TrimEnd().Split('\n');
        Assert.All(lines, line => Assert.True(line.TrimEnd().Length <= width, line));
        string header = lines.First(line => line.Contains("original", StringComparison.Ordinal));
        Assert.Equal(columns + 1, header.Count(c => c == '│'));
        Assert.Equal(columns == 3, header.Contains("steered: swap, strength 2", StringComparison.Ordinal));
        string words = string.Join(' ', shown.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("fine-tuned: medical", words, StringComparison.Ordinal);
        Assert.Contains("steered: swap, strength 2", words, StringComparison.Ordinal);
        Assert.Equal(3, words.Split("ms a token").Length - 1);
        Assert.Contains("topic medical: ready, from 5 texts and 24 reference texts", words, StringComparison.Ordinal);
        Assert.Contains("latents were active on the reference texts and have a score", words, StringComparison.Ordinal);
        Assert.Contains("best latents were active on", words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_prompt_is_dim_and_the_new_text_bright()
    {
        using var output = new StringWriter();
        using var tables = new TestConsole();
        tables.EmitAnsiSequences().Colors(Spectre.Console.ColorSystem.Standard);
        using var notes = new TestConsole();
        tables.Width(160);
        await CommandLine.RunAsync(
            ["demo", Prompt], new Terminal(output, () => tables, () => notes), TestContext.Current.CancellationToken);
        Assert.Equal(3, tables.Output.Split("\u001B[2m").Length - 1);
        Assert.Contains("\u001B[1m", tables.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirected_it_prints_no_escape_sequences()
    {
        (int code, string output, string error) =
            await ToolProcess.Bash($"TOOL demo '{Prompt}' -n 4", ("LAYERSTEER_POCKET", _pocket));
        Assert.Equal(0, code);
        Assert.DoesNotContain('\u001B', output + error);
        Assert.Contains("original", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_pocket_model_it_says_where_it_looked_and_what_to_give()
    {
        (int code, string output, string error) =
            await ToolProcess.Bash("TOOL demo Hello", ("LAYERSTEER_POCKET", _folder.Root));
        Assert.Equal((2, string.Empty), (code, output));
        Assert.Equal(
            $"error: the demo needs the pocket model, and there is none in '{_folder.Root}'; set LAYERSTEER_POCKET to the "
            + "folder of one, or use generate with a --model of your own\n",
            error);
        (code, output, error) =
            await ToolProcess.Bash("TOOL generate Hello --topic medical", ("LAYERSTEER_POCKET", _folder.Root));
        Assert.Equal((1, string.Empty), (code, output));
        Assert.StartsWith(
            $"error: no --model is given, and there is no pocket model in '{_folder.Root}'; give --model, or set "
            + "LAYERSTEER_POCKET to the folder of a pocket model\n",
            error,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Prompts_come_from_a_pipe_and_commands_change_what_follows()
    {
        const string Lines = """
            The doctor said that
            /strength 0
            The doctor said that
            /method clamp
            /topic outdoors
            /seed 9

            The doctor said that
            /quit
            never read
            """;
        (int code, string shown, string notes) = await Shown(1 << 16, Lines, "demo", "--json", "-n", "6");
        Assert.True(code == 0, notes);
        JsonElement[] results =
            [.. shown.Trim().Split('\n').Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        Assert.Equal(3, results.Length);
        Assert.Equal(["medical", "medical", "outdoors"], results.Select(result => Text(result, "topic")));
        Assert.Equal([2, 0, 1], results.Select(r => r.GetProperty("steered").GetProperty("strength").GetDouble()));
        Assert.Equal("clamp", Text(results[2].GetProperty("steered"), "method"));
        Assert.Equal([0, 0, 9], results.Select(result => result.GetProperty("seed").GetInt32()));
        Assert.Equal(JsonValueKind.Null, results[2].GetProperty("finetuned").ValueKind);
        Assert.Equal(Text(results[1].GetProperty("original"), "text"), Text(results[1].GetProperty("steered"), "text"));
    }

    [Fact]
    public async Task A_line_that_cannot_be_done_is_refused_and_the_next_is_done()
    {
        const string Lines = "/topic law\n/strength -1\n/seed x\n/method swapp\n/jump\n/topic\nHello\n";
        (int code, string shown, string notes) = await Shown(1 << 16, Lines, "demo", "--json", "-n", "2");
        Assert.Equal(2, code);
        Assert.Single(shown.Trim().Split('\n'));
        Assert.Equal(
            [
                "error: no topic 'law' in the pocket model; there are medical, outdoors",
                "error: /strength is '-1', expected a number from 0 on",
                "error: /seed is 'x', expected a whole number from 0 on",
                "error: no method 'swapp'; there are orig, sae, clamp, weight, swap, add, set, min-clamp, scale, ablate, "
                + "project, diffmean",
                "error: no command '/jump'; there are /topic, /align, /method, /strength, /seed, /help, /quit",
                "error: /topic NAME: steer toward a ready topic",
            ],
            notes.TrimEnd().Split('\n').Select(line => line.TrimEnd()));
    }

    [Fact]
    public async Task Ctrl_C_stops_a_text_and_not_the_loop()
    {
        using var notes = new TestConsole();
        var done = new List<string>();
        var terminal = new Terminal(TextWriter.Null, () => notes, () => notes)
        {
            In = () => new StringReader("first\nsecond\n"),
            IsTyped = true,
        };
        var loop = new DemoLoop(terminal, [], (line, stop) =>
        {
            if (line == "first")
            {
                terminal.OnInterrupt!();
            }

            stop.ThrowIfCancellationRequested();
            done.Add(line);
        }, (_, _, _) => { });
        Assert.Equal(0, await loop.RunAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["second"], done);
        Assert.Contains("stopped", notes.Output, StringComparison.Ordinal);
        Assert.Null(terminal.OnInterrupt);
    }

    [Fact]
    public async Task A_request_to_end_ends_the_loop_that_waits_for_a_line()
    {
        using var notes = new TestConsole();
        using var ended = new CancellationTokenSource();
        using var waiting = new SemaphoreSlim(0);
        using var lines = new Waiting(waiting);
        var terminal = new Terminal(TextWriter.Null, () => notes, () => notes) { In = () => lines };
        Task<int> run = new DemoLoop(terminal, [], (_, _) => { }, (_, _, _) => { }).RunAsync(ended.Token);
        await ended.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        waiting.Release();
    }

    private static string Text(JsonElement value, string field) => value.GetProperty(field).GetString()!;

    /// <summary>What a run shows on consoles of a width.</summary>
    private static async Task<(int Code, string Shown, string Notes)> Shown(int width, string lines, params string[] args)
    {
        using var output = new StringWriter();
        using var tables = new TestConsole();
        using var notes = new TestConsole();
        tables.Width(width);
        notes.Width(1 << 16);
        var terminal = new Terminal(output, () => tables, () => notes) { In = () => new StringReader(lines) };
        int code = await CommandLine.RunAsync(args, terminal, TestContext.Current.CancellationToken);
        return (code, output + tables.Output, notes.Output);
    }

    /// <summary>Lines that nobody gives.</summary>
    private sealed class Waiting(SemaphoreSlim until) : TextReader
    {
        public override string? ReadLine()
        {
            until.Wait();
            return null;
        }
    }
}
