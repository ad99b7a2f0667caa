namespace LayerSteer.Evaluation;

/// <summary>A row of an <see cref="IntervalChart"/>.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Value">The figure.</param>
/// <param name="Low">The lower end of its interval; the figure itself if there is none.</param>
/// <param name="High">The upper end.</param>
/// <param name="IsShown">Whether the difference is told from chance: drawn filled.</param>
/// <param name="IsControl">Whether it is there to compare with.</param>
public sealed record ChartInterval(
    string Name, double Value, double Low, double High, bool IsShown = false, bool IsControl = false);

/// <summary>Figures with their intervals, one a row, the largest first, against a value that means nothing.</summary>
public sealed class IntervalChart : Chart
{
    private const double ChartWidth = 720;
    private const double RowHeight = 24;
    private const double Top = 8;

    private readonly ChartInterval[] _rows;

    /// <summary>Joins rows to a chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="rows">The rows; they are sorted here, equal ones as given.</param>
    public IntervalChart(string title, string description, IEnumerable<ChartInterval> rows)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(rows);
        _rows = [.. rows.OrderByDescending(row => row.Value)];
    }

    /// <summary>The name of the axis.</summary>
    public string XName { get; init; } = "";

    /// <summary>Whether the figures are ratios: a logarithmic axis, and 1 stands for nothing in place of 0.</summary>
    public bool Ratios { get; init; }

    /// <summary>The names of the rows as they are drawn.</summary>
    public IReadOnlyList<string> Rows => [.. _rows.Select(row => row.Name)];

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        double bottom = Top + (RowHeight * Math.Max(1, _rows.Length));
        var drawing = new SvgDrawing(ChartWidth, bottom + 64);
        if (_rows.Length == 0)
        {
            drawing.Text(12, 28, "no data", "soft");
            return drawing;
        }

        double none = Ratios ? 1 : 0;
        double low = Math.Min(none, _rows.Min(row => row.Low));
        double high = Math.Max(none, _rows.Max(row => row.High));
        double names = Math.Clamp(_rows.Max(row => SvgDrawing.WidthOf(row.Name)) + 34, 80, 230);
        string[] figures = [.. _rows.Select(Figure)];
        double numbers = figures.Max(figure => SvgDrawing.WidthOf(figure, 11)) + 34;
        var frame = new ChartFrame(
            Ratios ? ChartAxis.Logarithmic(low, high) : ChartAxis.Linear(low, high, 7),
            ChartAxis.Linear(0, 1), names, Top, ChartWidth - numbers, bottom);
        frame.DrawX(drawing, XName);
        drawing.Line(frame.X(none), Top, frame.X(none), bottom, "ink");
        for (int i = 0; i < _rows.Length; i++)
        {
            ChartInterval row = _rows[i];
            double y = Top + (RowHeight * (i + 0.5));
            string look = row.IsControl ? "7" : "0";
            drawing.Text(
                names - 12, y + 4, SvgDrawing.Fit(row.Name, names - 18), row.IsControl ? "soft" : "", "end",
                tip: row.Name);
            drawing.Line(frame.X(row.Low), y, frame.X(row.High), y, $"curve s{look}");
            drawing.Marker(
                row.IsControl ? 3 : 0, frame.X(row.Value), y, 5,
                row.IsShown ? $"f{look}" : $"hollow s{look}", $"{row.Name}: {figures[i]}");
            drawing.Text(ChartWidth - 8, y + 4, figures[i], row.IsShown ? "small strong" : "small soft", "end");
        }

        drawing.Text(
            12, bottom + 56,
            "● steered\u2003◇ what it is compared with\u2003filled: told from chance\u2003hollow: not", "soft small");
        return drawing;
    }

    private string Figure(ChartInterval row) => Ratios
        ? $"×{ReportTable.Number(row.Value)} [{ReportTable.Number(row.Low)}, {ReportTable.Number(row.High)}]"
        : $"{ReportTable.Signed(row.Value)} [{ReportTable.Signed(row.Low)}, {ReportTable.Signed(row.High)}]";
}
