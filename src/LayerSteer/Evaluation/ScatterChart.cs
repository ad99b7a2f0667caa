namespace LayerSteer.Evaluation;

/// <summary>A point of a <see cref="ScatterChart"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="X">The cost, above 0.</param>
/// <param name="Y">The effect.</param>
/// <param name="XInterval">The interval of the cost; null if there is none.</param>
/// <param name="YInterval">The interval of the effect; null if there is none.</param>
/// <param name="IsControl">Whether it is there to compare with: drawn hollow and in other words.</param>
public sealed record ChartPoint(
    string Name,
    double X,
    double Y,
    (double Low, double High)? XInterval = null,
    (double Low, double High)? YInterval = null,
    bool IsControl = false);

/// <summary>
/// What each choice gains against what it costs: the front of the choices that no other beats on both counts is drawn,
/// every point is named, and points too dear for the axis stand at its end with their cost.
/// </summary>
public sealed class ScatterChart : Chart
{
    private const double ChartWidth = 720;
    private const double Left = 66;
    private const double Right = ChartWidth - 24;
    private const double Bottom = 400;

    private readonly ChartPoint[] _points;

    /// <summary>Joins points to a chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">How to read it.</param>
    /// <param name="points">The points.</param>
    public ScatterChart(string title, string description, IEnumerable<ChartPoint> points)
        : base(title, description)
    {
        ArgumentNullException.ThrowIfNull(points);
        _points = [.. points];
    }

    /// <summary>The name of the horizontal axis.</summary>
    public string XName { get; init; } = "cost";

    /// <summary>The name of the vertical axis.</summary>
    public string YName { get; init; } = "effect";

    /// <summary>The largest cost that the axis has room for; dearer points stand at its end.</summary>
    public double Limit { get; init; } = double.PositiveInfinity;

    /// <summary>A cost that is marked; null for none.</summary>
    public double? Budget { get; init; }

    /// <summary>The names of the points on the front, the cheapest first.</summary>
    public IReadOnlyList<string> Front =>
        [.. ParetoFront.Of([.. _points.Select(p => (p.X, p.Y))]).Select(i => _points[i].Name)];

    /// <inheritdoc/>
    private protected override SvgDrawing Draw()
    {
        var drawing = new SvgDrawing(ChartWidth, Bottom + 66);
        if (_points.Length == 0)
        {
            drawing.Text(12, 40, "no data", "soft");
            return drawing;
        }

        double[] costs =
            [.. _points.Select(point => point.X).Append(Budget ?? _points[0].X).Select(cost => Math.Min(cost, Limit))];
        double[] effects =
        [
            .. _points.SelectMany(point =>
                (double[])[point.Y, point.YInterval?.Low ?? point.Y, point.YInterval?.High ?? point.Y]),
        ];
        ChartAxis x = ChartAxis.Logarithmic(costs.Min(), costs.Max());
        var frame = new ChartFrame(x, ChartAxis.Linear(effects.Min(), effects.Max(), 7), Left, 10, Right, Bottom);
        frame.Draw(drawing, XName, YName);
        if (frame.Y(0) < Bottom)
        {
            drawing.Line(Left, frame.Y(0), Right, frame.Y(0), "axis");
        }

        if (Budget is { } budget && budget <= x.High)
        {
            drawing.Line(frame.X(budget), frame.Top, frame.X(budget), Bottom, "guide");
            drawing.Text(
                frame.X(budget) + 4, frame.Top + 12, $"budget ×{ChartAxis.Label(budget)}", "soft small");
        }

        DrawFront(drawing, frame, x);
        foreach (ChartPoint point in _points)
        {
            DrawIntervals(drawing, frame, x, point);
        }

        DrawPoints(drawing, frame, x);
        drawing.Text(
            Left, Bottom + 56,
            "● steered\u2003◇ what it is compared with\u2003– – front: no other gains more for less\u2003"
            + "whiskers: intervals", "soft small");
        return drawing;
    }

    private static double Within(ChartAxis axis, double value) => Math.Clamp(value, axis.Low, axis.High);

    private bool IsBeyond(ChartPoint point) => point.X > Limit;

    private void DrawFront(SvgDrawing drawing, ChartFrame frame, ChartAxis x)
    {
        var steps = new List<(double X, double Y)>();
        foreach (int i in ParetoFront.Of([.. _points.Select(p => (p.X, p.Y))]))
        {
            double at = frame.X(Within(x, _points[i].X));
            if (steps.Count > 0)
            {
                steps.Add((at, steps[^1].Y));
            }

            steps.Add((at, frame.Y(_points[i].Y)));
        }

        drawing.Curve(steps, "front");
    }

    private static void DrawIntervals(SvgDrawing drawing, ChartFrame frame, ChartAxis x, ChartPoint point)
    {
        double at = frame.X(Within(x, point.X));
        if (point.YInterval is { } effect)
        {
            drawing.Line(at, frame.Y(effect.Low), at, frame.Y(effect.High), "axis");
        }

        if (point.XInterval is { } cost && cost.Low < x.High)
        {
            double y = frame.Y(point.Y);
            drawing.Line(frame.X(Within(x, cost.Low)), y, frame.X(Within(x, cost.High)), y, "axis");
        }
    }

    private void DrawPoints(SvgDrawing drawing, ChartFrame frame, ChartAxis x)
    {
        (double X, double Y)[] at = [.. _points.Select(p => (frame.X(Within(x, p.X)), frame.Y(p.Y)))];
        string[] names =
        [
            .. _points.Select(p => IsBeyond(p) ? $"{p.Name} → ×{ReportTable.Number(p.X)}" : p.Name),
        ];
        LabelBox[] boxes = LabelPlacement.Of(
            at,
            [.. names.Select(name => (SvgDrawing.WidthOf(name) + 4, 15.0))],
            new LabelBox(Left + 2, frame.Top, Right - Left + 18, Bottom - frame.Top - 2),
            Budget is { } budget && budget <= x.High
                ? [new LabelBox(frame.X(budget) + 2, frame.Top, 78, 16)]
                : []);
        for (int i = 0; i < _points.Length; i++)
        {
            LabelBox box = boxes[i];
            double nearX = Math.Clamp(at[i].X, box.X, box.X + box.Width);
            double nearY = Math.Clamp(at[i].Y, box.Y + 3, box.Y + box.Height - 3);
            if (Math.Abs(nearX - at[i].X) + Math.Abs(nearY - at[i].Y) > 14)
            {
                drawing.Line(at[i].X, at[i].Y, nearX, nearY, "guide");
            }
        }

        for (int i = 0; i < _points.Length; i++)
        {
            ChartPoint point = _points[i];
            int look = i % ChartStyle.Series;
            drawing.Marker(
                point.IsControl ? 3 : 0, at[i].X, at[i].Y, 5.5, point.IsControl ? $"hollow s{look}" : $"f{look}",
                $"{point.Name}: {YName} {ReportTable.Number(point.Y)}, {XName} {ReportTable.Number(point.X)}");
            drawing.Text(boxes[i].X + 2, boxes[i].Y + 12, names[i], point.IsControl ? "halo soft" : "halo");
        }
    }
}
