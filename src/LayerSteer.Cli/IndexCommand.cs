using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Topics;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer index`: builds or resumes a reference index; `index merge` joins two.</summary>
internal static class IndexCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: true);
        Option<int[]> layer = SharedOptions.Layers(required: true);
        Option<string> hook = SharedOptions.Hook();
        Option<string> encoder = SharedOptions.Encoder(required: true);
        Option<string> reference = new("--reference")
        {
            Description = "Reference texts: a CSV with header ',0', or JSON.",
            Required = true,
        };
        Option<string> output = new("--out", "-o") { Description = "Folder of the index; an unfinished one is resumed.", Required = true };
        Option<SteeringMode> mode = SharedOptions.Mode();
        Option<BosPolicy?> bos = SharedOptions.Bos();
        Option<(int Number, int Of)> shard = Shard();
        Option<string?> dump = new("--dump") { Description = "Also write score.latents_* and score.ref_embed to this .npz." };
        Option<string?> csv = new("--csv") { Description = "Also write the seed's D_ref_embeds.csv and dref_latents_L.csv into this folder." };
        Option<int> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("index", "Run reference texts through the model and the autoencoder once, into an index.")
        {
            model, sae, layer, hook, encoder, reference, output, mode, bos, shard, dump, csv, threads, json,
        };
        command.Subcommands.Add(Merge(terminal));
        command.SetAction((parse, cancellation) =>
        {
            TextTable references = TextTable.Read(parse.GetRequiredValue(reference));
            using var pool = new WorkerPool(parse.GetValue(threads));
            using Steerer steerer = Steerer.Load(
                parse.GetRequiredValue(model),
                SharedOptions.Sites(parse.GetRequiredValue(layer), parse.GetRequiredValue(sae), parse.GetRequiredValue(hook)),
                pool);
            using SentenceEncoder sentences = SentenceEncoder.Load(parse.GetRequiredValue(encoder), pool);
            ReferenceIndexer indexer = steerer.Indexer(sentences, parse.GetValue(mode), parse.GetValue(bos));
            (int number, int of) = parse.GetValue(shard);
            IndexManifest manifest = indexer.Manifest(parse.GetRequiredValue(reference), references, number, of);
            string folder = parse.GetRequiredValue(output);
            IndexBuildReport report = IndexBuild.Run(terminal, indexer, folder, manifest, references, cancellation);
            ReferenceIndex index = ReferenceIndex.Open(folder);
            if (parse.GetValue(dump) is { } npz)
            {
                ScoreDump.WriteIndex(npz, index);
            }

            if (parse.GetValue(csv) is { } directory)
            {
                WriteCsv(directory, index);
            }

            Show(terminal, parse.GetValue(json), folder, index, report);
            return Task.FromResult(0);
        });
        return command;
    }

    private static Command Merge(Terminal terminal)
    {
        Argument<string> first = new("A") { Description = "An index." };
        Argument<string> second = new("B") { Description = "Another." };
        Option<string> output = new("--out", "-o") { Description = "Folder of the joined index.", Required = true };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("merge", "Join two shards of one reference list, or the indexes of two lists.")
        {
            first, second, output, json,
        };
        command.SetAction(parse =>
        {
            string folder = parse.GetRequiredValue(output);
            ReferenceIndex.Merge(parse.GetRequiredValue(first), parse.GetRequiredValue(second), folder);
            ReferenceIndex index = ReferenceIndex.Open(folder);
            Show(terminal, parse.GetValue(json), folder, index, null);
            return 0;
        });
        return command;
    }

    private static Option<(int Number, int Of)> Shard() => new("--shard")
    {
        Description = "Build one shard of the list, such as 2/8; `index merge` joins shards.",
        DefaultValueFactory = _ => (1, 1),
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            string[] parts = text.Split('/');
            if (parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int of) && number >= 1 && number <= of)
            {
                return (number, of);
            }

            result.AddError($"--shard is '{text}', expected N/OF with N from 1 to OF, such as 2/8");
            return default;
        },
    };

    private static void WriteCsv(string directory, ReferenceIndex index)
    {
        Directory.CreateDirectory(directory);
        float[] vectors = [.. Enumerable.Range(0, index.PromptCount).SelectMany(row => index.Embeddings(row).ToArray())];
        SeedCsv.Write(Path.Combine(directory, SeedCsv.ReferenceEmbeddings), vectors, index.Manifest.DEmbedding);
        SeedCsv.Write(
            Path.Combine(directory, SeedCsv.ReferenceLatents(index.Manifest.Layer)), index.Summaries(SummaryKind.Average));
    }

    private static void Show(Terminal terminal, bool json, string folder, ReferenceIndex index, IndexBuildReport? report)
    {
        double coverage = index.Summaries(SummaryKind.Average).Coverage;
        if (json)
        {
            var value = new JsonObject
            {
                ["index"] = folder,
                ["prompts"] = index.PromptCount,
                ["tokens"] = index.Tokens.Sum(tokens => (long)tokens),
                ["coverage"] = coverage,
                ["mode"] = index.Manifest.Mode.ToString().ToLowerInvariant(),
                ["bos"] = index.Manifest.BosPolicy,
            };
            if (report is not null)
            {
                value["seconds"] = report.Seconds;
                value["tokens_per_second"] = report.TokensPerSecond;
                value["prompts_without_tokens"] = JsonValues.Array(report.Silent);
            }

            terminal.WriteJson(value);
            return;
        }

        Table table = new Table().HideHeaders().AddColumn("what").AddColumn("value");
        table.AddRow("index", Markup.Escape(folder));
        table.AddRow("prompts", $"{index.PromptCount}");
        table.AddRow("tokens kept", $"{index.Tokens.Sum(tokens => (long)tokens)}");
        table.AddRow("coverage", string.Create(CultureInfo.InvariantCulture, $"{coverage:P2} of {index.Manifest.DSae} latents"));
        table.AddRow("hook point", index.Manifest.HookPoint);
        table.AddRow("mode, BOS", $"{index.Manifest.Mode.ToString().ToLowerInvariant()}, {index.Manifest.BosPolicy}");
        if (report is { TokensRun: > 0 })
        {
            table.AddRow("time", string.Create(CultureInfo.InvariantCulture, $"{report.Seconds:F1} s, {report.TokensPerSecond:F0} tokens/s"));
        }

        terminal.Tables.Write(table);
    }
}
