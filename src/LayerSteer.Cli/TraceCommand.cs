using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>`layersteer trace`: what happens inside the model, as arrays.</summary>
internal static class TraceCommand
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("trace", "Run prompts and write tokens, residuals, pre-activations, latents and logits.");
        var steering = new SteeringArguments(command);
        Option<string> prompts = new("--prompts") { Description = "A JSON list of strings, or a CSV of texts.", Required = true };
        Option<string> output = new("--out", "-o") { Description = "The file to write: .npz or .safetensors.", Required = true };
        Option<string?> csv = new("--csv")
        {
            Description = "Also write the latents that the method decodes, in the seed's CSV layout, into this folder.",
        };
        Option<bool> json = SharedOptions.Json();
        command.Options.Add(prompts);
        command.Options.Add(output);
        command.Options.Add(csv);
        command.Options.Add(json);
        command.SetAction((parse, cancellation) =>
        {
            SteeringOptions options = steering.Options(parse);
            IReadOnlyList<string> texts = PromptFile.Read(parse.GetRequiredValue(prompts));
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, options, pool);
            SteeringPlan plan = steering.Plan(parse, terminal, steerer, options);
            int[] prefix = steering.Bos(parse).Prefix(steerer.Decoder.Spec, steerer.Tokenizer);
            int[][] ids = [.. texts.Select((text, i) => Cut(terminal, steerer, prefix, text, i))];
            string path = parse.GetRequiredValue(output);
            using (Tracer tracer = new(steerer.Decoder, [.. steerer.Sites.Select(site => (site.Point, site.Autoencoder))], plan))
            using (TensorWriter writer = Writer(path))
            {
                for (int i = 0; i < ids.Length; i++)
                {
                    tracer.Write(writer, $"p{i:D2}.", ids[i], cancellation);
                    terminal.Note($"prompt {i + 1} of {ids.Length}: {ids[i].Length} tokens");
                }

                writer.Complete();
            }

            if (parse.GetValue(csv) is { } folder)
            {
                LatentCsv.Write(folder, steerer, plan, ids, cancellation);
            }

            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject
                {
                    ["out"] = path,
                    ["prompts"] = ids.Length,
                    ["tokens"] = JsonValues.Array(ids.Select(prompt => prompt.Length)),
                });
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static int[] Cut(Terminal terminal, Steerer steerer, int[] prefix, string text, int index)
    {
        int[] ids = [.. prefix, .. steerer.Tokenizer.Encode(text)];
        int context = steerer.Decoder.Spec.ContextLength;
        if (ids.Length == 0)
        {
            throw new ArgumentException($"prompt {index} has no tokens, and --bos none puts none in front");
        }

        if (ids.Length <= context)
        {
            return ids;
        }

        terminal.Warn($"prompt {index} has {ids.Length} tokens; the first {context} are kept, which is the model's context");
        return ids[..context];
    }

    private static TensorWriter Writer(string path) => Path.GetExtension(path) switch
    {
        ".npz" => new NpzWriter(path),
        ".safetensors" => new SafetensorsWriter(path),
        _ => throw new ArgumentException($"'{path}': expected a name that ends in .npz or .safetensors"),
    };
}
