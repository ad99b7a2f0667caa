using System.Globalization;
using System.Text;

namespace LayerSteer.Evaluation;

/// <summary>The shapes of a chart, as SVG elements. Coordinates in pixels, y downward.</summary>
internal sealed class SvgDrawing(double width, double height)
{
    private const double CharacterWidth = 0.56; // of the font's size; of a sans-serif face, on the wide side

    private readonly StringBuilder _shapes = new();

    public double Width => width;

    public double Height => height;

    /// <summary>About how wide a text is.</summary>
    public static double WidthOf(string text, double size = 12) => text.Length * size * CharacterWidth;

    /// <summary>As much of a text as fits a width, with … where something is left out.</summary>
    public static string Fit(string text, double width, double size = 12)
    {
        int most = Math.Max(1, (int)(width / (size * CharacterWidth)));
        if (text.Length <= most)
        {
            return text;
        }

        int end = Math.Max(1, most - 1);
        return text[..(char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)] + "…";
    }

    public void Line(double x1, double y1, double x2, double y2, string style) => _shapes.Append(
        CultureInfo.InvariantCulture,
        $"<line x1=\"{N(x1)}\" y1=\"{N(y1)}\" x2=\"{N(x2)}\" y2=\"{N(y2)}\" class=\"{style}\"/>\n");

    public void Rectangle(
        double x, double y, double width, double height, string style, double opacity = 1, string? tip = null) =>
        Closed(
            string.Create(
                CultureInfo.InvariantCulture,
                $"<rect x=\"{N(x)}\" y=\"{N(y)}\" width=\"{N(Math.Max(0, width))}\" height=\"{N(height)}\" "
                + $"class=\"{style}\"{(opacity < 1 ? $" fill-opacity=\"{N(opacity)}\"" : "")}"),
            "rect",
            tip);

    public void Curve(IEnumerable<(double X, double Y)> points, string style) => _shapes.Append(
        CultureInfo.InvariantCulture,
        $"<polyline points=\"{string.Join(' ', points.Select(p => $"{N(p.X)},{N(p.Y)}"))}\" class=\"{style}\"/>\n");

    /// <summary>A marker of a shape of its own: circle, square, triangle, diamond, and so on round.</summary>
    public void Marker(int shape, double x, double y, double radius, string style, string? tip = null)
    {
        if (shape % 4 == 0)
        {
            Closed($"<circle cx=\"{N(x)}\" cy=\"{N(y)}\" r=\"{N(radius)}\" class=\"{style}\"", "circle", tip);
            return;
        }

        double r = radius * 1.15;
        (double X, double Y)[] corners = (shape % 4) switch
        {
            1 =>
            [
                (x - radius, y - radius), (x + radius, y - radius), (x + radius, y + radius), (x - radius, y + radius),
            ],
            2 => [(x, y - r), (x + r, y + (r * 0.8)), (x - r, y + (r * 0.8))],
            _ => [(x, y - (r * 1.1)), (x + (r * 1.1), y), (x, y + (r * 1.1)), (x - (r * 1.1), y)],
        };
        Closed(
            $"<polygon points=\"{string.Join(' ', corners.Select(p => $"{N(p.X)},{N(p.Y)}"))}\" class=\"{style}\"",
            "polygon",
            tip);
    }

    /// <summary>A text; the anchor is start, middle or end.</summary>
    public void Text(
        double x,
        double y,
        string text,
        string style = "",
        string anchor = "start",
        double turn = 0,
        string? tip = null)
    {
        string turned = turn == 0 ? "" : $" transform=\"rotate({N(turn)} {N(x)} {N(y)})\"";
        string kind = style.Length == 0 ? "" : $" class=\"{style}\"";
        string title = tip is null ? "" : $"<title>{MarkupText.Escape(tip)}</title>";
        _shapes.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{N(x)}\" y=\"{N(y)}\" text-anchor=\"{anchor}\"{kind}{turned}>"
            + $"{title}{MarkupText.Escape(text)}</text>\n");
    }

    public override string ToString() => _shapes.ToString();

    /// <summary>Two digits after the point and no minus in front of 0: the same file on every machine.</summary>
    private static string N(double value) =>
        (Math.Round(value, 2) + 0.0).ToString("0.##", CultureInfo.InvariantCulture);

    private void Closed(string open, string name, string? tip) => _shapes.Append(
        tip is null ? open + "/>\n" : $"{open}><title>{MarkupText.Escape(tip)}</title></{name}>\n");
}
