using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;

namespace LayerSteer.Cli;

/// <summary>`layersteer train`: a new GPT-2 model from texts.</summary>
internal static class TrainCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> tokenizer =
            ValueOptions.RequiredPath("--tokenizer", "Folder of the tokenizer; `layersteer tokenizer train` makes one.");
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the model; an unfinished run in it goes on.", "-o");
        Option<int?> layers = Size("--layers", "Blocks.", 6);
        Option<int?> width = Size("--width", "Width of the residual stream.", 256);
        Option<int?> heads = Size("--heads", "Heads; divides the width.", 8);
        Option<int?> context = Size("--context", "Tokens of a window.", 256);
        Option<string> type = SharedOptions.SaveType();
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("train", "Train a new model of GPT-2's architecture on texts.")
        {
            tokenizer, output, layers, width, heads, context, type, threads, json,
        };
        var training = new TrainingArguments(command, null, 32, 1e-3, 200);
        command.SetAction((parse, cancellation) =>
        {
            string folder = parse.GetRequiredValue(output);
            TextTokenizer text = TextTokenizer.Load(parse.GetRequiredValue(tokenizer));
            int dModel = parse.GetRequiredValue(width)!.Value;
            int nHeads = parse.GetRequiredValue(heads)!.Value;
            if (dModel % nHeads != 0)
            {
                throw new UsageException($"--width is {dModel}, expected a multiple of --heads = {nHeads}");
            }

            int length = parse.GetRequiredValue(context)!.Value;
            var spec = new ArchitectureSpec
            {
                Family = "gpt2",
                NLayers = parse.GetRequiredValue(layers)!.Value,
                DModel = dModel,
                NHeads = nHeads,
                NKeyValueHeads = nHeads,
                DHead = dModel / nHeads,
                DMlp = 4 * dModel,
                Vocabulary = text.VocabularySize,
                ContextLength = length,
                NormEpsilon = 1e-5f,
                Activation = Activation.GeluTanh,
                AttentionScale = 1f / MathF.Sqrt(dModel / nHeads),
                TiedUnembedding = true,
                BosId = text.BosId,
                EosId = text.EosId,
            };
            TrainingOptions options = training.Options(parse, length);
            (IReadOnlyList<TokenSource> sources, IReadOnlyList<TokenSource> validation) =
                training.Read(parse, terminal, text, cancellation);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using ParameterSet model = TrainableCheckpoint.Initialise(spec, options.Seed);
            using var trainer = new DecoderTrainer(
                spec, model, sources, options, pool, TrainingTexts.Describe(spec, text.Digest, sources));
            Directory.CreateDirectory(folder);
            double seconds =
                training.Run(parse, terminal, trainer, folder, validation, length, cancellation);
            TrainableCheckpoint.Write(
                folder, spec, model, SharedOptions.StoredAs(parse.GetValue(type)));
            TokenizerFiles.Copy(parse.GetRequiredValue(tokenizer), folder);
            Show(terminal, parse.GetValue(json), folder, model, trainer, seconds);
            return Task.FromResult(0);
        });
        return command;
    }

    internal static void Show(
        Terminal terminal, bool json, string folder, ParameterSet model, DecoderTrainer trainer, double seconds)
    {
        TrainingLine last = trainer.Log.Lines[^1];
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["out"] = folder,
                ["parameters"] = model.Length,
                ["steps"] = last.Step,
                ["tokens"] = last.Tokens,
                ["loss"] = last.Loss,
                ["validation_loss"] = double.IsNaN(last.ValidationLoss) ? null : last.ValidationLoss,
                ["seconds"] = last.Seconds,
                ["seconds_of_this_sitting"] = seconds,
            });
            return;
        }

        string validation = double.IsNaN(last.ValidationLoss)
            ? string.Empty
            : string.Create(CultureInfo.InvariantCulture, $", validation {last.ValidationLoss:F3}");
        terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{folder}: {model.Length / 1e6:F1} M parameters, {last.Tokens / 1e6:F1} M tokens in {last.Step} steps "
            + $"and {last.Seconds:F0} s, loss {last.Loss:F3}{validation} nats a token"));
    }

    private static Option<int?> Size(string name, string description, int fallback) => ValueOptions.Number<int>(
        name, description, "a whole number from 1 to 65536", n => n is >= 1 and <= 65536, fallback);
}
