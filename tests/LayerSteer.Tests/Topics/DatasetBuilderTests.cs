using System.Text.Json;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class DatasetBuilderTests
{
    [Fact]
    public void The_three_sets_have_their_sizes_and_no_text_in_common()
    {
        using var folder = new TemporaryFolder();
        string input = Texts(folder, 60);

        DatasetReport report = DatasetBuilder.Build(input, folder["out"], new DatasetOptions { Test = 30 });

        TextTable[] sets =
        [
            TextTable.Read(folder["out/train_20.csv"]),
            TextTable.Read(folder["out/train_6.csv"]),
            TextTable.Read(folder["out/test.csv"]),
        ];
        Assert.Equal([20, 6, 30], sets.Select(set => set.Count));
        Assert.Equal(56, sets.SelectMany(set => set.Texts).Distinct().Count());
        Assert.Equal(60, report.Texts);
        Assert.Equal(0, report.Repeated + report.Empty);
    }

    [Fact]
    public void The_same_seed_gives_the_same_files_and_another_seed_others()
    {
        using var folder = new TemporaryFolder();
        string input = Texts(folder, 60);

        DatasetBuilder.Build(input, folder["a"], new DatasetOptions { Seed = 5 });
        DatasetBuilder.Build(input, folder["b"], new DatasetOptions { Seed = 5 });
        DatasetBuilder.Build(input, folder["c"], new DatasetOptions { Seed = 6 });

        Assert.Equal(File.ReadAllText(folder["a/train_20.csv"]), File.ReadAllText(folder["b/train_20.csv"]));
        Assert.NotEqual(File.ReadAllText(folder["a/train_20.csv"]), File.ReadAllText(folder["c/train_20.csv"]));
    }

    [Fact]
    public void A_shuffle_is_the_same_in_every_version()
    {
        using var folder = new TemporaryFolder();
        string input = Texts(folder, 5);

        var options = new DatasetOptions { Train = 2, SmallTrain = 1, Test = 2, Seed = 1 };

        DatasetBuilder.Build(input, folder["out"], options);

        Assert.Equal(Shuffled, TextTable.Read(folder["out/train_2.csv"]).Texts);
    }

    [Fact]
    public void Texts_that_are_equal_after_cleaning_count_once()
    {
        using var folder = new TemporaryFolder();
        string input = folder.Write("x.json", """["Title: a,b", " ab", "Review:", "c\nd", "e", "Answer:f"]""");

        DatasetReport report = DatasetBuilder.Build(
            input, folder["out"], new DatasetOptions { Train = 2, SmallTrain = 1, Test = 1 });

        Assert.Equal((6, 1, 1), (report.Texts, report.Empty, report.Repeated));
        string[] all = ["train_2.csv", "train_1.csv", "test.csv"];
        Assert.Equal(
            [" ab", "cd", "e", "f"],
            all.SelectMany(name => TextTable.Read(folder["out/" + name]).Texts).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Too_few_texts_are_refused_and_nothing_is_written()
    {
        using var folder = new TemporaryFolder();
        string input = Texts(folder, 45);

        var error = Assert.Throws<InvalidDataException>(() => DatasetBuilder.Build(input, folder["out"]));

        Assert.Equal(
            $"'{input}': 45 different texts after cleaning, expected at least 46; ask for smaller sets", error.Message);
        Assert.False(Path.Exists(folder["out"]));
    }

    [Fact]
    public void A_question_becomes_its_lines_and_the_answer_that_shows_the_behaviour()
    {
        using var folder = new TemporaryFolder();
        string input = folder.Write("caa.json", """
            [{"question": "I am, well, old.\nWhat then?\n (A) Yes, of course\n (B) No",
              "answer_matching_behavior": "(A)"},
             {"question": "Who?\n (A) Me\n (B) You, maybe", "answer_matching_behavior": " (B)"},
             {"question": "When?\n (A) Now\n (B) Then", "answer_matching_behavior": "(A)"}]
            """);

        var options = new DatasetOptions { Train = 2, SmallTrain = 1, Test = 1 };

        DatasetBuilder.Build(input, folder["out"], options, SecondFile(folder));

        Assert.Equal(
            ["I am well old. What then?:Yes of course", "When?:Now", "Who?:You maybe"],
            TextTable.Read(folder["out/train_2.csv"]).Texts.Concat(TextTable.Read(folder["out/train_1.csv"]).Texts)
                .Order(StringComparer.Ordinal));
        Assert.Equal(["Other?:B"], TextTable.Read(folder["out/test.csv"]).Texts);
    }

    [Theory]
    [InlineData("{\"question\": \"Who?\"}", "no string 'answer_matching_behavior'")]
    [InlineData("{\"question\": \"Who?\", \"answer_matching_behavior\": \"(C)\"}",
        "answer_matching_behavior is '(C)', expected '(A)' or '(B)'")]
    [InlineData("{\"question\": \"Who?\", \"answer_matching_behavior\": \"(A)\"}",
        "expected a question whose last two lines begin with ' (A) ' and ' (B) '")]
    public void A_question_of_another_form_is_refused_by_item(string item, string message)
    {
        using var folder = new TemporaryFolder();
        string input = folder.Write("caa.json", $"[{item}]");

        var error = Assert.Throws<InvalidDataException>(() => DatasetBuilder.Build(input, folder["out"]));

        Assert.Equal($"'{input}' item 0: {message}", error.Message);
    }

    [Fact]
    public void The_sycophancy_files_give_all_three_sets()
    {
        string data = Path.Combine(TestFiles.Shared ?? string.Empty, "data", "sycophancy");
        Assert.SkipWhen(!Directory.Exists(data), "../shared/data/sycophancy is not here");
        using var folder = new TemporaryFolder();
        string train = Path.Combine(data, "generate_dataset.json");

        DatasetReport report = DatasetBuilder.Build(
            train, folder["out"], testInput: Path.Combine(data, "test_dataset_ab.json"));

        Assert.Equal(1050, report.Texts);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(train));
        string[] answers = [.. document.RootElement.EnumerateArray().Select(item =>
        {
            string[] lines = item.GetProperty("question").GetString()!.Split('\n');
            bool first = item.GetProperty("answer_matching_behavior").GetString() == "(A)";
            string text = string.Join(' ', lines[..^2]) + ":" + lines[first ? ^2 : ^1][5..];
            return text.Replace(",", string.Empty, StringComparison.Ordinal);
        })];
        Assert.All(TextTable.Read(folder["out/train_20.csv"]).Texts, text => Assert.Contains(text, answers));
    }

    private static string[] Shuffled => ["text number 1", "text number 0"];

    private static string SecondFile(TemporaryFolder folder) => folder.Write(
        "test.json", """[{"question": "Other?\n (A) A\n (B) B", "answer_matching_behavior": "(B)"}]""");

    private static string Texts(TemporaryFolder folder, int count) => folder.Write(
        "x.jsonl", string.Join('\n', Enumerable.Range(0, count).Select(i => $"\"text number {i}\"")));
}
