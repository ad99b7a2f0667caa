using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Hub;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer pull`: fetches models, encoders and autoencoders into the cache of hub files.</summary>
internal static class PullCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string[]> names = new("NAME")
        {
            Description = "What to fetch: gpt2, org/name, all-MiniLM-L6-v2, an autoencoder as SAELens (release/id) or "
                + "Neuronpedia writes it, or hf://org/name/path@revision.",
            Arity = ArgumentArity.OneOrMore,
            HelpName = "NAME",
        };
        names.CompletionSources.Add(_ => KnownModels.All.Select(model => model.Names[0])
            .Concat(KnownSaes.Releases)
            .Select(name => new System.CommandLine.Completions.CompletionItem(name)));
        Option<string?> revision = new("--revision")
        {
            Description = "Branch, tag or commit. Default: main, or what follows '@' in the name.",
            HelpName = "name",
        };
        Option<int?> parallel = ValueOptions.Number<int>(
            "--parallel", "How many files to fetch at once.", "a whole number from 1 to 32", n => n is >= 1 and <= 32, 4);
        Option<bool> dry = new("--dry-run") { Description = "Say what would be fetched, and fetch nothing." };
        Option<bool> json = SharedOptions.Json();
        var command = new Command(
            "pull", "Fetch models, sentence encoders and autoencoders into the cache that other tools of the hub use too.")
        {
            names, revision, parallel, dry, json,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            HubTarget[] targets =
                [.. parse.GetRequiredValue(names).Select(name => Target(name, parse.GetValue(revision)))];
            HubSettings settings = HubSettings.FromEnvironment() with
            {
                Parallel = parse.GetRequiredValue(parallel)!.Value,
            };
            using var pull = new HubPull(settings);
            var shown = new JsonArray();
            foreach (HubTarget target in targets)
            {
                PullPlan plan = await pull.PlanAsync(target, cancellation);
                Announce(terminal, plan);
                PullResult? result = parse.GetValue(dry)
                    ? null
                    : await FetchAsync(terminal, settings, pull, plan, cancellation);
                shown.Add(Describe(plan, result));
                if (!parse.GetValue(json))
                {
                    Show(terminal, plan, result);
                }
            }

            if (parse.GetValue(json))
            {
                terminal.WriteJson(shown);
            }

            return 0;
        });
        return command;
    }

    private static HubTarget Target(string name, string? revision)
    {
        if (HubNames.IsPath(name))
        {
            throw new ArgumentException($"'{name}' is a path; expected a name on the hub, such as gpt2 or hf://org/name");
        }

        HubTarget target = HubNames.Resolve(name);
        return target with
        {
            Repository = target.Repository.At(revision),
            Aliases = [.. target.Aliases.Select(alias => alias.At(revision))],
        };
    }

    private static void Announce(Terminal terminal, PullPlan plan)
    {
        string size = FileSize.Of(plan.Bytes);
        string here = plan.BytesHere > 0 ? $", of which {FileSize.Of(plan.BytesHere)} are here" : string.Empty;
        string licence = plan.Licence is { } name ? $"licence {name}" : "no licence named";
        string gated = plan.IsGated ? ", its owner asks to agree to terms" : string.Empty;
        terminal.Note(
            $"{plan.Target.Repository} at {plan.Commit[..12]}: {plan.Files.Count} files, {size}{here}; {licence}{gated}");
    }

    private static async Task<PullResult> FetchAsync(
        Terminal terminal, HubSettings settings, HubPull pull, PullPlan plan, CancellationToken cancellation)
    {
        if (!settings.ShowProgress || plan.BytesHere == plan.Bytes)
        {
            return await pull.FetchAsync(plan, null, cancellation);
        }

        return await terminal.Notes.Progress()
            .Columns(
                new TaskDescriptionColumn(),
                new ProgressBarColumn(),
                new PercentageColumn(),
                new DownloadedColumn(),
                new TransferSpeedColumn(),
                new RemainingTimeColumn())
            .StartAsync(async display =>
            {
                // A file of no bytes is done from the start; a bar of length 0 has no percentage.
                var bars = plan.Files.ToDictionary(
                    file => file,
                    file => display.AddTask(Markup.Escape(file.Name), maxValue: Math.Max(file.Bytes, 1)));
                PullResult result = await pull.FetchAsync(
                    plan, (file, bytes) => bars[file].Value = Math.Max(bytes, file.Bytes == 0 ? 1 : 0), cancellation);
                return result;
            });
    }

    private static void Show(Terminal terminal, PullPlan plan, PullResult? result)
    {
        if (result is null)
        {
            Table table = new Table().AddColumn("file").AddColumn(new TableColumn("size").RightAligned());
            foreach (HubFile file in plan.Files)
            {
                table.AddRow(Markup.Escape(file.Name), FileSize.Of(file.Bytes));
            }

            terminal.Tables.Write(table);
            return;
        }

        terminal.Out.WriteLine(result.Path);
        terminal.Note(result.Fetched == 0
            ? "nothing had to be fetched"
            : string.Create(CultureInfo.InvariantCulture, $"{result.Fetched} of {plan.Files.Count} files fetched and checked"));
        if (plan.Target.ModelName is { } model && KnownModels.Find(model) is { } known)
        {
            terminal.Note($"it is for {model}: --model {known.Names[0]}, which layersteer pull {known.Names[0]} fetches");
        }
    }

    private static JsonObject Describe(PullPlan plan, PullResult? result) => new()
    {
        ["name"] = plan.Target.Name,
        ["kind"] = HubKinds.NameOf(plan.Kind),
        ["repository"] = plan.Target.Repository.Name,
        ["revision"] = plan.Target.Repository.Revision,
        ["commit"] = plan.Commit,
        ["licence"] = plan.Licence,
        ["hook_point"] = plan.Target.HookPoint?.ToString(),
        ["path"] = result?.Path,
        ["bytes"] = plan.Bytes,
        ["bytes_here_before"] = plan.BytesHere,
        ["fetched"] = result?.Fetched,
        ["files"] = new JsonArray([.. plan.Files.Select(file => new JsonObject
        {
            ["name"] = file.Name,
            ["bytes"] = file.Bytes,
            ["digest"] = file.Digest,
        })]),
    };
}
