using System.Text.Json.Nodes;
using LayerSteer.Evaluation;
using Spectre.Console;
using static System.FormattableString;

namespace LayerSteer.Cli;

/// <summary>Shows a comparison: as many texts side by side as the width has room for, or JSON.</summary>
internal sealed class CompareReport(Terminal terminal, bool json)
{
    private const int NarrowestColumn = 30;
    private const int WidestColumn = 72;

    /// <summary>What a border and the space beside it take of each column.</summary>
    private const int ColumnFrame = 3;

    public void Write(Comparison comparison)
    {
        if (json)
        {
            terminal.WriteJson(Value(comparison));
            return;
        }

        int width = terminal.Tables.Profile.Width;
        int fitting = Math.Max(1, (width - 1) / (NarrowestColumn + ColumnFrame));
        int count = comparison.Arms.Count;
        int rows = (count + fitting - 1) / fitting;
        int beside = (count + rows - 1) / rows;
        int column = Math.Clamp(((width - 1) / beside) - ColumnFrame, 1, WidestColumn);
        foreach (ComparedArm[] arms in comparison.Arms.Chunk(beside))
        {
            Table table = new Table().Border(TableBorder.Rounded).ShowRowSeparators();
            foreach (ComparedArm arm in arms)
            {
                table.AddColumn(new TableColumn(
                    new Paragraph(ModelText.Clean(arm.Name), new Style(Color.Aqua))).Width(column));
            }

            table.AddRow(arms.Select(arm => Text(comparison, arm)));
            table.AddRow(arms.Select(arm => new Paragraph(Figures(arm), new Style(Color.Grey))));
            terminal.Tables.Write(table);
        }

        foreach ((string arm, string reason) in comparison.NotRun)
        {
            terminal.Note($"{arm} not run: {reason}");
        }

        terminal.Note(
            "shift: mean KL(arm ‖ unsteered) of the distributions that the tokens were drawn from, in nats; perplexity: "
            + "of the text under the unsteered model");
    }

    private static Paragraph Text(Comparison comparison, ComparedArm arm)
    {
        Paragraph text = new Paragraph()
            .Append(ModelText.Clean(comparison.Prompt), new Style(decoration: Decoration.Dim));
        foreach (DiffPiece piece in WordDiff.Of(arm.Text, comparison.Arms[0].Text))
        {
            text.Append(
                ModelText.Clean(piece.Text),
                piece.IsChanged ? new Style(Color.Yellow, decoration: Decoration.Bold) : Style.Plain);
        }

        return text;
    }

    private static string Figures(ComparedArm arm) =>
        Invariant($"shift {Math.Max(0, arm.Divergence ?? 0):F3} nats, perplexity {arm.Perplexity ?? double.NaN:F1}");

    private static JsonObject Value(Comparison comparison) => new()
    {
        ["prompt"] = comparison.Prompt,
        ["topic"] = comparison.Topic.Length > 0 ? comparison.Topic : null,
        ["arms"] = new JsonArray([.. comparison.Arms.Select(Value)]),
        ["not_run"] = Names(comparison.NotRun),
        ["run"] = Names(comparison.Run),
    };

    private static JsonObject Value(ComparedArm arm) => new()
    {
        ["arm"] = arm.Name,
        ["description"] = arm.Description,
        ["text"] = arm.Text,
        ["mean_shift"] = arm.Divergence,
        ["perplexity"] = arm.Perplexity is { } perplexity ? JsonValues.Finite(perplexity) : null,
        ["tokens"] = new JsonArray([.. arm.Tokens.Select(token => new JsonObject
        {
            ["text"] = token.Text,
            ["shift"] = token.Divergence,
            ["probability"] = token.Probability,
            ["unsteered"] = token.Unsteered,
            ["latents"] = new JsonArray([.. token.Latents.Select(latent => new JsonObject
            {
                ["hook_point"] = latent.HookPoint,
                ["latent"] = latent.Latent,
                ["moved"] = latent.Moved,
                ["writes"] = JsonValues.Array(latent.Writes),
            })]),
        })]),
    };

    private static JsonObject Names(IReadOnlyDictionary<string, string> values) =>
        new(values.Select(value => KeyValuePair.Create(value.Key, (JsonNode?)value.Value)));
}
