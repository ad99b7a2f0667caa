using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>
/// The charts of a report. They are of whatever arms, metrics, topics and strengths it has; nothing is expected to be
/// there but what is drawn.
/// </summary>
public static class EvaluationCharts
{
    /// <summary>Effects beyond so many budgets are drawn at the end of the axis.</summary>
    private const double BudgetsShown = 4;

    private const double Significance = 0.05;

    /// <summary>All charts of a report with names for files, the most telling first.</summary>
    /// <param name="report">The report.</param>
    public static IReadOnlyList<(string Name, Chart Chart)> All(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return
        [
            ("effect-cost", EffectAndCost(report)),
            .. report.Metrics.Select(metric =>
                ($"difference-{MarkupText.Id(metric.Name)}", (Chart)Differences(report, metric))),
            .. report.Controls.Count == 0 ? [] : report.Metrics.Select(metric =>
                ($"controls-{MarkupText.Id(metric.Name)}", (Chart)Controls(report, metric))),
            .. Strengths(report),
            .. report.Metrics.Select(metric =>
                ($"topics-{MarkupText.Id(metric.Name)}", (Chart)ByTopic(report, metric))),
            .. report.Latents.Select(topic => ($"latents-{MarkupText.Id(topic.Topic)}", (Chart)Latents(topic))),
        ];
    }

    /// <summary>Writes all charts as .svg files, each whole or not at all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="folder">The folder; it is made if it is not there.</param>
    /// <returns>The files' names.</returns>
    public static IReadOnlyList<string> Write(EvaluationReport report, string folder)
    {
        ArgumentNullException.ThrowIfNull(report);
        Directory.CreateDirectory(folder);
        var names = new List<string>();
        foreach ((string name, Chart chart) in All(report))
        {
            names.Add($"{name}.svg");
            chart.Write(Path.Combine(folder, names[^1]));
        }

        return names;
    }

    /// <summary>What each arm gains in topic similarity against the perplexity it costs.</summary>
    public static ScatterChart EffectAndCost(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var points = new List<ChartPoint>();
        foreach (ArmReport arm in report.Arms)
        {
            MetricReport? effect = Of(arm.Metrics, EvaluationMetric.Similarity.Name);
            MetricReport? cost = Of(arm.Metrics, EvaluationMetric.Surprise.Name);
            if (effect?.Mean is not null && cost?.Mean is not null)
            {
                points.Add(new ChartPoint(
                    arm.Name,
                    Math.Exp(cost.Difference ?? 0),
                    effect.Difference ?? 0,
                    cost.Low is null ? null : (Math.Exp(cost.Low.Value), Math.Exp(cost.High!.Value)),
                    effect.Low is null ? null : (effect.Low.Value, effect.High!.Value),
                    IsControl(report, arm.Name)));
            }
        }

        return new ScatterChart(
            "Effect against cost",
            "Each arm's gain in topic similarity over the unsteered model against its perplexity, as a multiple of the "
            + "unsteered model's. Up and to the left is better. Means over all topics and prompts, with intervals. "
            + Spoken(points.Select(point => $"{point.Name}: gain {ReportTable.Signed(point.Y)} at {Times(point.X)}")),
            points)
        {
            XName = "perplexity, times unsteered (logarithmic)",
            YName = "gain in topic similarity",
            Limit = BudgetsShown * report.PerplexityBudget,
            Budget = report.PerplexityBudget,
        };
    }

