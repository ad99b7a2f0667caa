using System.CommandLine;
using System.Text.Json.Nodes;
using LayerSteer.Models;
using LayerSteer.Text;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>`layersteer tokenize`: the ids of texts.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> model = ValueOptions.RequiredPath("--model", "Folder with tokenizer files.");
        Option<string?> text = new("--text") { Description = "The text." };
        Option<string?> file = new("--file") { Description = "A JSON file with a list of texts." };
        Option<bool> bos = new("--bos") { Description = "Put the BOS token in front of each text." };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("tokenize", "Print the token ids of texts.") { model, text, file, bos, json };
        command.Validators.Add(result =>
        {
            if ((result.GetResult(text) is null) == (result.GetResult(file) is null))
            {
                result.AddError("give either --text or --file");
            }
        });
        command.SetAction(parse =>
        {
            string folder = parse.GetRequiredValue(model);
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            int[] prefix = [];
            if (parse.GetValue(bos))
            {
                string config = Path.Combine(folder, "config.json");
                prefix = BosPolicy.One.Prefix(File.Exists(config) ? ArchitectureSpec.Read(config) : null, tokenizer);
            }

            string[] texts = parse.GetValue(text) is { } given ? [given] : PromptFile.ReadJson(parse.GetValue(file)!);
            int[][] ids = [.. texts.Select(t => (int[])[.. prefix, .. tokenizer.Encode(t)])];
            if (parse.GetValue(json))
            {
                terminal.WriteJson(new JsonObject { ["ids"] = new JsonArray([.. ids.Select(JsonValues.Array)]) });
            }
            else
            {
                Show(terminal, tokenizer, ids);
            }

            return 0;
        });
        return command;
    }

    private static void Show(Terminal terminal, TextTokenizer tokenizer, int[][] ids)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            Table table = new Table().AddColumn(new TableColumn("position").RightAligned())
                .AddColumn(new TableColumn("id").RightAligned()).AddColumn("token");
            table.Title = new TableTitle($"text {i}: {ids[i].Length} tokens");
            for (int position = 0; position < ids[i].Length; position++)
            {
                int id = ids[i][position];
                table.AddRow($"{position}", $"{id}", Markup.Escape(tokenizer.Piece(id)));
            }

            terminal.Tables.Write(table);
        }
    }
}
