using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Hub;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>
/// `layersteer list`: what the cache of hub files holds, and which autoencoders fit which models there.
/// </summary>
internal static class ListCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<bool> json = SharedOptions.Json();
        var command = new Command("list", "Show the models, encoders and autoencoders that are here, and which fit together.")
        {
            json,
        };
        command.SetAction((parse, cancellation) =>
        {
            HubCache cache = HubCache.FromEnvironment();
            CacheInventory inventory = CacheInventory.Read(cache, cancellation);
            if (parse.GetValue(json))
            {
                terminal.WriteJson(Describe(cache, inventory));
                return Task.FromResult(0);
            }

            if (inventory.Models.Count > 0)
            {
                Models(terminal, inventory);
            }

            if (inventory.Autoencoders.Count > 0)
            {
                Autoencoders(terminal, inventory);
            }

            terminal.Note(
                $"{inventory.Models.Count} models and encoders, {inventory.Autoencoders.Count} autoencoders in "
                + $"'{cache.Folder}'; layersteer pull NAME fetches more");
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Models(Terminal terminal, CacheInventory inventory)
    {
        Table table = new Table().AddColumns("kind", "name", "repository")
            .AddColumn(new TableColumn("layers").RightAligned())
            .AddColumn(new TableColumn("width").RightAligned())
            .AddColumn(new TableColumn("size").RightAligned());
        foreach (CachedModel model in inventory.Models)
        {
            table.AddRow(
                HubKinds.NameOf(model.Kind),
                Markup.Escape(model.Name),
                Markup.Escape(model.Repository),
                Number(model.Layers),
                Number(model.DModel),
                FileSize.Of(model.Bytes));
        }

        terminal.Tables.Write(table);
    }

    private static void Autoencoders(Terminal terminal, CacheInventory inventory)
    {
        Table table = new Table().AddColumns("autoencoder", "hook point")
            .AddColumn(new TableColumn("width").RightAligned())
            .AddColumn(new TableColumn("latents").RightAligned())
            .AddColumn(new TableColumn("size").RightAligned())
            .AddColumn("fits");
        foreach (CachedSae sae in inventory.Autoencoders)
        {
            table.AddRow(
                Markup.Escape(sae.Name),
                Markup.Escape(sae.HookPoint?.ToString() ?? "?"),
                Number(sae.DIn),
                Number(sae.DSae),
                FileSize.Of(sae.Bytes),
                Markup.Escape(sae.WhyNot is { } reason ? $"none: {reason}" : string.Join(", ", sae.Fits)));
        }

        terminal.Tables.Write(table);
    }

    private static string Number(int number) => number == 0 ? "?" : $"{number}";

    private static JsonObject Describe(HubCache cache, CacheInventory inventory) => new()
    {
        ["cache"] = cache.Folder,
        ["models"] = new JsonArray([.. inventory.Models.Select(model => new JsonObject
        {
            ["kind"] = HubKinds.NameOf(model.Kind),
            ["name"] = model.Name,
            ["repository"] = model.Repository,
            ["commit"] = model.Commit,
            ["layers"] = model.Layers,
            ["d_model"] = model.DModel,
            ["bytes"] = model.Bytes,
            ["path"] = model.Path,
        })]),
        ["autoencoders"] = new JsonArray([.. inventory.Autoencoders.Select(sae => new JsonObject
        {
            ["name"] = sae.Name,
            ["repository"] = sae.Repository,
            ["commit"] = sae.Commit,
            ["model"] = sae.ModelName,
            ["hook_point"] = sae.HookPoint?.ToString(),
            ["d_in"] = sae.DIn,
            ["d_sae"] = sae.DSae,
            ["bytes"] = sae.Bytes,
            ["path"] = sae.Path,
            ["fits"] = new JsonArray([.. sae.Fits.Select(name => JsonValue.Create(name))]),
            ["why_not"] = sae.WhyNot,
        })]),
    };
}
