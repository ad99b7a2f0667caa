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
        var command =
            new Command("trace", "Run prompts and write tokens, residuals, pre-activations, latents and logits.");
        var steering = new SteeringArguments(command, new LoadingArguments(command));
        Option<string?> prompts = new("--prompts")
        {
            Description = "A JSON list of strings, or a CSV of texts.",
            HelpName = "path",
        };
        Option<string?> tokens = new("--tokens")
        {
            Description = "In place of --prompts: a JSON list of lists of token ids, taken as they are; no BOS is put in "
                + "front, and the model needs no tokenizer.",
            HelpName = "path",
        };
        Option<string> output = ValueOptions.RequiredPath("--out", "The file to write: .npz or .safetensors.", "-o");
        Option<string?> csv = new("--csv")
        {
            Description = "Also write the latents that the method decodes, in the seed's CSV layout, into this folder.",
            HelpName = "path",
        };
        Option<bool> json = SharedOptions.Json();
        command.Options.Add(prompts);
        command.Options.Add(tokens);
        command.Options.Add(output);
        command.Options.Add(csv);
        command.Options.Add(json);
        OutputFiles.RequireTensorName(output);
        command.SetAction((parse, cancellation) =>
        {
            SteeringOptions options = steering.Options(parse);
            if (parse.GetValue(csv) is not null && options.IsIdentity)
            {
                throw new UsageException(
                    "--csv writes the latents that a method decodes; orig and strength 0 decode none");
            }

            string? promptFile = parse.GetValue(prompts);
            string? tokenFile = parse.GetValue(tokens);
            if ((promptFile is null) == (tokenFile is null))
            {
                throw new UsageException("give one of --prompts and --tokens");
            }

            if (tokenFile is not null && steering.NamesBos(parse))
            {
                throw new UsageException("--tokens are taken as they are; --bos goes with --prompts");
            }

            string path = parse.GetRequiredValue(output);
            OutputFiles.Require(path);
            IReadOnlyList<string> texts = promptFile is null ? [] : PromptFile.Read(promptFile);
            int[][] given = tokenFile is null ? [] : TokenFile.Read(tokenFile);
            using var pool = new WorkerPool(steering.Threads(parse));
            using Steerer steerer = steering.Load(parse, terminal, pool);
            SteeringPlan plan = steering.Plan(parse, terminal, steerer, options, cancellation);
            int[][] ids;
            if (tokenFile is not null)
            {
                TokenFile.RequireFits(tokenFile, given, steerer.Decoder.Spec);
                ids = given;
            }
            else
            {
                int[] prefix = steering.Bos(parse).Prefix(steerer.Decoder.Spec, steerer.Tokenizer);
                ids = [.. texts.Select((text, i) => Cut(terminal, steerer, prefix, text, i))];
            }

            using (Tracer tracer = new(steerer.Decoder, steerer.Sites, plan))
            using (TensorWriter writer = OutputFiles.Tensors(path))
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
                    ["model"] = steerer.Decoder.Path,
                    ["dtype"] = WeightTypes.NameOf(steerer.Decoder.Type),
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

        terminal.Warn(
            $"prompt {index} has {ids.Length} tokens; the first {context} are kept, which is the model's context");
        return ids[..context];
    }
}
