using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>A calibration's figures as tables, and as Markdown.</summary>
public static class CalibrationMarkdown
{
    /// <summary>The name of its file in a run's folder.</summary>
    public const string FileName = "calibration.md";

    /// <summary>The share that is abstained on in the summary.</summary>
    private const double Abstained = 0.3;

    /// <summary>How well each design forecasts each method.</summary>
    public static ReportTable Qualities(CalibrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Forecasts of topics that were left out",
            [
                "method", "forecast", "quantity", "coverage", "by points", "by topics", "width", "deviation", "error",
                "Spearman", "at one strength and layer",
            ],
            [
                .. report.Qualities.SelectMany(quality => new[]
                {
                    Row(quality, "effect", quality.Effect), Row(quality, "cost", quality.Cost),
                }),
            ],
            string.Create(
                CultureInfo.InvariantCulture,
                $"Intervals are meant for {report.Confidence * 100:F0} %. Coverage with its 95 % interval, as if "
                + $"points were independent (Clopper–Pearson), and from drawing topics. Deviation: of what came of "
                + $"it. Spearman of forecast and realised over all points, with its interval from drawing topics; and "
                + $"the mean over strengths and layers of ρ among topics."));
    }

    /// <summary>What abstaining does.</summary>
    public static ReportTable Risks(CalibrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Abstaining",
            [
                "method", "forecast", "did nothing, all", "after abstaining on 30 %", "not shown, all",
                "after abstaining on 30 %", "kept where the interval is above 0", "of these did nothing", "not shown",
            ],
            [
                .. report.Qualities.Select(quality =>
                {
                    RiskPoint all = quality.Risk[0];
                    RiskPoint kept = quality.Risk.First(point => point.Kept <= 1 - Abstained + 1e-9);
                    return (string[])
                    [
                        quality.Method, quality.Design, Share(all.DidNothing), Share(kept.DidNothing),
                        Share(all.NotShown), Share(kept.NotShown), Share(quality.NotAbstained?.Kept ?? 0),
                        Share(quality.NotAbstained?.DidNothing), Share(quality.NotAbstained?.NotShown),
                    ];
                }),
            ],
            "Did nothing: the effect is not above 0. Not shown: the effect's own interval over prompts does not lie "
            + "above 0.");
    }

    /// <summary>Risk against the share kept.</summary>
    public static ReportTable RiskCurve(CalibrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Share of steers not shown to work, by share kept",
            ["method", "forecast", .. report.Qualities[0].Risk.Select(point => Share(point.Kept))],
            [
                .. report.Qualities.Select(quality => (string[])
                    [quality.Method, quality.Design, .. quality.Risk.Select(point => Share(point.NotShown))]),
            ]);
    }

    /// <summary>Coverage by place and strength.</summary>
    public static ReportTable Cells(CalibrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "By layer and strength, with the topic's texts",
            ["method", "place", "strength", "mean effect", "perplexity", "coverage of the effect"],
            [
                .. report.Qualities.GroupBy(quality => quality.Method).SelectMany(method => method.First().Cells
                    .Select(cell => (string[])
                    [
                        method.Key, cell.HookPoint, Number(cell.Strength, "G4"), Number(cell.Effect, "F3"),
                        $"×{Number(Math.Exp(cell.Cost), "F2")}", Share(cell.Coverage),
                    ])),
            ]);
    }

    /// <summary>What each predictor alone says.</summary>
    public static ReportTable Predictors(CalibrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Spearman's ρ of each predictor alone",
            ["method", "predictor", "effect", "effect at one strength and layer", "cost", "what it is"],
            [
                .. report.Predictors.Select(predictor => (string[])
                [
                    predictor.Method, predictor.Predictor, Number(predictor.Effect, "F2"),
                    Number(predictor.EffectWithin, "F2"), Number(predictor.Cost, "F2"),
                    ForecastPredictor.All[ForecastPredictor.IndexOf(predictor.Predictor)].Description,
                ]),
            ]);
    }

    /// <summary>Writes all tables as Markdown, whole or not at all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    public static void Write(CalibrationReport report, string path)
    {
        ArgumentNullException.ThrowIfNull(report);
        AtomicFile.WriteText(path, writer =>
        {
            writer.WriteLine("# Calibration of forecasts");
            writer.WriteLine();
            writer.WriteLine(
                $"{report.Topics.Count} topics, {report.Points.Count} points of "
                + $"{report.Points[0].Texts} continuations each. Every forecast below is of a topic that was left out "
                + "of the fit, of the choice of the penalty and of the calibration of intervals.");
            writer.WriteLine();
            foreach (ReportTable table in (ReportTable[])
                [Qualities(report), Risks(report), RiskCurve(report), Cells(report), Predictors(report)])
            {
                EvaluationMarkdown.Table(writer, table);
            }

            writer.WriteLine($"Topics: {string.Join(", ", report.Topics)}.");
            writer.WriteLine();
            EvaluationMarkdown.Table(writer, new ReportTable(
                "What it was made with",
                ["what", "value"],
                [.. report.Run.Select(setting => (string[])[setting.Key.Replace('_', ' '), setting.Value])]));
        });
    }

    private static string[] Row(ForecastQuality quality, string quantity, QuantityQuality of) =>
    [
        quality.Method, quality.Design, quantity, Share(of.Coverage),
        $"{Share(of.CoverageLow)} to {Share(of.CoverageHigh)}",
        $"{Share(of.CoverageTopicLow)} to {Share(of.CoverageTopicHigh)}",
        Number(of.Width, "F3"), Number(of.Deviation, "F3"), Number(of.Error, "F3"),
        $"{Number(of.Spearman, "F2")} [{Number(of.SpearmanLow, "F2")}, {Number(of.SpearmanHigh, "F2")}]",
        Number(of.SpearmanWithin, "F2"),
    ];

    private static string Share(double? value) =>
        value is null ? "-" : string.Create(CultureInfo.InvariantCulture, $"{value * 100:F1} %");

    private static string Number(double? value, string format) =>
        value is null ? "-" : value.Value.ToString(format, CultureInfo.InvariantCulture);
}
