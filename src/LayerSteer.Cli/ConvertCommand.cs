using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer convert`: an autoencoder in SAELens' layout, tensors as safetensors, or a topic as a control vector.
/// </summary>
internal static class ConvertCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> sae = new("--sae")
        {
            Description = "Autoencoder of any format that docs/formats.md lists: a file or a folder.",
            HelpName = "path",
        };
        Option<string?> tensors = new("--tensors")
        {
            Description = "Any .pt, .npz, .npy or .safetensors file, whose tensors are written as they are.",
            HelpName = "path",
        };
        Option<string?> output = new("--out", "-o")
        {
            Description = "A folder for cfg.json and sae_weights.safetensors, or a name that ends in .safetensors.",
            HelpName = "path",
        };
        Option<string> type = SharedOptions.SaveType();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "convert", "Write an autoencoder or tensors as safetensors, or a topic as a GGUF control vector.")
        {
            sae, tensors, output, type, json,
        };
        var vector = new ControlVectorArguments(command);
        var loading = new LoadingArguments(command, loadsModel: false);
        command.SetAction((parse, cancellation) =>
        {
            string? source = parse.GetValue(sae);
            string? file = parse.GetValue(tensors);
            string? target = parse.GetValue(output);
            JsonObject result;
            if (vector.Target(parse) is { } gguf)
            {
                if (source is null || file is not null || target is not null)
                {
                    throw new UsageException("--gguf needs --sae, and goes with neither --tensors nor --out");
                }

                OutputFiles.Require(gguf);
                using var pool = new WorkerPool(Environment.ProcessorCount);
                using SparseAutoencoder autoencoder =
                    SparseAutoencoder.Load(source, loading.Options(parse, terminal, pool));
                result = vector.Write(parse, terminal, autoencoder, gguf);
            }
            else
            {
                vector.RefuseAll(parse);
                if ((source is null) == (file is null) || target is null)
                {
                    throw new UsageException("give --sae or --tensors, with --out; or --sae with --gguf");
                }

                result = file is null
                    ? Autoencoder(source!, target, SharedOptions.StoredAs(parse.GetValue(type)))
                    : Tensors(file, target);
            }

            if (parse.GetValue(json))
            {
                terminal.WriteJson(result);
            }
            else
            {
                terminal.Out.WriteLine(string.Join(", ", result.Select(entry => $"{entry.Key} {entry.Value}")));
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static JsonObject Autoencoder(string source, string target, TensorType type)
    {
        AutoencoderConfig config = AutoencoderWriter.Convert(source, target, type);
        return new JsonObject
        {
            ["out"] = target,
            ["activation"] = config.IsGated ? "gated" : config.Kind.ToString(),
            ["d_in"] = config.DIn,
            ["d_sae"] = config.DSae,
            ["hook"] = config.HookPoint?.ToString(),
        };
    }

    private static JsonObject Tensors(string source, string target)
    {
        if (!target.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
        {
            throw new UsageException($"--out is '{target}', expected a name that ends in .safetensors, for --tensors");
        }

        OutputFiles.Require(target);
        return new JsonObject
        {
            ["out"] = target,
            ["tensors"] = TensorConversion.ToSafetensors(source, target),
        };
    }
}
