using System.Globalization;
using System.Text;
using Xunit;

namespace LayerSteer.Tests.Cli;

/// <summary>Compares CSV files cell by cell: text as text, numbers within a tolerance.</summary>
internal static class CsvLayout
{
    public static void Equal(string expected, string actual, double tolerance)
    {
        List<string[]> wanted = Rows(File.ReadAllText(expected));
        List<string[]> found = Rows(File.ReadAllText(actual));
        Assert.Equal(wanted.Count, found.Count);
        Assert.Equal(wanted[0], found[0]);
        for (int row = 1; row < wanted.Count; row++)
        {
            Assert.Equal(wanted[row].Length, found[row].Length);
            Assert.Equal(wanted[row][0], found[row][0]);
            for (int column = 1; column < wanted[row].Length; column++)
            {
                bool close = wanted[row][column].Length == 0
                    ? found[row][column].Length == 0
                    : Math.Abs(Number(wanted[row][column]) - Number(found[row][column])) <= tolerance;
                Assert.True(
                    close, $"row {row} column {column}: expected {wanted[row][column]}, found {found[row][column]}");
            }
        }
    }

    private static double Number(string cell) => double.Parse(cell, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static List<string[]> Rows(string text)
    {
        var rows = new List<string[]>();
        var row = new List<string>();
        var cell = new StringBuilder();
        bool quoted = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '"')
            {
                bool doubled = quoted && i + 1 < text.Length && text[i + 1] == '"';
                quoted = doubled ? quoted : !quoted;
                cell.Append(doubled ? "\"" : string.Empty);
                i += doubled ? 1 : 0;
            }
            else if (!quoted && c is ',' or '\n')
            {
                row.Add(cell.ToString());
                cell.Clear();
                if (c == '\n')
                {
                    rows.Add([.. row]);
                    row.Clear();
                }
            }
            else
            {
                cell.Append(c);
            }
        }

        Assert.Equal(0, cell.Length);
        return rows;
    }
}
