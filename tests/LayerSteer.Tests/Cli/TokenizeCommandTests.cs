using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class TokenizeCommandTests
{
    [Theory]
    [MemberData(nameof(GoldenCase.Names), MemberType = typeof(GoldenCase))]
    public async Task Ids_of_a_file_are_those_of_the_reference(string name)
    {
        using GoldenCase golden = GoldenCase.Open(name);
        string file = Path.Combine(golden.Folder, "prompts.json");
        JsonElement plain = (await CliRun.Of("tokenize", "--model", golden.Model, "--file", file, "--json")).Json;
        JsonElement withBos =
            (await CliRun.Of("tokenize", "--model", golden.Model, "--file", file, "--bos", "--json")).Json;
        JsonElement[] expected = [.. golden.Json.GetProperty("prompts").EnumerateArray()];
        Assert.Equal(expected.Length, plain.GetProperty("ids").GetArrayLength());
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(
                GoldenCase.Ints(expected[i].GetProperty("tokens")), GoldenCase.Ints(plain.GetProperty("ids")[i]));
            Assert.Equal(golden.TokensWithBos(i), GoldenCase.Ints(withBos.GetProperty("ids")[i]));
        }

        Assert.Equal("ids", Assert.Single(plain.EnumerateObject()).Name);
    }

    [Fact]
    public async Task A_text_gives_one_list_and_an_empty_text_an_empty_one()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        JsonElement some =
            (await CliRun.Of("tokenize", "--model", golden.Model, "--text", golden.Prompts[0], "--json")).Json;
        JsonElement none =
            (await CliRun.Of("tokenize", "--model", golden.Model, "--text", string.Empty, "--json")).Json;
        Assert.Equal(
            golden.TokensWithBos(0)[1..], GoldenCase.Ints(Assert.Single(some.GetProperty("ids").EnumerateArray())));
        Assert.Empty(GoldenCase.Ints(Assert.Single(none.GetProperty("ids").EnumerateArray())));
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bert")]
    [InlineData("wordpiece")]
    public async Task A_folder_of_tokenizer_files_gives_the_golden_ids(string tokenizer)
    {
        using JsonDocument golden = JsonDocument.Parse(
            await File.ReadAllTextAsync(TestFiles.Golden($"tokenizers/{tokenizer}_golden.json"), TestContext.Current.CancellationToken));
        using var folder = new TempFolder();
        string file = folder.File("texts.json");
        JsonElement[] cases = [.. golden.RootElement.EnumerateArray()];
        await File.WriteAllTextAsync(
            file,
            JsonSerializer.Serialize(cases.Select(one => one.GetProperty("text").GetString())),
            TestContext.Current.CancellationToken);
        JsonElement ids = (await CliRun.Of(
            "tokenize", "--model", TestFiles.Golden($"tokenizers/{tokenizer}"), "--file", file, "--json")).Json.GetProperty("ids");
        for (int i = 0; i < cases.Length; i++)
        {
            Assert.Equal(GoldenCase.Ints(cases[i].GetProperty("ids")), GoldenCase.Ints(ids[i]));
        }
    }

    [Fact]
    public async Task A_table_shows_positions_ids_and_tokens()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        CliRun run = await CliRun.Done("tokenize", "--model", golden.Model, "--text", "[bold]Hello");
        Assert.Contains("text 0: ", run.Out, StringComparison.Ordinal);
        Assert.Contains("[", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""["fine", null]""", ": entry 1 is null; expected a JSON list of strings")]
    [InlineData("[]", ": no texts; expected a JSON list of strings")]
    [InlineData("""{"a": 1}""", ": expected a JSON list of strings: ")]
    [InlineData("""["\ud800"]""", ": expected a JSON list of strings: ")]
    [InlineData("not json", ": expected a JSON list of strings: ")]
    public async Task A_file_that_is_no_list_of_strings_is_refused(string content, string expected)
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        using var folder = new TempFolder();
        string file = folder.Write("texts.json", TempFolder.Ascii(content));
        string error = await CliRun.Refused(2, "tokenize", "--model", golden.Model, "--file", file);
        Assert.StartsWith($"'{file}'{expected}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_files_and_both_or_no_sources_are_refused()
    {
        using GoldenCase golden = GoldenCase.Open("gpt2-topk");
        Assert.Equal(
            "'nowhere.json': no such file; expected a JSON list of strings",
            await CliRun.Refused(2, "tokenize", "--model", golden.Model, "--file", "nowhere.json"));
        Assert.Equal("give either --text or --file", await CliRun.Refused(1, "tokenize", "--model", golden.Model));
        Assert.Equal(
            "give either --text or --file",
            await CliRun.Refused(1, "tokenize", "--model", golden.Model, "--text", "a", "--file", "b"));
    }
}
