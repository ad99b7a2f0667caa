using System.CommandLine;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;

namespace LayerSteer.Cli;

/// <summary>`layersteer finetune`: all weights of a checkpoint, or a LoRA adapter for it, from texts.</summary>
internal static class FinetuneCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the result; an unfinished run in it goes on.", "-o");
        Option<int?> lora = ValueOptions.Number<int>(
            "--lora", "Rank of a LoRA adapter; 0 trains all weights.", "a whole number from 0", n => n >= 0, 0);
        Option<double?> alpha = ValueOptions.Number<double>(
            "--lora-alpha", "Scale of the adapter times its rank.", "above 0", n => n > 0, 16);
        Option<int?> context = ValueOptions.Number<int>(
            "--context", "Tokens of a window. Default: the model's context, or all the texts where they are shorter.",
            "at least 1",
            n => n >= 1);
        Option<string> type = SharedOptions.SaveType();
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("finetune", "Train a checkpoint on texts: all of its weights, or a LoRA adapter.")
        {
            model, output, lora, alpha, context, type, threads, json,
        };
        var training = new TrainingArguments(command, 100, 8, 5e-4, 10);
        command.SetAction((parse, cancellation) =>
        {
            string source = SharedOptions.ModelFolder(parse.GetValue(model));
            string folder = parse.GetRequiredValue(output);
            if (Path.GetFullPath(folder) == Path.GetFullPath(source))
            {
                throw new UsageException($"--out is the folder of the model, '{source}'; give another");
            }

            TextTokenizer text = TextTokenizer.Load(source);
            using ParameterSet parameters = TrainableCheckpoint.Read(source, out ArchitectureSpec spec);
            (IReadOnlyList<TokenSource> sources, IReadOnlyList<TokenSource> validation) =
                training.Read(parse, terminal, text, cancellation);
            int longest = sources.Max(s => s.Tokens.Length) - 1;
            int length = parse.GetValue(context) ?? Math.Clamp(longest, 1, spec.ContextLength);
            if (length > spec.ContextLength)
            {
                throw new UsageException($"--context is {length}, but the model's context is {spec.ContextLength}");
            }

            TrainingOptions options = training.Options(parse, length) with
            {
                LoraRank = parse.GetRequiredValue(lora)!.Value,
                LoraAlpha = parse.GetRequiredValue(alpha)!.Value,
            };
            string digest = TrainableCheckpoint.DigestOf(source);
            Directory.CreateDirectory(folder);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using var trainer = new DecoderTrainer(
                spec, parameters, sources, options, pool, TrainingTexts.Describe(spec, digest, sources));
            double seconds = training.Run(parse, terminal, trainer, folder, validation, length, cancellation);
            TensorType stored = SharedOptions.StoredAs(parse.GetValue(type));
            if (trainer.Adapters is { } adapters)
            {
                adapters.Write(folder, Path.GetFileName(Path.GetFullPath(source)), digest, stored);
            }
            else
            {
                TrainableCheckpoint.Write(folder, spec, parameters, stored);
                TokenizerFiles.Copy(source, folder);
            }

            TrainCommand.Show(
                terminal, parse.GetValue(json), folder, trainer.Adapters?.Values ?? parameters, trainer, seconds);
            return Task.FromResult(0);
        });
        return command;
    }
}