    /// <summary>Each arm's difference to the unsteered model in a metric.</summary>
    public static IntervalChart Differences(EvaluationReport report, MetricDescription metric)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(metric);
        return Intervals(
            report,
            metric,
            $"{NameOf(metric)}: {Compared(metric, "unsteered")}",
            string.Create(
                CultureInfo.InvariantCulture, $"filled where the signs' p-value after Holm is below {Significance}"),
            report.Arms.Select(arm => (
                arm.Name, Of(arm.Metrics, metric.Name), IsControl(report, arm.Name),
                Of(arm.Metrics, metric.Name)?.PHolm < Significance)));
    }

    /// <summary>Each steered arm's difference to its controls in a metric.</summary>
    public static IntervalChart Controls(EvaluationReport report, MetricDescription metric)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(metric);
        return Intervals(
            report,
            metric,
            $"{NameOf(metric)}: {Compared(metric, "each control")}",
            "filled where the interval does not include no difference",
            report.Controls.Select(pair => (
                $"{pair.Arm} − {pair.Control}", Of(pair.Metrics, metric.Name), false,
                IsTold(Of(pair.Metrics, metric.Name)))));
    }

    /// <summary>Effect, probability and cost of each method by its strength, on the dev prompts.</summary>
    public static IReadOnlyList<(string Name, Chart Chart)> Strengths(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.Strengths.Count == 0)
        {
            return [];
        }

        return
        [
            ("strength-effect", Dose(
                report, "Effect by strength", "gain in topic similarity", false, [new ChartLevel(0, "no effect")],
                points => points.Average(point => point.SimilarityGain))),
            ("strength-cost", Dose(
                report, "Cost by strength", "perplexity, times unsteered", true,
                [new ChartLevel(1, "no cost"), new ChartLevel(report.PerplexityBudget, "budget")],
                points => Math.Exp(points.Average(point => Math.Log(point.PerplexityRatio))))),
            ("strength-divergence", Dose(
                report, "KL by strength", "KL(arm ‖ unsteered), nats a token", false, [],
                points => points.Average(point => point.Divergence))),
        ];
    }

    /// <summary>Arms × topics: the differences to the unsteered model in a metric.</summary>
    public static GridChart ByTopic(EvaluationReport report, MetricDescription metric)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(metric);
        return new GridChart(
            $"{NameOf(metric)} by topic: {Compared(metric, "unsteered")}",
            $"{metric.Title}: {metric.Description}. One row an arm, one column a topic.",
            from arm in report.Arms
            from topic in arm.Topics
            let figure = Of(topic.Metrics, metric.Name)
            where figure?.Difference is not null
            select new ChartCell(
                arm.Name,
                topic.Topic,
                figure.Difference!.Value,
                IsRatio(metric.Name)
                    ? "×" + ReportTable.Number(Math.Exp(figure.Difference!.Value))
                    : Short(figure.Difference!.Value),
                IsTold(figure),
                $"{arm.Name}, {topic.Topic}: {ReportTable.Cell(figure)}"
                + (topic.Strength is { } strength ? $", at strength {ChartAxis.Label(strength)}" : "")));
    }

    /// <summary>The latents that a topic is steered by, with what they write.</summary>
    public static BarChart Latents(TopicLatents topic)
    {
        ArgumentNullException.ThrowIfNull(topic);
        return new BarChart(
            $"Latents of {topic.Topic}",
            "The latents with the highest scores for the topic, and the tokens whose logits each raises most.",
            topic.Latents.Select(latent => new ChartBar(
                string.Create(CultureInfo.InvariantCulture, $"{latent.Latent}"),
                latent.Score,
                string.Join(" · ", latent.Writes.Select(token => token.ReplaceLineEndings("⏎").Trim())))))
        {
            XName = "score",
        };
    }

    /// <summary>Whether an arm is there to compare with: it has no controls of its own, but others have.</summary>
    internal static bool IsControl(EvaluationReport report, string arm) => arm == report.Arms[0].Name
        || ReportFindings.Steered(report).All(steered => steered.Name != arm);

    /// <summary>Whether a metric is of nats, whose differences are shown as ratios of their exponentials.</summary>
    internal static bool IsRatio(string metric) => metric == EvaluationMetric.Surprise.Name;

    /// <summary>A metric's name where its differences are ratios.</summary>
    internal static string NameOf(MetricDescription metric) =>
        IsRatio(metric.Name) ? "Perplexity" : char.ToUpperInvariant(metric.Title[0]) + metric.Title[1..];

    internal static MetricReport? Of(IReadOnlyList<MetricReport> metrics, string name) =>
        metrics.FirstOrDefault(metric => metric.Metric == name);

    /// <summary>Whether an interval does not include 0.</summary>
    internal static bool IsTold(MetricReport? metric) => metric is { Low: > 0 } or { High: < 0 };

    internal static string Times(double ratio) => $"{ReportTable.Number(ratio)} times the perplexity";

    /// <summary>A signed figure for a small cell.</summary>
    private static string Short(double value) => value.ToString(
        Math.Abs(value) < 10 ? "+0.00;−0.00;0.00" : "+0;−0;0", CultureInfo.InvariantCulture);

    private static string Compared(MetricDescription metric, string with) =>
        IsRatio(metric.Name) ? $"times {with}" : $"difference to {with}";

    private static string Spoken(IEnumerable<string> figures) => string.Join("; ", figures) + ".";

    private static IntervalChart Intervals(
        EvaluationReport report,
        MetricDescription metric,
        string title,
        string shown,
        IEnumerable<(string Name, MetricReport? Metric, bool IsControl, bool IsShown)> rows)
    {
        bool ratio = IsRatio(metric.Name);
        ChartInterval[] intervals =
        [
            .. from row in rows
            where row.Metric?.Difference is not null
            let value = row.Metric.Difference!.Value
            select new ChartInterval(
                row.Name, Shown(value), Shown(row.Metric.Low ?? value), Shown(row.Metric.High ?? value), row.IsShown,
                row.IsControl),
        ];
        return new IntervalChart(
            title,
            $"{metric.Title}: {metric.Description}. "
            + string.Create(CultureInfo.InvariantCulture, $"{report.Confidence * 100:0.#} % intervals, {shown}. ")
            + Spoken(intervals.Select(row =>
                $"{row.Name} {ReportTable.Number(row.Value)}, "
                + $"{ReportTable.Number(row.Low)} to {ReportTable.Number(row.High)}")),
            intervals)
        {
            XName = ratio ? "times (logarithmic)" : $"difference in {metric.Title}",
            Ratios = ratio,
        };

        double Shown(double value) => ratio ? Math.Exp(value) : value;
    }

    private static LineChart Dose(
        EvaluationReport report,
        string title,
        string yName,
        bool logarithmic,
        IReadOnlyList<ChartLevel> levels,
        Func<IReadOnlyList<StrengthPoint>, double?> of) => new(
        title,
        $"{yName} of each method at each strength that was tried, mean over topics on the dev prompts; the large marker "
        + "is the strength chosen for most topics.",
        report.Strengths.GroupBy(point => point.Method).Select(method => new ChartLine(
            method.Key,
            [
                .. from strength in method.GroupBy(point => point.Strength).OrderBy(strength => strength.Key)
                let value = of([.. strength])
                where value is not null
                select (strength.Key, value.Value),
            ],
            method.GroupBy(point => point.Strength).OrderByDescending(strength => strength.Count(point => point.Chosen))
                .ThenBy(strength => strength.Key).First().Key)))
        {
            XName = "strength (logarithmic)",
            YName = yName,
            LogarithmicX = true,
            LogarithmicY = logarithmic,
            Levels = levels,
        };
}
