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
        Option<string?> model = new("--model")
        {
            Description = "Folder with tokenizer files. Default: the pocket model that comes with this tool.",
            HelpName = "path",
        };
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
            string folder = SharedOptions.ModelFolder(parse.GetValue(model), needsWeights: false);
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            int[] prefix = [];
            if (parse.GetValue(bos))
            {
                string config = Path.Combine(folder, "config.json");
                prefix = BosPolicy.One.Prefix(File.Exists(config) ? ArchitectureSpec.Read(config) : null, tokenizer);
            }

            string[] texts = parse.GetValue(text) is { } given ? [given] : PromptFile.ReadJson(parse.GetValue(file)!);
            int[][] ids = [.. texts.Select((t, i) => (int[])[.. prefix, .. Ids(terminal, tokenizer, t, i)])];
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

    /// <summary>
    /// The ids of a text. A tokenizer without BOS, one of a sentence encoder, gives what the encoder reads: its own special
    /// tokens around the text, and no more than it takes.
    /// </summary>
    private static int[] Ids(Terminal terminal, TextTokenizer tokenizer, string text, int index)
    {
        if (tokenizer.BosId is not null)
        {
            return tokenizer.Encode(text);
        }

        int[] whole = tokenizer.EncodeWithSpecials(text, null);
        if (tokenizer.ModelMaxLength is not { } longest || whole.Length <= longest)
        {
            return whole;
        }

        terminal.Warn($"text {index} has {whole.Length} tokens; {longest} are kept, which is the tokenizer's model_max_length");
        return tokenizer.EncodeWithSpecials(text, longest);
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
