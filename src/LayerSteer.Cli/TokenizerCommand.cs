using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Text;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer tokenizer train`: a byte-level BPE vocabulary from texts.</summary>
internal static class TokenizerCommand
{
    public static Command Create(Terminal terminal) =>
        new("tokenizer", "Make a tokenizer.") { Train(terminal) };

    private static Command Train(Terminal terminal)
    {
        BytePairTrainerOptions defaults = new();
        Option<string[]> texts = SharedOptions.Texts();
        Option<int?> size = ValueOptions.Number<int>(
            "--vocab",
            "Ids in all: 256 bytes, merges, and the end of text.",
            $"a whole number from {BytePairTrainerOptions.SmallestVocabulary} on",
            n => n >= BytePairTrainerOptions.SmallestVocabulary,
            defaults.VocabularySize);
        Option<string> output = ValueOptions.RequiredPath(
            "--out", "Folder of vocab.json, merges.txt, tokenizer.json and tokenizer_config.json.", "-o");
        Option<string?> separator = SharedOptions.Separator();
        Option<long?> minimum = ValueOptions.Number<long>(
            "--min-frequency",
            "Merge only pairs that occur this often.",
            "a whole number from 1 on",
            n => n >= 1,
            defaults.MinPairFrequency);
        Option<int?> maxLength = ValueOptions.Number<int>(
            "--max-length",
            "Tokens that the model will take, recorded as model_max_length.",
            "a whole number from 1 on",
            n => n >= 1,
            BytePairVocabulary.DefaultMaxLength);
        Option<bool> json = SharedOptions.Json();
        var command = new Command("train", "Train a byte-level BPE tokenizer, as GPT-2's, on texts.")
        {
            texts, size, output, separator, minimum, maxLength, json,
        };
        command.SetAction((parse, cancellation) =>
        {
            long start = Stopwatch.GetTimestamp();
            string folder = parse.GetRequiredValue(output);
            if (File.Exists(folder))
            {
                throw new IOException($"'{folder}': is a file, expected the name of a folder");
            }

            TextCorpus corpus = TextCorpus.Open(
                parse.GetRequiredValue(texts), SharedOptions.Corpus(parse.GetValue(separator)));
            BytePairTrainerOptions options = defaults with
            {
                VocabularySize = parse.GetValue(size)!.Value,
                MinPairFrequency = parse.GetValue(minimum)!.Value,
            };
            BytePairVocabulary vocabulary = Run(terminal, corpus, options, cancellation);
            vocabulary.Save(folder, parse.GetValue(maxLength)!.Value);
            Show(terminal, parse.GetValue(json), folder, vocabulary, Stopwatch.GetElapsedTime(start).TotalSeconds);
            return Task.FromResult(0);
        });
        return command;
    }

    private static BytePairVocabulary Run(
        Terminal terminal, TextCorpus corpus, BytePairTrainerOptions options, CancellationToken cancellation) =>
        terminal.Notes.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
            .Start(context =>
            {
                ProgressTask counting = context.AddTask("counting words", maxValue: corpus.Files.Count);
                ProgressTask merging = context.AddTask("merging", maxValue: 1);
                int read = -1;
                string file = string.Empty;
                var progress = new Relay<BytePairProgress>(now =>
                {
                    if (now.Merges == 0)
                    {
                        counting.Description = string.Create(
                            CultureInfo.InvariantCulture,
                            $"counting words, {now.Documents} documents, {now.TextBytes / 1e6:F0} MB");
                        return;
                    }

                    counting.Value = counting.MaxValue;
                    merging.MaxValue = now.TotalMerges;
                    merging.Value = now.Merges;
                });
                return BytePairTrainer.Train(corpus.Documents().Select(Counted), options, progress, cancellation);

                string Counted(CorpusDocument document)
                {
                    if (document.File != file)
                    {
                        file = document.File;
                        counting.Value = ++read;
                    }

                    return document.Text;
                }
            });

    private static void Show(
        Terminal terminal, bool json, string folder, BytePairVocabulary vocabulary, double seconds)
    {
        BytePairStatistics trained = vocabulary.Statistics;
        string digest = TextTokenizer.Load(folder).Digest;
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["tokenizer"] = folder,
                ["vocabulary"] = vocabulary.Tokens.Count,
                ["merges"] = vocabulary.Merges.Count,
                ["documents"] = trained.Documents,
                ["text_bytes"] = trained.TextBytes,
                ["left_out_bytes"] = trained.LeftOutBytes,
                ["distinct_words"] = trained.DistinctWords,
                ["tokens"] = trained.Tokens,
                ["bytes_per_token"] = trained.BytesPerToken,
                ["digest"] = digest,
                ["seconds"] = seconds,
            });
            return;
        }

        Table table = new Table().HideHeaders().AddColumn("what").AddColumn("value");
        table.AddRow("tokenizer", Markup.Escape(folder));
        table.AddRow("vocabulary", $"{vocabulary.Tokens.Count} ids, {vocabulary.Merges.Count} merges");
        table.AddRow(
            "trained on",
            $"{trained.Documents} documents, {trained.TextBytes} bytes, {trained.DistinctWords} different words");
        table.AddRow(
            "bytes a token", string.Create(CultureInfo.InvariantCulture, $"{trained.BytesPerToken:F3} on these texts"));
        table.AddRow("digest", digest);
        table.AddRow("time", string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s"));
        terminal.Tables.Write(table);
    }
}
