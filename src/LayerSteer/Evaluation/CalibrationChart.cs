using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>A forecast with what came of it.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Forecast">What was forecast.</param>
/// <param name="Low">The lower end of the forecast's interval.</param>
/// <param name="High">The upper end.</param>
/// <param name="Realised">What came of it.</param>
/// <param name="Abstained">Whether the forecast said that it does not know.</param>
public sealed record CalibrationMark(
    string Name, double Forecast, double Low, double High, double Realised, bool Abstained = false)
{
    /// <summary>Whether the interval holds what came of it.</summary>
    public bool IsCovered => Realised >= Low && Realised <= High;
}

/// <summary>
/// Forecasts against what came of them: on the diagonal they were right. The interval of each is drawn; what fell out
/// of its interval is a cross.
/// </summary>
public sealed class CalibrationChart : Chart
{
    private const double ChartWidth = 720;
    private const double Left = 66;
    private const double Right = ChartWidth - 24;
    private const double Bottom = 420;

    private readonly CalibrationMark[] _points;

    /// <summary>Joins forecasts to a chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="points">The forecasts.</param>
    public CalibrationChart(string title, string description, IEnumerable<CalibrationMark> points)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(points);
        _points = [.. points];
    }

    /// <summary>The name of the horizontal axis.</summary>
    public string XName { get; init; } = "forecast";

    /// <summary>The name of the vertical axis.</summary>
    public string YName { get; init; } = "realised";

    /// <summary>The share of intervals that hold what came of them; null without forecasts.</summary>
    public double? Coverage => _points.Length == 0 ? null : _points.Average(point => point.IsCovered ? 1.0 : 0.0);

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        var drawing = new SvgDrawing(ChartWidth, Bottom + 66);
        if (_points.Length == 0)
        {
            drawing.Text(12, 40, "no data", "soft");
            return drawing;
        }

        ChartAxis x = ChartAxis.Linear(_points.Min(point => point.Forecast), _points.Max(point => point.Forecast));
        ChartAxis y = ChartAxis.Linear(
            _points.Min(point => Math.Min(point.Low, point.Realised)),
            _points.Max(point => Math.Max(point.High, point.Realised)));
        var frame = new ChartFrame(x, y, Left, 10, Right, Bottom);
        frame.Draw(drawing, XName, YName);
        double from = Math.Max(x.Low, y.Low);
        double to = Math.Min(x.High, y.High);
        if (to > from)
        {
            drawing.Line(frame.X(from), frame.Y(from), frame.X(to), frame.Y(to), "front");
        }

        foreach (CalibrationMark point in _points)
        {
            double at = frame.X(point.Forecast);
            drawing.Line(at, frame.Y(point.Low), at, frame.Y(point.High), "grid");
        }

        foreach (CalibrationMark point in _points)
        {
            DrawPoint(drawing, frame, point);
        }

        drawing.Text(
            Left, Bottom + 56,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{_points.Count(point => point.IsCovered)} of {_points.Length} within their intervals "
                + $"({Coverage * 100:F1} %)\u2003● within\u2003✕ not\u2003hollow: abstained\u2003– – equal"),
            "soft small");
        return drawing;
    }

    private static void DrawPoint(SvgDrawing drawing, ChartFrame frame, CalibrationMark point)
    {
        (double x, double y) = (frame.X(point.Forecast), frame.Y(point.Realised));
        string tip = $"{point.Name}: forecast {ReportTable.Number(point.Forecast)} "
            + $"[{ReportTable.Number(point.Low)}, {ReportTable.Number(point.High)}], "
            + $"realised {ReportTable.Number(point.Realised)}{(point.Abstained ? ", abstained" : "")}";
        if (!point.IsCovered)
        {
            drawing.Line(x - 4, y - 4, x + 4, y + 4, "curve s1");
            drawing.Line(x - 4, y + 4, x + 4, y - 4, "curve s1");
        }

        drawing.Marker(
            0, x, y, point.IsCovered ? 4 : 1.5,
            point.Abstained ? "hollow s0" : point.IsCovered ? "f0" : "f1", tip);
    }
}
