using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Spectre.Console;
using static System.FormattableString;

namespace LayerSteer.Cli;

/// <summary>`layersteer inspect`: what a latent stands for, as far as can be seen.</summary>
internal static class InspectCommand
{
    private const int TokensAround = 8;

    public static Command Create(Terminal terminal)
    {
        Argument<int[]> latents = new("latent")
        {
            Description = "Latents, from 0.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string?> index = new("--index")
        {
            Description = "Folder of a reference index: how often, how strongly and where a latent is active. "
                + "Default: the pocket model's, where that is the model and its layer.",
            HelpName = "path",
        };
        Option<string?> reference = new("--reference")
        {
            Description = "The texts of the index, which holds none: shows where in them a latent is active.",
            HelpName = "path",
        };
        Option<int?> top = ValueOptions.Number<int>(
            "--top", "How many tokens, neighbours and contexts to show.", "from 1 to 100", n => n is >= 1 and <= 100, 8);
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "inspect", "Show a latent: the tokens it writes, its nearest latents, how often and where it is active.")
        {
            latents, model, sae, layer, hook, index, reference, top, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.SetAction((parse, cancellation) =>
        {
            string? given = parse.GetValue(model);
            PocketModel? pocket = SharedOptions.PocketUnless(given);
            (HookPoint Point, string Sae) site = SharedOptions.OneSite(
                pocket,
                parse.GetValue(layer) ?? [],
                parse.GetValue(sae) ?? [],
                parse.GetValue(hook),
                "latents are of one layer");
            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            using Steerer steerer =
                Steerer.Load(given ?? pocket!.Model, [site], loading.Options(parse, terminal, pool));
            string? folder = parse.GetValue(index)
                ?? (pocket is not null && site.Point == pocket.DefaultSae.Point ? pocket.Index : null);
            ReferenceIndex? references = folder is null ? null : ReferenceIndex.Open(folder);
            if (references is not null)
            {
                RequireSame(references, steerer.Sites[0]);
            }

            TextTable? texts = parse.GetValue(reference) is { } path ? TextTable.Read(path) : null;
            if (texts is not null && references is null)
            {
                throw new UsageException("--reference needs --index, which says where a latent is active");
            }

            int count = parse.GetRequiredValue(top)!.Value;
            var found = new JsonArray();
            foreach (int latent in parse.GetRequiredValue(latents))
            {
                cancellation.ThrowIfCancellationRequested();
                JsonObject one = Describe(steerer, references, texts, latent, count);
                found.Add(one);
                if (!parse.GetValue(json))
                {
                    Show(terminal, one);
                }
            }

            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject
                {
                    ["hook_point"] = site.Point.ToString(),
                    ["sae"] = steerer.Sites[0].Autoencoder.Digest,
                    ["latents"] = found,
                });
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static void RequireSame(ReferenceIndex index, SteeringSite site)
    {
        if (index.Manifest.Sae.Digest != site.Autoencoder.Digest)
        {
            throw new InvalidDataException(
                $"'{index.Folder}': made with autoencoder {index.Manifest.Sae.Digest}, "
                + $"but '{site.Autoencoder.Path}' is {site.Autoencoder.Digest}");
        }
    }

    private static JsonObject Describe(Steerer steerer, ReferenceIndex? index, TextTable? texts, int latent, int count)
    {
        SteeringSite site = steerer.Sites[0];
        SparseAutoencoder autoencoder = site.Autoencoder;
        if ((uint)latent >= (uint)autoencoder.DSae)
        {
            throw new UsageException($"latent is {latent}; there are 0 to {autoencoder.DSae - 1}");
        }

        var result = new JsonObject { ["latent"] = latent };
        if (autoencoder.DIn == steerer.Decoder.Spec.DModel)
        {
            result["tokens"] = new JsonArray([.. LogitLens
                .Top(steerer.Decoder, autoencoder, latent, count, steerer.Tokenizer.VocabularySize)
                .Select(token => new JsonObject
                {
                    ["id"] = token.Token,
                    ["text"] = steerer.Tokenizer.TokenText(token.Token),
                    ["logit"] = token.Logit,
                })]);
        }

        result["nearest"] = new JsonArray([.. autoencoder.Nearest(latent, count).Select(
            near => new JsonObject { ["latent"] = near.Latent, ["cosine"] = near.Cosine })]);
        if (index is null)
        {
            return result;
        }

        LatentStatistics statistics = index.LatentStatistics[latent];
        long tokens = index.Tokens.Sum(n => (long)n);
        result["activity"] = new JsonObject
        {
            ["tokens"] = tokens,
            ["tokens_active"] = statistics.TokensActive,
            ["density"] = (double)statistics.TokensActive / tokens,
            ["prompts"] = index.PromptCount,
            ["prompts_active"] = statistics.PromptsActive,
            ["mean_when_active"] = statistics.TokensActive == 0 ? null : statistics.Sum / statistics.TokensActive,
            ["max"] = statistics.Max,
        };
        result["contexts"] = new JsonArray([.. LatentContext.Top(index, latent, count).Select(
            context => Context(steerer, texts, latent, context))]);
        return result;
    }

    private static JsonObject Context(Steerer steerer, TextTable? texts, int latent, LatentContext context)
    {
        var result = new JsonObject
        {
            ["prompt"] = context.Prompt,
            ["max"] = context.Max,
            ["tokens_active"] = context.Active,
            ["tokens"] = context.Tokens,
        };
        if (texts is null)
        {
            return result;
        }

        string text = context.Prompt < texts.Count ? texts.Texts[context.Prompt] : string.Empty;
        if (ReferenceSource.DigestOfText(text) != context.Digest)
        {
            throw new InvalidDataException(
                $"'{texts.Source}': text {context.Prompt} is not the one of the index; expected digest {context.Digest}");
        }

        int[] prefix = BosPolicy.One.Prefix(steerer.Decoder.Spec, steerer.Tokenizer);
        int[] ids = [.. prefix.Concat(steerer.Tokenizer.Encode(text)).Take(steerer.Decoder.Spec.ContextLength)];
        float[] activations = LatentTrace.Of(steerer.Decoder, steerer.Sites[0], latent, ids);
        activations.AsSpan(0, prefix.Length).Clear();
        int at = Array.IndexOf(activations, activations.Max());
        int from = Math.Max(prefix.Length, at - TokensAround);
        result["before"] = steerer.Tokenizer.Decode(ids.AsSpan(from..at));
        result["token"] = steerer.Tokenizer.Decode(ids.AsSpan(at, 1));
        result["after"] = steerer.Tokenizer.Decode(ids.AsSpan((at + 1)..Math.Min(ids.Length, at + 1 + TokensAround)));
        return result;
    }

    private static void Show(Terminal terminal, JsonObject one)
    {
        Grid grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        Add("latent", $"{one["latent"]}");
        if (one["tokens"] is JsonArray tokens)
        {
            Add("writes", string.Join(", ", tokens.Select(token => ModelText.Token((string)token!["text"]!))));
        }

        Add("nearest", string.Join(", ", one["nearest"]!.AsArray().Select(
            near => Invariant($"{(int)near!["latent"]!} ({(double)near["cosine"]!:F2})"))));
        if (one["activity"] is JsonObject activity)
        {
            Add("active", Invariant($"on {(double)activity["density"]!:P2} of {(long)activity["tokens"]!} tokens, in ")
                + Invariant($"{(int)activity["prompts_active"]!} of {(int)activity["prompts"]!} texts; ")
                + (activity["mean_when_active"] is { } mean
                    ? Invariant($"{(double)mean:F2} where active, at most {(float)activity["max"]!:F2}") : "never"));
        }

        foreach (JsonNode? context in one["contexts"] as JsonArray ?? [])
        {
            string name = Invariant($"text {(int)context!["prompt"]!}, {(float)context["max"]!:F2}");
            if (context["token"] is null)
            {
                Add(name, Invariant(
                    $"active on {(int)context["tokens_active"]!} of {(int)context["tokens"]!} tokens"));
                continue;
            }

            grid.AddRow(
                new Paragraph(name, new Style(Color.Grey)),
                new Paragraph()
                    .Append(OneLine(context["before"]!), new Style(decoration: Decoration.Dim))
                    .Append(OneLine(context["token"]!), new Style(Color.Yellow, decoration: Decoration.Bold))
                    .Append(OneLine(context["after"]!), new Style(decoration: Decoration.Dim)));
        }

        terminal.Tables.Write(grid);
        terminal.Out.WriteLine();

        void Add(string name, string words) => grid.AddRow(
            new Paragraph(name, new Style(Color.Grey)), new Paragraph(ModelText.Clean(words)));

        static string OneLine(JsonNode text) =>
            ModelText.Clean((string)text!).Replace("\n", " ", StringComparison.Ordinal);
    }
}
