using LayerSteer.Evaluation;
using Spectre.Console;

namespace LayerSteer.Cli;

/// <summary>Tables of reports on the terminal.</summary>
internal static class ReportTables
{
    /// <summary>Shows a table that has rows.</summary>
    public static void Show(Terminal terminal, ReportTable table)
    {
        if (table.Rows.Count == 0)
        {
            return;
        }

        var shown = new Table { Title = new TableTitle(Markup.Escape(table.Title)) };
        foreach (string column in table.Header)
        {
            shown.AddColumn(Markup.Escape(column));
        }

        foreach (IReadOnlyList<string> row in table.Rows)
        {
            shown.AddRow([.. row.Select(Markup.Escape)]);
        }

        if (table.Note.Length > 0)
        {
            shown.Caption = new TableTitle(Markup.Escape(table.Note));
        }

        terminal.Tables.Write(shown);
    }
}
