using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Cli;

/// <summary>`layersteer sae apply`: what an autoencoder of any format makes of an array of inputs.</summary>
internal static class SaeApplyCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> sae = ValueOptions.RequiredPath(
            "--sae", "Autoencoder of any format that docs/formats.md lists: a file or a folder.");
        Option<string> input = ValueOptions.RequiredPath(
            "--input", "The inputs, .npy: [n, d_in] or one row [d_in]; float16, float32 or float64.", "-i");
        Option<string> output = ValueOptions.RequiredPath(
            "--out", "The file to write, .npz or .safetensors: pre_act, latents, recon.", "-o");
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("apply", "Encode and decode an array: pre-activations, latents, reconstructions.")
        {
            sae, input, output, threads, json,
        };
        var loading = new LoadingArguments(command, loadsModel: false);
        OutputFiles.RequireTensorName(output);
        command.SetAction((parse, cancellation) =>
        {
            string path = parse.GetRequiredValue(output);
            OutputFiles.Require(path);
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using SparseAutoencoder autoencoder = SparseAutoencoder.Load(
                parse.GetRequiredValue(sae), loading.Options(parse, terminal, pool));
            using TensorFile file = TensorFile.Open(parse.GetRequiredValue(input));
            if (file.Tensors.Count != 1)
            {
                throw new InvalidDataException(
                    $"'{parse.GetRequiredValue(input)}': {file.Tensors.Count} arrays, expected one, as an .npy holds "
                    + "it");
            }

            SaeApplicationSummary summary;
            using (TensorWriter writer = OutputFiles.Tensors(path))
            {
                summary = SaeApplication.Write(autoencoder, file.Tensors.Values.First(), writer, cancellation);
                writer.Complete();
            }

            Show(terminal, parse.GetValue(json), autoencoder, summary, path);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Show(
        Terminal terminal, bool json, SparseAutoencoder autoencoder, SaeApplicationSummary summary, string path)
    {
        if (json)
        {
            terminal.WriteJson(new JsonObject
            {
                ["sae"] = autoencoder.Path,
                ["format"] = SaeFormats.NameOf(autoencoder.Format),
                ["activation"] = autoencoder.Activation.ToString(),
                ["normalisation"] = autoencoder.Normalisation.ToString(),
                ["hook"] = autoencoder.HookPoint?.ToString(),
                ["d_in"] = autoencoder.DIn,
                ["d_sae"] = autoencoder.DSae,
                ["rows"] = summary.Rows,
                ["l0_mean"] = summary.MeanL0,
                ["l0_max"] = summary.MostL0,
                ["fvu"] = JsonValues.Finite(summary.Fvu),
                ["out"] = path,
            });
            return;
        }

        string fvu = double.IsFinite(summary.Fvu) ? summary.Fvu.ToString("F4", CultureInfo.InvariantCulture) : "-";
        terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{path}: {summary.Rows} rows, {SaeFormats.NameOf(autoencoder.Format)} {autoencoder.Activation}, "
            + $"{autoencoder.DSae} latents of width {autoencoder.DIn}, L0 {summary.MeanL0:F1}, FVU {fvu}"));
    }
}
