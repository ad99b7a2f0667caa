using System.Text.Json;
using LayerSteer.Tests.Formats;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Cli;

public class DatasetCommandTests
{
    [Fact]
    public async Task Three_disjoint_sets_are_written_and_told()
    {
        using var folder = new TempFolder();
        string input = folder.Write(
            "texts.jsonl",
            TempFolder.Ascii(string.Join('\n', Enumerable.Range(0, 12).Select(i => $"\"text, number {i}\""))));
        CliRun run = await CliRun.Of(
            "dataset", "--input", input, "--out", folder.File("sets"), "--train", "5", "--small", "2", "--test", "3",
            "--seed", "9", "--json");
        JsonElement[] sets = [.. run.Json.GetProperty("sets").EnumerateArray()];
        Assert.Equal([5, 2, 3], sets.Select(set => set.GetProperty("texts").GetInt32()));
        string[] texts = [.. sets.SelectMany(set => TextTable.Read(set.GetProperty("path").GetString()!).Texts)];
        Assert.Equal(10, texts.Distinct().Count());
        Assert.All(texts, text => Assert.StartsWith("text number ", text, StringComparison.Ordinal));
        Assert.Equal(12, run.Json.GetProperty("texts_read").GetInt32());
    }

    [Fact]
    public async Task The_seed_decides_the_sets_and_a_second_file_may_give_the_test_set()
    {
        using var folder = new TempFolder();
        string input = folder.Write(
            "texts.csv",
            TempFolder.Ascii(",0\n" + string.Concat(Enumerable.Range(0, 9).Select(i => $"{i},text {i}\n"))));
        string test = folder.Write("test.csv", TempFolder.Ascii(",0\n0,other 0\n1,other 1\n"));
        string[] common = ["dataset", "--input", input, "--train", "3", "--small", "2", "--test", "2"];
        await CliRun.Done([.. common, "--out", folder.File("a"), "--seed", "1"]);
        await CliRun.Done([.. common, "--out", folder.File("b"), "--seed", "1"]);
        await CliRun.Done([.. common, "--out", folder.File("c"), "--seed", "2", "--test-input", test]);
        Assert.Equal(Train("a"), Train("b"));
        Assert.NotEqual(Train("a"), Train("c"));
        Assert.All(
            TextTable.Read(Path.Combine(folder.File("c"), "test.csv")).Texts,
            text => Assert.StartsWith("other", text, StringComparison.Ordinal));

        string Train(string name) => File.ReadAllText(Path.Combine(folder.File(name), "train_3.csv"));
    }

    [Fact]
    public async Task Caa_questions_become_texts_and_a_table_lists_the_files()
    {
        using var folder = new TempFolder();
        string items = string.Join(',', Enumerable.Range(0, 4).Select(i =>
            $$"""{"question": "What, {{i}}?\n\nChoices:\n (A) yes {{i}}\n (B) no {{i}}", """
            + "\"answer_matching_behavior\": \"(B)\"}"));
        string input = folder.Write("caa.json", TempFolder.Ascii($"[{items}]"));
        CliRun run = await CliRun.Done(
            "dataset", "--input", input, "--out", folder.File("sets"), "--train", "2", "--small", "1", "--test", "1");
        Assert.Contains("train_2.csv", run.Out, StringComparison.Ordinal);
        Assert.Contains("4 texts read, 0 empty and 0 repeated left out; seed 0", run.Notes, StringComparison.Ordinal);
        Assert.Matches(
            "^What \\d\\?  Choices::no \\d$",
            TextTable.Read(Path.Combine(folder.File("sets"), "train_2.csv")).Texts[0]);
    }

    [Fact]
    public async Task Too_few_texts_are_refused_and_nothing_is_written()
    {
        using var folder = new TempFolder();
        string input = folder.Write("texts.csv", TempFolder.Ascii(",0\n0,one\n1,two\n"));
        Assert.Equal(
            $"'{input}': 2 different texts after cleaning, expected at least 46; ask for smaller sets",
            await CliRun.Refused(2, "dataset", "--input", input, "--out", folder.File("sets")));
        Assert.False(Directory.Exists(folder.File("sets")));
    }
}
