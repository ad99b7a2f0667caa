using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Text;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer dataset`: the sets of a topic from a file of texts.</summary>
internal static class DatasetCommand
{
    private const string Count = "a whole number from 1 on";

    public static Command Create(Terminal terminal)
    {
        DatasetOptions defaults = new();
        Option<string> input = ValueOptions.RequiredPath(
            "--input",
            "The topic's texts: CSV, JSON or JSONL, or CAA questions (JSON with answer_matching_behavior).",
            "-i");
        Option<string?> testInput = new("--test-input")
        {
            Description = "Take the test set from this file instead.",
            HelpName = "path",
        };
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the three files; created if it is not there.", "-o");
        Option<int?> train = ValueOptions.Number<int>(
            "--train", "How many texts the larger alignment set has.", Count, n => n >= 1, defaults.Train);
        Option<int?> small = ValueOptions.Number<int>(
            "--small", "How many texts the smaller alignment set has.", Count, n => n >= 1, defaults.SmallTrain);
        Option<int?> test =
            ValueOptions.Number<int>("--test", "How many texts the test set has.", Count, n => n >= 1, defaults.Test);
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "Seed of the shuffle.", "a whole number from 0 on", _ => true, defaults.Seed);
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "dataset", "Make a topic's alignment and test sets: cleaned as the seed does, shuffled, disjoint.")
        {
            input, testInput, output, train, small, test, seed, json,
        };
        command.Subcommands.Add(References(terminal));
        command.SetAction(parse =>
        {
            var options = new DatasetOptions
            {
                Train = parse.GetValue(train)!.Value,
                SmallTrain = parse.GetValue(small)!.Value,
                Test = parse.GetValue(test)!.Value,
                Seed = parse.GetValue(seed)!.Value,
            };
            DatasetReport report = DatasetBuilder.Build(
                parse.GetRequiredValue(input), parse.GetRequiredValue(output), options, parse.GetValue(testInput));
            Show(terminal, parse.GetValue(json), options, report);
            return 0;
        });
        return command;
    }

    private static Command References(Terminal terminal)
    {
        Option<string[]> texts = SharedOptions.Texts();
        Option<string> output = ValueOptions.RequiredPath("--out", "The .jsonl file to write.", "-o");
        Option<int?> count =
            ValueOptions.Number<int>("--count", "How many passages to draw.", Count, n => n >= 1, 2000);
        Option<int?> characters = ValueOptions.Number<int>(
            "--characters", "About how long each is.", "a whole number from 40 on", n => n >= 40, 400);
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "Chooses the passages.", "a whole number from 0 on", _ => true, 1);
        Option<bool> json = SharedOptions.Json();
        var command = new Command("references", "Draw passages from a corpus, to serve as reference texts of an index.")
        {
            texts, output, count, characters, seed, json,
        };
        command.SetAction(parse =>
        {
            string path = parse.GetRequiredValue(output);
            OutputFiles.Require(path);
            IReadOnlyList<ReferencePassage> passages = ReferencePassages.Draw(
                TextCorpus.Open(parse.GetRequiredValue(texts)),
                parse.GetRequiredValue(count)!.Value,
                parse.GetRequiredValue(characters)!.Value,
                parse.GetRequiredValue(seed)!.Value);
            AtomicFile.WriteText(path, writer =>
            {
                foreach (ReferencePassage passage in passages)
                {
                    writer.WriteLine(new JsonObject
                    {
                        ["id"] = passage.Id,
                        ["text"] = passage.Text,
                        ["source"] = passage.Source,
                    }.ToJsonString());
                }
            });
            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject { ["out"] = path, ["passages"] = passages.Count });
            }
            else
            {
                terminal.Out.WriteLine($"{path}: {passages.Count} passages");
            }

            return 0;
        });
        return command;
    }

    private static void Show(Terminal terminal, bool json, DatasetOptions options, DatasetReport report)
    {
        (string Set, string Path, int Texts)[] sets =
        [
            ("train", report.TrainPath, options.Train),
            ("small", report.SmallTrainPath, options.SmallTrain),
            ("test", report.TestPath, options.Test),
        ];
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["sets"] = new JsonArray([.. sets.Select(set => new JsonObject
                {
                    ["set"] = set.Set, ["path"] = set.Path, ["texts"] = set.Texts,
                })]),
                ["texts_read"] = report.Texts,
                ["empty"] = report.Empty,
                ["repeated"] = report.Repeated,
                ["seed"] = options.Seed,
            });
            return;
        }

        Table table = new Table().AddColumn("set").AddColumn(new TableColumn("texts").RightAligned()).AddColumn("file");
        foreach ((string set, string path, int texts) in sets)
        {
            table.AddRow(set, $"{texts}", Markup.Escape(path));
        }

        terminal.Tables.Write(table);
        terminal.Note(
            $"{report.Texts} texts read, {report.Empty} empty and {report.Repeated} repeated left out; "
            + $"seed {options.Seed}");
    }
}
