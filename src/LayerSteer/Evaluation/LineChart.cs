namespace LayerSteer.Evaluation;

/// <summary>A line of a <see cref="LineChart"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Points">Its points by rising x; for a logarithmic axis above 0.</param>
/// <param name="Chosen">The x at which it is used; null for none.</param>
public sealed record ChartLine(string Name, IReadOnlyList<(double X, double Y)> Points, double? Chosen = null);

/// <summary>A horizontal line that values are read against.</summary>
/// <param name="Y">Where.</param>
/// <param name="Name">What it is.</param>
public sealed record ChartLevel(double Y, string Name);

/// <summary>
/// Lines over a common axis: how an effect grows with the strength. Each line has a colour, a dash, a marker and its
/// name at its end.
/// </summary>
public sealed class LineChart : Chart
{
    private const double ChartWidth = 720;
    private const double Bottom = 300;

    private readonly ChartLine[] _lines;

    /// <summary>Joins lines to a chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="lines">The lines; those without points are left out.</param>
    public LineChart(string title, string description, IEnumerable<ChartLine> lines)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(lines);
        _lines = [.. lines.Where(line => line.Points.Count > 0)];
    }

    /// <summary>The name of the horizontal axis.</summary>
    public string XName { get; init; } = "";

    /// <summary>The name of the vertical axis.</summary>
    public string YName { get; init; } = "";

    /// <summary>Whether the horizontal axis is logarithmic.</summary>
    public bool LogarithmicX { get; init; }

    /// <summary>Whether the vertical axis is logarithmic.</summary>
    public bool LogarithmicY { get; init; }

    /// <summary>Lines that values are read against.</summary>
    public IReadOnlyList<ChartLevel> Levels { get; init; } = [];

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        var drawing = new SvgDrawing(ChartWidth, Bottom + 46);
        double[] xs = [.. _lines.SelectMany(line => line.Points.Select(point => point.X))];
        double[] ys =
            [.. _lines.SelectMany(line => line.Points.Select(point => point.Y)), .. Levels.Select(level => level.Y)];
        if (xs.Length == 0)
        {
            drawing.Text(12, 40, "no data", "soft");
            return drawing;
        }

        double names = Math.Clamp(_lines.Max(line => SvgDrawing.WidthOf(line.Name)) + 34, 70, 190);
        var frame = new ChartFrame(
            Axis(xs, LogarithmicX), Axis(ys, LogarithmicY), 66, 10, ChartWidth - names, Bottom);
        frame.Draw(drawing, XName, YName);
        foreach (ChartLevel level in Levels)
        {
            drawing.Line(frame.Left, frame.Y(level.Y), frame.Right, frame.Y(level.Y), "guide");
            drawing.Text(frame.Left + 6, frame.Y(level.Y) - 5, level.Name, "soft small");
        }

        for (int i = 0; i < _lines.Length; i++)
        {
            DrawLine(drawing, frame, _lines[i], i);
        }

        DrawNames(drawing, frame, names);
        return drawing;
    }

    private static ChartAxis Axis(double[] values, bool logarithmic) => logarithmic
        ? ChartAxis.Logarithmic(values.Min(), values.Max())
        : ChartAxis.Linear(values.Min(), values.Max());

    private static void DrawLine(SvgDrawing drawing, ChartFrame frame, ChartLine line, int series)
    {
        int look = series % ChartStyle.Series;
        drawing.Curve(line.Points.Select(p => (frame.X(p.X), frame.Y(p.Y))), $"curve s{look} d{look}");
        foreach ((double x, double y) in line.Points)
        {
            drawing.Marker(
                series, frame.X(x), frame.Y(y), x == line.Chosen ? 6 : 3.5, $"f{look}",
                $"{line.Name} at {ChartAxis.Label(x)}: {ReportTable.Number(y)}"
                + (x == line.Chosen ? ", chosen most often" : ""));
        }
    }

    /// <summary>The names at the ends, moved apart where they would lie on each other.</summary>
    private void DrawNames(SvgDrawing drawing, ChartFrame frame, double width)
    {
        const double Height = 16;
        int[] order = [.. Enumerable.Range(0, _lines.Length).OrderBy(i => frame.Y(_lines[i].Points[^1].Y))];
        double[] at = [.. order.Select(i => frame.Y(_lines[i].Points[^1].Y))];
        for (int i = 1; i < at.Length; i++)
        {
            at[i] = Math.Max(at[i], at[i - 1] + Height);
        }

        double over = at.Length == 0 ? 0 : Math.Max(0, at[^1] - frame.Bottom);
        for (int i = at.Length - 1; i >= 0; i--)
        {
            at[i] = Math.Min(at[i], frame.Bottom - ((at.Length - 1 - i) * Height));
            ChartLine line = _lines[order[i]];
            int look = order[i] % ChartStyle.Series;
            (double x, double y) = (frame.X(line.Points[^1].X), frame.Y(line.Points[^1].Y));
            if (x < frame.Right - 1 || over > 0 || Math.Abs(at[i] - y) > 1)
            {
                drawing.Line(x + 5, y, frame.Right + 6, at[i], "grid");
            }

            drawing.Marker(order[i], frame.Right + 12, at[i], 3.5, $"f{look}");
            drawing.Text(
                frame.Right + 20, at[i] + 4, SvgDrawing.Fit(line.Name, width - 24), $"t{look}", tip: line.Name);
        }
    }
}
