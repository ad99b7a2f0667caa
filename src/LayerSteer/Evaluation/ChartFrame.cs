namespace LayerSteer.Evaluation;

/// <summary>The place of a chart's data: two axes with their ticks, and the way from values to pixels.</summary>
internal sealed class ChartFrame(ChartAxis x, ChartAxis y, double left, double top, double right, double bottom)
{
    public double Left => left;

    public double Top => top;

    public double Right => right;

    public double Bottom => bottom;

    public double X(double value) => left + (x.Position(value) * (right - left));

    public double Y(double value) => bottom - (y.Position(value) * (bottom - top));

    /// <summary>Draws grid, axes, ticks and the names of the axes.</summary>
    public void Draw(SvgDrawing drawing, string xName, string yName)
    {
        foreach (double tick in y.Ticks)
        {
            drawing.Line(left, Y(tick), right, Y(tick), "grid");
            drawing.Text(left - 8, Y(tick) + 4, ChartAxis.Label(tick), "soft small", "end");
        }

        DrawX(drawing, xName);
        drawing.Line(left, top, left, bottom, "axis");
        drawing.Text(16, (top + bottom) / 2, yName, "soft", "middle", -90);
    }

    /// <summary>Draws the horizontal axis alone, for charts of rows.</summary>
    public void DrawX(SvgDrawing drawing, string xName)
    {
        foreach (double tick in x.Ticks)
        {
            drawing.Line(X(tick), top, X(tick), bottom, "grid");
            drawing.Text(X(tick), bottom + 16, ChartAxis.Label(tick), "soft small", "middle");
        }

        drawing.Line(left, bottom, right, bottom, "axis");
        drawing.Text((left + right) / 2, bottom + 34, xName, "soft", "middle");
    }
}
