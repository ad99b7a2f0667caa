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
        Option<string?> model = SharedOptions.Model();
        Option<string[]> sae = SharedOptions.Sae(required: false);
        Option<int[]> layer = SharedOptions.Layers(required: false);
        Option<HookKind?> hook = SharedOptions.Hook();
        Option<string?> encoder = SharedOptions.Encoder("Default: the pocket model's, where that is the model.");
        Option<string> reference =
            ValueOptions.RequiredPath("--reference", "Reference texts: a CSV with header ',0', or JSON.");
        Option<string> output =
            ValueOptions.RequiredPath("--out", "Folder of the index; an unfinished one is resumed.", "-o");
        Option<SteeringMode?> mode = SharedOptions.Mode(
            "corrected (default), or seed: the published way. A topic and its steering must have the same.");
        Option<BosPolicy?> bos =
            SharedOptions.Bos("one: a BOS token in front of each text; none: no BOS. Default: one, in seed mode none.");
        Option<(int Number, int Of)?> shard = ValueOptions.Parsed(
            "--shard",
            "Build one shard of the list, such as 2/8; `index merge` joins shards. Default: all of it.",
            Shard);
        Option<string?> dump = new("--dump")
        {
            Description = "Also write score.latents_* and score.ref_embed to this .npz.",
            HelpName = "path",
        };
        Option<string?> csv = new("--csv")
        {
            Description = "Also write the seed's D_ref_embeds.csv and dref_latents_L.csv into this folder.",
            HelpName = "path",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<bool> json = SharedOptions.Json();
        var command =
            new Command("index", "Run reference texts through the model and the autoencoder once, into an index.")
        {
            model, sae, layer, hook, encoder, reference, output, mode, bos, shard, dump, csv, threads, json,
        };
        var loading = new LoadingArguments(command);
        command.Subcommands.Add(Merge(terminal));
        shard.HelpName = "n/of";
        command.SetAction((parse, cancellation) =>
        {
            PocketModel? pocket = SharedOptions.PocketUnless(parse.GetValue(model));
            int[] layers = parse.GetValue(layer) ?? [];
            string[] saes = parse.GetValue(sae) ?? [];
            const string OneLayer = "an index is of one layer; build one index for each";
            SharedOptions.RequireOneSite(pocket, layers, saes, OneLayer);
            string givenEncoder = parse.GetValue(encoder) ?? pocket?.Encoder
                ?? throw new UsageException("--model needs --encoder, the folder of a sentence encoder");
            (HookPoint Point, string Sae) site =
                SharedOptions.OneSite(pocket, layers, saes, parse.GetValue(hook), OneLayer);
            string encoderPath = NamedFiles.Encoder(givenEncoder);

            OutputFiles.Require(parse.GetValue(dump));
            TextTable references = TextTable.Read(parse.GetRequiredValue(reference));
            (int number, int of) = parse.GetValue(shard) ?? (1, 1);
            if (of > references.Count)
            {
                throw new UsageException(
                    $"--shard is {number}/{of}, but there are only {references.Count} texts; use fewer shards");
            }

            using var pool = new WorkerPool(SharedOptions.OrAll(parse.GetValue(threads)));
            LoadOptions options = loading.Options(parse, terminal, pool);
            using Steerer steerer = Steerer.Load(
                SharedOptions.ModelFolder(parse.GetValue(model)), [site], options);
            using SentenceEncoder sentences = SentenceEncoder.Load(encoderPath, options);
            ReferenceIndexer indexer =
                steerer.Indexer(sentences, parse.GetValue(mode) ?? SteeringMode.Corrected, parse.GetValue(bos));
            IndexManifest manifest = indexer.Manifest(references, number, of);
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
        Option<string> output = ValueOptions.RequiredPath("--out", "Folder of the joined index.", "-o");
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

    private static (int Number, int Of) Shard(string text)
    {
        string[] parts = text.Split('/');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int of)
            && number >= 1 && number <= of
            ? (number, of)
            : throw new ArgumentException($"--shard is '{text}', expected N/OF with N from 1 to OF, such as 2/8");
    }

    private static void WriteCsv(string directory, ReferenceIndex index)
    {
        Directory.CreateDirectory(directory);
        string embeddings = Path.Combine(directory, SeedCsv.ReferenceEmbeddings);
        SeedCsv.Write(embeddings, index.AllEmbeddings(), index.Manifest.DEmbedding);
        SeedCsv.Write(
            Path.Combine(directory, SeedCsv.ReferenceLatents(index.Manifest.Layer)),
            index.Summaries(SummaryKind.Average));
    }

    private static void Show(
        Terminal terminal, bool json, string folder, ReferenceIndex index, IndexBuildReport? report)
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
                ["mode"] = SteeringModes.NameOf(index.Manifest.Mode),
                ["bos"] = index.Manifest.BosPolicy,
                ["dtype"] = index.Manifest.Dtype,
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
        table.AddRow(
            "coverage", string.Create(CultureInfo.InvariantCulture, $"{coverage:P2} of {index.Manifest.DSae} latents"));
        table.AddRow("hook point", index.Manifest.HookPoint);
        table.AddRow("mode, BOS", $"{SteeringModes.NameOf(index.Manifest.Mode)}, {index.Manifest.BosPolicy}");
        table.AddRow("dtype", Markup.Escape(index.Manifest.Dtype));
        if (report is { TokensRun: > 0 })
        {
            table.AddRow(
                "time",
                string.Create(
                    CultureInfo.InvariantCulture, $"{report.Seconds:F1} s, {report.TokensPerSecond:F0} tokens/s"));
        }

        terminal.Tables.Write(table);
    }
}
