using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Training;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer sae`: `train` makes autoencoders for layers of a model, `apply` runs one on an array.</summary>
internal static class SaeCommand
{
    public static Command Create(Terminal terminal) =>
        new("sae", "Sparse autoencoders: train them for a model, apply one to an array.")
        {
            Train(terminal), SaeApplyCommand.Create(terminal),
        };

    private static Command Train(Terminal terminal)
    {
        Option<string?> model = SharedOptions.Model();
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the autoencoders; an unfinished run in it goes on.", "-o");
        Option<string?> name = new("--model-name")
        {
            Description = "What the files call the model. Default: the name of its folder.",
            HelpName = "text",
        };
        Option<string> type = SharedOptions.SaveType();
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("train", "Train sparse autoencoders on a model's activations, several at once.")
        {
            model, output, name, type, threads, json,
        };
        var training = new SaeTrainingArguments(command);
        var loading = new LoadingArguments(command);
        command.SetAction((parse, cancellation) =>
        {
            string folder = parse.GetRequiredValue(output);
            string modelFolder = SharedOptions.ModelFolder(parse.GetValue(model));
            SaeTrainingOptions options = training.Options(parse);
            options.Validate();
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using Decoder decoder = Decoder.Load(modelFolder, loading.Options(parse, terminal, pool));
            TextTokenizer tokenizer = TextTokenizer.Load(modelFolder);
            int? bos = training.Bos(parse, decoder.Spec, tokenizer);
            int length = SaeTrainer.WindowLength(decoder.Spec, bos);
            (IReadOnlyList<TokenSource> sources, IReadOnlyList<int[]> heldOut) =
                training.Texts(parse, terminal, tokenizer, length, cancellation);
            string texts = TrainingTexts.Describe(decoder.Spec, decoder.Digest, sources);
            using var trainer = new SaeTrainer(
                decoder,
                training.Points(parse),
                sources,
                options,
                bos,
                $"{texts}, weights {WeightTypes.NameOf(decoder.Type)}");
            Directory.CreateDirectory(folder);
            if (trainer.TryResume(folder))
            {
                terminal.Note($"going on from step {trainer.Step} of {options.Steps}");
            }

            training.Run(parse, terminal, trainer, folder, heldOut, cancellation);
            string called = parse.GetValue(name) ?? new DirectoryInfo(modelFolder).Name;
            IReadOnlyList<string> files = trainer.Write(
                folder,
                called,
                SharedOptions.StoredAs(parse.GetValue(type)),
                new Dictionary<string, string>
                {
                    ["layersteer.version"] = typeof(SaeTrainer).Assembly.GetName().Version!.ToString(3),
                    ["layersteer.model_digest"] = decoder.Digest,
                    ["layersteer.training"] = $"{options}",
                    ["layersteer.texts"] = string.Join(", ", sources.Select(source => source.Name)),
                });
            Show(terminal, parse.GetValue(json), trainer, files);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Show(Terminal terminal, bool json, SaeTrainer trainer, IReadOnlyList<string> files)
    {
        SaeTrainingLine[] lines = [.. trainer.Log.Points.Select((_, site) => trainer.Log.Last(site))];
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["tokens"] = lines[0].Tokens,
                ["steps"] = lines[0].Step,
                ["seconds"] = lines[0].Seconds,
                ["model_seconds_of_this_sitting"] = trainer.ModelSeconds,
                ["step_seconds_of_this_sitting"] = trainer.StepSeconds,
                ["autoencoders"] = new JsonArray([.. lines.Select((line, site) => (JsonNode)new JsonObject
                {
                    ["hook"] = trainer.Log.Points[site].ToString(),
                    ["file"] = files[site],
                    ["loss"] = line.Loss,
                    ["fvu"] = line.Fvu,
                    ["l0"] = line.L0,
                    ["dead_share"] = line.DeadShare,
                    ["held_out_fvu"] = OrNull(line.HeldOut.Fvu),
                    ["held_out_l0"] = OrNull(line.HeldOut.L0),
                    ["ce_original"] = OrNull(line.HeldOut.CeOriginal),
                    ["ce_spliced"] = OrNull(line.HeldOut.CeSpliced),
                    ["ce_zero_ablated"] = OrNull(line.HeldOut.CeAblated),
                    ["loss_recovered"] = OrNull(line.HeldOut.LossRecovered),
                })]),
            });
            return;
        }

        Table table = new Table().AddColumns(
            "file", "FVU", "L0", "dead", "held-out FVU", "held-out L0", "CE", "CE spliced", "CE zeroed", "recovered");
        foreach ((SaeTrainingLine line, string file) in lines.Zip(files))
        {
            SpliceQuality held = line.HeldOut;
            table.AddRow(
                Markup.Escape(file), Text(line.Fvu, "F4"), Text(line.L0, "F1"), Text(line.DeadShare, "P2"),
                Text(held.Fvu, "F4"), Text(held.L0, "F1"), Text(held.CeOriginal, "F4"), Text(held.CeSpliced, "F4"),
                Text(held.CeAblated, "F4"), Text(held.LossRecovered, "P2"));
        }

        terminal.Tables.Write(table);
        terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{lines[0].Tokens / 1e6:F2} M tokens in {lines[0].Seconds:F0} s"));
    }

    private static JsonNode? OrNull(double value) => double.IsFinite(value) ? value : null;

    private static string Text(double value, string format) =>
        double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : "-";
}
