using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LayerSteer.Hub;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer cache`: what is kept so that the next start is quick; `cache clear` removes it.</summary>
internal static class CacheCommand
{
    private const int DigestShown = 12;

    public static Command Create(Terminal terminal)
    {
        Option<bool> json = SharedOptions.Json();
        var command = new Command("cache", "Show the packed weights that are kept for the next start.") { json };
        command.Subcommands.Add(Clear(terminal));
        command.SetAction(parse =>
        {
            IReadOnlyList<CachedFile> files = CacheFolder.List(UserFolders.Cache);
            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonArray([.. files.Select(file => new JsonObject
                {
                    ["kind"] = file.Kind,
                    ["digest"] = file.Digest,
                    ["dtype"] = file.Dtype,
                    ["bytes"] = file.Bytes,
                    ["last_use"] = file.LastUse.ToString("O", CultureInfo.InvariantCulture),
                    ["path"] = file.Path,
                })]));
                return 0;
            }

            if (files.Count > 0)
            {
                Show(terminal, files);
            }

            terminal.Note($"{Files(files.Count)}, {Size(files.Sum(file => file.Bytes))} in '{UserFolders.Cache}'");
            return 0;
        });
        return command;
    }

    private static Command Clear(Terminal terminal)
    {
        Option<bool> json = SharedOptions.Json();
        var command = new Command("clear", "Remove all that is kept; it is made again when it is needed.") { json };
        command.SetAction(parse =>
        {
            (int files, long bytes) = CacheFolder.Clear(UserFolders.Cache);
            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject { ["files"] = files, ["bytes"] = bytes });
            }
            else
            {
                terminal.Note($"{Files(files)} removed, {Size(bytes)}");
            }

            return 0;
        });
        return command;
    }

    private static void Show(Terminal terminal, IReadOnlyList<CachedFile> files)
    {
        Table table = new Table().AddColumns("kind", "digest", "dtype")
            .AddColumn(new TableColumn("size").RightAligned())
            .AddColumn("last use");
        foreach (CachedFile file in files)
        {
            table.AddRow(
                Markup.Escape(file.Kind),
                Markup.Escape(file.Digest[..Math.Min(file.Digest.Length, DigestShown)]),
                Markup.Escape(file.Dtype),
                Size(file.Bytes),
                file.LastUse.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture));
        }

        terminal.Tables.Write(table);
    }

    private static string Files(int count) => count == 1 ? "1 file" : $"{count} files";

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB");
}
