namespace LayerSteer.Evaluation;

/// <summary>A cell of a <see cref="GridChart"/>.</summary>
/// <param name="Row">Its row.</param>
/// <param name="Column">Its column.</param>
/// <param name="Value">How far from nothing, with its sign.</param>
/// <param name="Text">What stands in the cell.</param>
/// <param name="IsShown">Whether it is told from chance: written strong.</param>
/// <param name="Tip">The same in more words.</param>
public sealed record ChartCell(
    string Row, string Column, double Value, string Text, bool IsShown = false, string Tip = "");

/// <summary>
/// Figures by row and column, the deeper the colour the farther from nothing: arms × topics. The figure stands in each
/// cell; colours take the 90th percentile for full, so that one extreme does not leave the rest pale.
/// </summary>
public sealed class GridChart : Chart
{
    private const double RowHeight = 26;
    private const double ColumnWidth = 58;

    private readonly ChartCell[] _cells;
    private readonly string[] _rows;
    private readonly string[] _columns;

    /// <summary>Joins cells to a chart; rows and columns come in the order of their first cells.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="cells">The cells; where there is none, a dash stands.</param>
    public GridChart(string title, string description, IEnumerable<ChartCell> cells)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(cells);
        _cells = [.. cells];
        _rows = [.. _cells.Select(cell => cell.Row).Distinct()];
        _columns = [.. _cells.Select(cell => cell.Column).Distinct()];
    }

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        if (_cells.Length == 0)
        {
            var empty = new SvgDrawing(400, 50);
            empty.Text(12, 28, "no data", "soft");
            return empty;
        }

        double names = Math.Clamp(_rows.Max(row => SvgDrawing.WidthOf(row)) + 24, 80, 220);
        double heads = Math.Clamp(_columns.Max(column => SvgDrawing.WidthOf(column)) * 0.6, 24, 110) + 14;
        double width = Math.Max(420, names + (_columns.Length * ColumnWidth) + heads);
        var drawing = new SvgDrawing(width, heads + (_rows.Length * RowHeight) + 34);
        double full = Full();
        for (int column = 0; column < _columns.Length; column++)
        {
            drawing.Text(
                names + ((column + 0.45) * ColumnWidth), heads - 6, SvgDrawing.Fit(_columns[column], 170), "soft",
                turn: -35, tip: _columns[column]);
        }

        Dictionary<(string, string), ChartCell> known =
            _cells.GroupBy(cell => (cell.Row, cell.Column)).ToDictionary(group => group.Key, group => group.First());
        for (int row = 0; row < _rows.Length; row++)
        {
            double y = heads + (row * RowHeight);
            drawing.Text(
                names - 10, y + 17, SvgDrawing.Fit(_rows[row], names - 14), anchor: "end", tip: _rows[row]);
            for (int column = 0; column < _columns.Length; column++)
            {
                double x = names + (column * ColumnWidth);
                double middle = x + (ColumnWidth / 2);
                if (!known.TryGetValue((_rows[row], _columns[column]), out ChartCell? cell))
                {
                    drawing.Text(middle, y + 17, "–", "soft", "middle");
                    continue;
                }

                drawing.Rectangle(
                    x, y, ColumnWidth, RowHeight, cell.Value < 0 ? "cell down" : "cell up",
                    Math.Min(1, Math.Abs(cell.Value) / full),
                    cell.Tip.Length > 0 ? cell.Tip : null);
                drawing.Text(
                    middle, y + 17, cell.Text, cell.IsShown ? "small strong" : "small", "middle",
                    tip: cell.Tip.Length > 0 ? cell.Tip : null);
            }
        }

        drawing.Text(
            12, heads + (_rows.Length * RowHeight) + 22,
            "blue: up\u2003orange: down\u2003strong type: the interval does not include no change", "soft small");
        return drawing;
    }

    private double Full()
    {
        double[] sizes = [.. _cells.Select(cell => Math.Abs(cell.Value)).Order()];
        double full = sizes[(int)(0.9 * (sizes.Length - 1))];
        return full > 0 ? full : Math.Max(sizes[^1], 1e-9);
    }
}
