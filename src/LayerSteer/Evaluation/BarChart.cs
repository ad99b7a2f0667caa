namespace LayerSteer.Evaluation;

/// <summary>A bar of a <see cref="BarChart"/>.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Value">How long it is; negative goes to the left.</param>
/// <param name="Note">What stands beside it.</param>
public sealed record ChartBar(string Name, double Value, string Note = "");

/// <summary>Figures as bars, one a row, in the order given: the latents of a topic with what they write.</summary>
public sealed class BarChart : Chart
{
    private const double ChartWidth = 720;
    private const double RowHeight = 24;
    private const double Top = 8;

    private readonly ChartBar[] _bars;

    /// <summary>Joins bars to a chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="bars">The bars.</param>
    public BarChart(string title, string description, IEnumerable<ChartBar> bars)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(bars);
        _bars = [.. bars];
    }

    /// <summary>The name of the axis.</summary>
    public string XName { get; init; } = "";

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        double bottom = Top + (RowHeight * Math.Max(1, _bars.Length));
        var drawing = new SvgDrawing(ChartWidth, bottom + 44);
        if (_bars.Length == 0)
        {
            drawing.Text(12, 28, "no data", "soft");
            return drawing;
        }

        double names = Math.Clamp(_bars.Max(bar => SvgDrawing.WidthOf(bar.Name)) + 24, 60, 200);
        double notes = _bars.Any(bar => bar.Note.Length > 0) ? 300 : 60;
        var frame = new ChartFrame(
            ChartAxis.Linear(Math.Min(0, _bars.Min(bar => bar.Value)), Math.Max(0, _bars.Max(bar => bar.Value)), 4),
            ChartAxis.Linear(0, 1), names, Top, ChartWidth - notes, bottom);
        frame.DrawX(drawing, XName);
        for (int i = 0; i < _bars.Length; i++)
        {
            ChartBar bar = _bars[i];
            double y = Top + (RowHeight * i);
            double from = frame.X(Math.Min(0, bar.Value));
            drawing.Text(
                names - 10, y + 16, SvgDrawing.Fit(bar.Name, names - 14), anchor: "end", tip: bar.Name);
            drawing.Rectangle(
                from, y + 4, frame.X(Math.Max(0, bar.Value)) - from, RowHeight - 8, bar.Value < 0 ? "down" : "up",
                tip: $"{bar.Name}: {ReportTable.Number(bar.Value)}{(bar.Note.Length > 0 ? $"; {bar.Note}" : "")}");
            drawing.Text(
                ChartWidth - notes + 12, y + 16,
                SvgDrawing.Fit(
                    $"{ReportTable.Number(bar.Value)} {bar.Note}".Trim(),
                    notes - 20, 11),
                "small", tip: bar.Note.Length > 0 ? bar.Note : null);
        }

        return drawing;
    }
}
