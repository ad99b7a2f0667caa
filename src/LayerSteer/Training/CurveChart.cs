using System.Globalization;
using System.Net;
using System.Text;

namespace LayerSteer.Training;

/// <summary>One line of a panel.</summary>
/// <param name="Entry">The entry of the legend, from 0, that it belongs to: its colour.</param>
/// <param name="Points">Where it goes; points that are not finite are left out.</param>
/// <param name="IsDashed">Whether it is dashed.</param>
internal sealed record Curve(int Entry, IReadOnlyList<(double X, double Y)> Points, bool IsDashed = false);

/// <summary>One panel of a chart.</summary>
/// <param name="Title">What its lines show.</param>
/// <param name="FromZero">Whether the axis begins at 0.</param>
/// <param name="Curves">The lines.</param>
internal sealed record CurvePanel(string Title, bool FromZero, IReadOnlyList<Curve> Curves);

/// <summary>Panels of curves over tokens, two side by side, with one legend, as the text of an SVG file.</summary>
internal static class CurveChart
{
    private const int PanelWidth = 460;
    private const int PanelHeight = 250;
    private const int Left = 62;
    private const int Right = 16;
    private const int Top = 34;
    private const int Bottom = 36;
    private const int Ticks = 4;

    private static readonly string[] Colours = ["#1f6fb4", "#c4541a", "#2b8a57", "#8a4fb0", "#a8851a", "#555f6b"];

    /// <summary>Draws the chart.</summary>
    /// <param name="legend">The name of each colour.</param>
    /// <param name="panels">The panels, row by row.</param>
    public static string Draw(IReadOnlyList<string> legend, IReadOnlyList<CurvePanel> panels)
    {
        int rows = (panels.Count + 1) / 2;
        int width = 2 * PanelWidth;
        int height = (rows * PanelHeight) + (24 * legend.Count) + 12;
        var svg = new StringBuilder();
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" "
            + $"height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
            + $"<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n");
        for (int i = 0; i < panels.Count; i++)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<g transform=\"translate({i % 2 * PanelWidth} {i / 2 * PanelHeight})\">\n");
            Draw(svg, panels[i]);
            svg.Append("</g>\n");
        }

        for (int entry = 0; entry < legend.Count; entry++)
        {
            int y = (rows * PanelHeight) + 18 + (24 * entry);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line x1=\"{Left}\" x2=\"{Left + 28}\" y1=\"{y - 4}\" y2=\"{y - 4}\" stroke=\"{Colour(entry)}\" "
                + $"stroke-width=\"2.5\"/><text x=\"{Left + 36}\" y=\"{y}\">"
                + $"{WebUtility.HtmlEncode(legend[entry])}</text>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static string Colour(int entry) => Colours[entry % Colours.Length];

    private static void Draw(StringBuilder svg, CurvePanel panel)
    {
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{Left}\" y=\"20\" font-weight=\"600\">{WebUtility.HtmlEncode(panel.Title)}</text>\n");
        Curve[] curves =
            [.. panel.Curves.Select(c => c with { Points = [.. c.Points.Where(p => double.IsFinite(p.Y))] })];
        (double X, double Y)[] all = [.. curves.SelectMany(curve => curve.Points)];
        if (all.Length == 0)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{Left}\" y=\"{PanelHeight / 2}\" fill=\"#666\">not measured</text>\n");
            return;
        }

        double least = panel.FromZero ? 0 : all.Min(p => p.Y);
        double step = NiceStep(all.Max(p => p.Y) - least);
        double low = panel.FromZero ? 0 : Math.Floor(least / step) * step;
        double high = Math.Max(low + step, Math.Ceiling(all.Max(p => p.Y) / step) * step);
        double most = Math.Max(1, all.Max(p => p.X));
        for (double tick = low; tick <= high + (step / 2); tick += step)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line x1=\"{Left}\" x2=\"{PanelWidth - Right}\" y1=\"{Y(tick):F1}\" y2=\"{Y(tick):F1}\" "
                + $"stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\" "
                + $"fill=\"#444\">{tick:0.####}</text>\n");
        }

        for (double tick = 0; tick <= most * 1.0001; tick += NiceStep(most))
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{X(tick):F1}\" y=\"{PanelHeight - Bottom + 18}\" text-anchor=\"middle\" "
                + $"fill=\"#444\">{Count(tick)}</text>\n");
        }

        foreach (Curve curve in curves)
        {
            string[] points = [.. curve.Points.Select(point =>
                string.Create(CultureInfo.InvariantCulture, $"{X(point.X):F1},{Y(point.Y):F1}"))];
            string style = curve.IsDashed ? " stroke-dasharray=\"5 4\"" : string.Empty;
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<polyline fill=\"none\" stroke=\"{Colour(curve.Entry)}\" stroke-width=\"1.8\"{style} "
                + $"points=\"{string.Join(' ', points)}\"/>\n");
            if (points.Length == 1)
            {
                string[] place = points[0].Split(',');
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<circle cx=\"{place[0]}\" cy=\"{place[1]}\" r=\"3\" fill=\"{Colour(curve.Entry)}\"/>\n");
            }
        }

        double X(double tokens) => Left + (tokens / most * (PanelWidth - Left - Right));
        double Y(double v) => PanelHeight - Bottom - ((v - low) / (high - low) * (PanelHeight - Top - Bottom));
    }

    /// <summary>1, 2 or 5 times a power of ten, so that a range has about four steps.</summary>
    private static double NiceStep(double range)
    {
        double rough = Math.Max(range, 1e-6) / Ticks;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double digit = rough / power;
        return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    }

    private static string Count(double tokens) => tokens switch
    {
        >= 1e6 => string.Create(CultureInfo.InvariantCulture, $"{tokens / 1e6:0.##} M"),
        >= 1e3 => string.Create(CultureInfo.InvariantCulture, $"{tokens / 1e3:0.##} k"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{tokens:0}"),
    };
}
