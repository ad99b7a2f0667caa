using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>A sweep as a page of HTML that needs nothing but itself, or as its chart alone.</summary>
public static class SweepPage
{
    /// <summary>Effect against cost, with the front.</summary>
    public static ScatterChart Chart(StrengthSweep sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        return new ScatterChart(
            "Effect against cost",
            "Each point is a layer, a method and a strength. Higher turns more to the topic, further to the right costs more of "
            + "the language; on the line are the choices that no other beats on both counts.",
            sweep.Points.Select(point => new ChartPoint(
                NameOf(point),
                point.PerplexityRatio,
                point.Effect,
                YInterval: point is { Low: { } low, High: { } high } ? (low, high) : null)))
        {
            XName = "perplexity, times unsteered",
            YName = "gain of topic similarity",
            Limit = 4,
            Budget = sweep.Budget,
        };
    }

    /// <summary>The dose-response of each method, a line a layer.</summary>
    public static IReadOnlyList<LineChart> Doses(StrengthSweep sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        return
        [
            .. sweep.Points.GroupBy(point => point.Method).Select(group => new LineChart(
                $"Dose and response: {SteeringMethods.NameOf(group.Key)}",
                "The gain of topic similarity over strengths, a line a layer.",
                group.GroupBy(point => point.Point).Select(line => new ChartLine(
                    line.Key.ToString(), [.. line.Select(point => (point.Strength, point.Effect))],
                    sweep.Best is { } best && best.Method == group.Key && best.Point == line.Key ? best.Strength : null)))
            {
                XName = "strength",
                YName = "gain",
                LogarithmicX = true,
            }),
        ];
    }

    /// <summary>What is recommended, in words.</summary>
    public static string Recommendation(StrengthSweep sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        if (sweep.Best is not { } best)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"Nothing that was tried stays within {sweep.Budget} times the perplexity: lower strengths, or a larger budget.");
        }

        if (!(best.Low > 0))
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"Nothing within {sweep.Budget} times the perplexity is shown to turn to the topic; the best is {NameOf(best)}, "
                + $"{best.Effect:+0.000;−0.000} at {best.PerplexityRatio:F2} times.");
        }

        string rival = sweep.Rival is { } other
            ? $" {NameOf(other)} cannot be told from it."
            : sweep.Points.Select(point => point.Point).Distinct().Count() > 1 ? " No other layer comes near." : string.Empty;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Recommended: {NameOf(best)}, {best.Effect:+0.000;−0.000} at {best.PerplexityRatio:F2} times the perplexity.{rival}");
    }

    /// <summary>The name of a choice.</summary>
    public static string NameOf(SweepPoint point)
    {
        ArgumentNullException.ThrowIfNull(point);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"layer {point.Point.Layer} {SteeringMethods.NameOf(point.Method)} {point.Strength:G4}");
    }

    /// <summary>The page.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="topic">The topic's name.</param>
    public static string Text(StrengthSweep sweep, string topic)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        var page = new PageWriter();
        page.Section("recommended", "What to take");
        page.Paragraph(Recommendation(sweep));
        page.Chart(Chart(sweep), wide: true);
        page.Section("doses", "Dose and response");
        foreach (LineChart chart in Doses(sweep))
        {
            page.Chart(chart);
        }

        page.Section("figures", "Every figure");
        page.Table(
            "choices",
            ["choice", "gain", "interval", "perplexity", "neutral perplexity", "KL, nats", "change of x", "front"],
            sweep.Points.Select(point => (IReadOnlyList<string>)
            [
                NameOf(point),
                Signed(point.Effect),
                point.Low is null ? "–" : $"{Signed(point.Low.Value)} to {Signed(point.High!.Value)}",
                Ratio(point.PerplexityRatio),
                Ratio(point.Neutral.PerplexityRatio),
                point.Neutral.Divergence.ToString("F3", CultureInfo.InvariantCulture),
                point.Neutral.Change.ToString("P0", CultureInfo.InvariantCulture),
                point.IsOnFront ? "yes" : string.Empty,
            ]));
        return page.Document(
            $"Sweep of {topic}",
            "Gain: the mean paired difference to the unsteered model of the cosine with the topic's texts, by the sentence "
            + "encoder. Perplexity: of the continuations under the unsteered model, as a ratio; on neutral text, with the edit.");
    }

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="topic">The topic's name.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    public static void Write(StrengthSweep sweep, string topic, string path) =>
        AtomicFile.WriteText(path, writer => writer.Write(Text(sweep, topic)));

    private static string Signed(double value) => value.ToString("+0.000;−0.000;0.000", CultureInfo.InvariantCulture);

    private static string Ratio(double value) => "×" + value.ToString("F2", CultureInfo.InvariantCulture);
}
