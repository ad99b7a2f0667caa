using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer encoder train`: a static sentence encoder from raw texts; `encoder convert` stores one in another type.
/// </summary>
internal static class EncoderCommand
{
    public static Command Create(Terminal terminal) =>
        new("encoder", "Make a sentence encoder.") { Train(terminal), Convert(terminal) };

    private static Command Train(Terminal terminal)
    {
        ContrastiveOptions defaults = new();
        Option<string[]> texts = SharedOptions.Texts();
        Option<string[]> weights = TrainingArguments.WeightOption();
        Option<string> tokenizer =
            ValueOptions.RequiredPath("--tokenizer", "Folder of a tokenizer; `layersteer tokenizer train` makes one.");
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the encoder; an unfinished run in it goes on.", "-o");
        Option<int?> dimension = MultipleOf16("--dim", "Length of a vector.", 4096, defaults.Dimension);
        Option<int?> steps = ValueOptions.Number<int>(
            "--steps", "Steps of the optimiser.", "at least 1", n => n >= 1, defaults.Steps);
        Option<int?> batch =
            MultipleOf16("--batch", "Pairs of a step; each has the others as negatives.", 16384, defaults.Batch);
        Option<double?> learningRate = ValueOptions.Number<double>(
            "--learning-rate", "Largest learning rate.", "above 0, at most 1", n => n is > 0 and <= 1,
            defaults.LearningRate);
        Option<double?> temperature = ValueOptions.Number<double>(
            "--temperature", "What cosines are divided by.", "from 0.025 to 100", n => n is >= 0.025 and <= 100,
            defaults.Temperature);
        Option<double?> dropout = ValueOptions.Number<double>(
            "--token-dropout", "Chance of each token to be left out.", "from 0 to below 1", n => n is >= 0 and < 1,
            defaults.TokenDropout);
        Option<double?> balance = ValueOptions.Number<double>(
            "--balance", "Files are drawn from by their size to this power: 1 by size, 0 all alike.", "from 0 to 1",
            n => n is >= 0 and <= 1, defaults.Balance);
        Option<ulong?> seed = ValueOptions.Number<ulong>(
            "--seed", "New vectors, and which pairs come.", "a whole number from 0", _ => true, defaults.Seed);
        Option<double?> minutes = ValueOptions.Number<double>(
            "--checkpoint-minutes", "Time from checkpoint to checkpoint.", "above 0", n => n > 0, 1);
        Option<string> type = SharedOptions.SaveType("f32", "vectors");
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "train", "Train a static sentence encoder: neighbouring passages of a text are to have near vectors.")
        {
            texts, weights, tokenizer, output, dimension, steps, batch, learningRate, temperature, dropout, balance,
            seed, minutes, type, threads, json,
        };
        command.SetAction((parse, cancellation) =>
        {
            string folder = parse.GetRequiredValue(output);
            string source = parse.GetRequiredValue(tokenizer);
            TextTokenizer text = TextTokenizer.Load(source);
            TextCorpus corpus = TextCorpus.Open(parse.GetRequiredValue(texts));
            ContrastiveOptions options = defaults with
            {
                Dimension = parse.GetRequiredValue(dimension)!.Value,
                Steps = parse.GetRequiredValue(steps)!.Value,
                Batch = parse.GetRequiredValue(batch)!.Value,
                LearningRate = parse.GetRequiredValue(learningRate)!.Value,
                Temperature = parse.GetRequiredValue(temperature)!.Value,
                TokenDropout = parse.GetRequiredValue(dropout)!.Value,
                Balance = parse.GetRequiredValue(balance)!.Value,
                Seed = parse.GetRequiredValue(seed)!.Value,
            };
            IReadOnlyList<TokenSource> sources = TrainingTexts.Encode(
                corpus,
                text,
                TrainingArguments.WeightsOf(parse.GetValue(weights)),
                name => terminal.Note($"reading {name}"),
                cancellation);
            Directory.CreateDirectory(folder);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using var trainer = new ContrastiveTrainer(text, sources, options, pool);
            if (trainer.TryResume(folder))
            {
                terminal.Note($"going on from step {trainer.Step} of {options.Steps}");
            }

            double seconds = Run(
                terminal,
                trainer,
                folder,
                TimeSpan.FromMinutes(parse.GetRequiredValue(minutes)!.Value),
                cancellation);
            StaticEncoderFolder.Write(
                folder, source, trainer.Vectors(), options.Dimension, WeightTypes.Parse(parse.GetRequiredValue(type)));
            Show(terminal, parse.GetValue(json), folder, text.VocabularySize, options, trainer, seconds);
            return Task.FromResult(0);
        });
        return command;
    }

    private static Command Convert(Terminal terminal)
    {
        Option<string> encoder =
            ValueOptions.RequiredPath("--encoder", "Folder of the encoder, in sentence-transformers layout.");
        Option<string> output = ValueOptions.RequiredPath("--out", "Folder to write.", "-o");
        Option<string> type = SharedOptions.SaveType("bf16", "vectors");
        Option<bool> json = SharedOptions.Json();
        var command = new Command("convert", "Write a static sentence encoder again, in another type.")
        {
            encoder, output, type, json,
        };
        command.SetAction(parse =>
        {
            string folder = parse.GetRequiredValue(output);
            string name = parse.GetRequiredValue(type);
            StaticEncoderFolder.Convert(NamedFiles.Encoder(parse.GetRequiredValue(encoder)), folder, WeightTypes.Parse(name));
            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject { ["out"] = folder, ["dtype"] = name });
            }
            else
            {
                terminal.Out.WriteLine($"{folder}: {name}");
            }

            return 0;
        });
        return command;
    }

    private static double Run(
        Terminal terminal,
        ContrastiveTrainer trainer,
        string folder,
        TimeSpan checkpointEvery,
        CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        terminal.Progress()
            .Start(display =>
            {
                ProgressTask task = display.AddTask("training", maxValue: 1);
                trainer.Run(
                    folder,
                    checkpointEvery,
                    now =>
                    {
                        task.MaxValue = now.Steps;
                        task.Value = now.Step;
                        task.Description = string.Create(
                            CultureInfo.InvariantCulture,
                            $"step {now.Step}/{now.Steps}, loss {now.Loss:F3}, {now.Accuracy:P1} found, "
                            + $"{now.PairsPerSecond:F0} pairs/s");
                    },
                    cancellation);
            });
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Show(
        Terminal terminal,
        bool json,
        string folder,
        int vocabulary,
        ContrastiveOptions options,
        ContrastiveTrainer trainer,
        double seconds)
    {
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["out"] = folder,
                ["vocabulary"] = vocabulary,
                ["dimension"] = options.Dimension,
                ["steps"] = trainer.Step,
                ["batch"] = options.Batch,
                ["loss"] = trainer.Loss,
                ["accuracy_in_batch"] = trainer.Accuracy,
                ["seconds_of_this_sitting"] = seconds,
            });
            return;
        }

        terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{folder}: {vocabulary} vectors of {options.Dimension}, {(long)trainer.Step * options.Batch} pairs in "
            + $"{trainer.Step} steps and {seconds:F0} s, loss {trainer.Loss:F3} nats a pair, {trainer.Accuracy:P1} "
            + $"of passages found among {options.Batch}"));
    }

    private static Option<int?> MultipleOf16(string name, string description, int most, int fallback) =>
        ValueOptions.Number<int>(
            name,
            description,
            $"a multiple of 16 from 16 to {most}",
            n => n % 16 == 0 && n >= 16 && n <= most,
            fallback);
}
