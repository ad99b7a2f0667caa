using System.Globalization;
using System.Net;
using System.Text;

namespace LayerSteer.Training;

/// <summary>
/// A chart of a training run of autoencoders as one SVG: FVU, L0, dead share and held-out loss over tokens, a line a
/// hook point; the loss of the unchanged model is dashed.
/// </summary>
public static class SaeTrainingChart
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
    /// <param name="log">What was measured.</param>
    /// <returns>The text of an SVG file.</returns>
    public static string Draw(SaeTrainingLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        int legend = 24 * log.Points.Count;
        int width = 2 * PanelWidth;
        int height = (2 * PanelHeight) + legend + 12;
        var svg = new StringBuilder();
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" "
            + $"height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
            + $"<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n");
        Panel(svg, log, 0, 0, "Fraction of variance unexplained (training)", true, line => line.Fvu, null);
        Panel(svg, log, PanelWidth, 0, "L0: active latents a token", true, line => line.L0, null);
        Panel(svg, log, 0, PanelHeight, "Dead latents, %", true, line => 100 * line.DeadShare, null);
        Panel(
            svg, log, PanelWidth, PanelHeight, "Held-out loss with the reconstruction, nats a token", false,
            line => line.HeldOut.CeSpliced, line => line.HeldOut.CeOriginal);
        for (int site = 0; site < log.Points.Count; site++)
        {
            int y = (2 * PanelHeight) + 18 + (24 * site);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line x1=\"{Left}\" x2=\"{Left + 28}\" y1=\"{y - 4}\" y2=\"{y - 4}\" stroke=\"{Colour(site)}\" "
                + $"stroke-width=\"2.5\"/><text x=\"{Left + 36}\" y=\"{y}\">"
                + $"{WebUtility.HtmlEncode(log.Points[site].ToString())}</text>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static string Colour(int site) => Colours[site % Colours.Length];

    private static void Panel(
        StringBuilder svg,
        SaeTrainingLog log,
        int x,
        int y,
        string title,
        bool fromZero,
        Func<SaeTrainingLine, double> value,
        Func<SaeTrainingLine, double>? reference)
    {
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<g transform=\"translate({x} {y})\">\n<text x=\"{Left}\" y=\"20\" font-weight=\"600\">{title}</text>\n");
        SaeTrainingLine[] lines = [.. log.Lines.Where(line => double.IsFinite(value(line)))];
        if (lines.Length == 0)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{Left}\" y=\"{PanelHeight / 2}\" fill=\"#666\">not measured</text>\n</g>\n");
            return;
        }

        double[] all = [.. lines.Select(value), .. reference is null ? [] : lines.Select(reference)];
        double step = NiceStep(all.Max() - (fromZero ? 0 : all.Min()));
        double low = fromZero ? 0 : Math.Floor(all.Min() / step) * step;
        double high = Math.Max(low + step, Math.Ceiling(all.Max() / step) * step);
        double most = lines.Max(line => line.Tokens);
        double tokenStep = NiceStep(most);
        for (double tick = low; tick <= high + (step / 2); tick += step)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line x1=\"{Left}\" x2=\"{PanelWidth - Right}\" y1=\"{Y(tick):F1}\" y2=\"{Y(tick):F1}\" "
                + $"stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\" "
                + $"fill=\"#444\">{tick:0.####}</text>\n");
        }

        for (double tick = 0; tick <= most * 1.0001; tick += tokenStep)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{X(tick):F1}\" y=\"{PanelHeight - Bottom + 18}\" text-anchor=\"middle\" "
                + $"fill=\"#444\">{Count(tick)}</text>\n");
        }

        for (int site = 0; site < log.Points.Count; site++)
        {
            Curve(value, site, string.Empty);
            if (reference is not null)
            {
                Curve(reference, site, " stroke-dasharray=\"5 4\"");
            }
        }

        svg.Append("</g>\n");

        void Curve(Func<SaeTrainingLine, double> of, int site, string style)
        {
            string[] points =
            [
                .. lines.Where(line => line.Site == site).Select(line =>
                    string.Create(CultureInfo.InvariantCulture, $"{X(line.Tokens):F1},{Y(of(line)):F1}")),
            ];
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<polyline fill=\"none\" stroke=\"{Colour(site)}\" stroke-width=\"1.8\"{style} "
                + $"points=\"{string.Join(' ', points)}\"/>\n");
            if (points.Length == 1)
            {
                string[] place = points[0].Split(',');
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<circle cx=\"{place[0]}\" cy=\"{place[1]}\" r=\"3\" fill=\"{Colour(site)}\"/>\n");
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
