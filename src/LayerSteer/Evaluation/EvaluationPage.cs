using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>
/// A report as one page of HTML: the verdicts in words first, then charts, texts side by side and every figure. It
/// needs nothing but itself, and the same report gives the same page to the byte.
/// </summary>
public static class EvaluationPage
{
    /// <summary>The name of its file in a run's folder.</summary>
    public const string FileName = "evaluation.html";

    private const string GainTerm = "against unsteered";

    /// <summary>Writes a report as a page, whole or not at all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    public static void Write(EvaluationReport report, string path) =>
        AtomicFile.WriteText(path, writer => writer.Write(Text(report)));

    /// <summary>The page.</summary>
    public static string Text(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var page = new PageWriter();
        Findings(page, report);
        Comparisons(page, report);
        Charts(page, report);
        EvaluationTexts.Write(page, report);
        Arms(page, report);
        Figures(page, report);
        Making(page, report);
        page.Section("definitions", "What the figures are");
        page.Definitions(report.Metrics.Select(metric => (metric.Title, metric.Name, metric.Description)));
        return page.Document("Evaluation of steering", string.Create(
            CultureInfo.InvariantCulture,
            $"{Count(report.Arms.Count, "arm")}, {Count(report.Topics.Count, "topic")}, "
            + $"{Count(report.Prompts.Count, "prompt")}, {Count(report.Draws, "continuation")} of each; every arm with "
            + $"the same prompts and the same seeds. {Chosen(report)}Intervals: {report.Confidence * 100:0.#} %, paired "
            + $"bootstrap over prompts, {report.Resamples} draws."));
    }

    /// <summary>The markup of a metric's name, with its definition.</summary>
    internal static string Term(PageWriter page, MetricDescription metric) => page.Term(
        EvaluationCharts.IsRatio(metric.Name) ? "perplexity" : metric.Title, metric.Name, metric.Description);

    private static string Chosen(EvaluationReport report) => report.DevPrompts.Count == 0 ? string.Empty
        : string.Create(
            CultureInfo.InvariantCulture,
            $"Strengths were chosen on {Count(report.DevPrompts.Count, "other prompt")}: the highest topic similarity "
            + $"within {report.PerplexityBudget} times the unsteered perplexity. ");

    private static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    private static void Findings(PageWriter page, EvaluationReport report)
    {
        page.Section("verdict", "The verdict");
        page.Line("<ul class=\"findings\">");
        foreach (ReportFinding finding in ReportFindings.Of(report))
        {
            (string kind, string tone) = finding.Tone switch
            {
                FindingTone.Yes => ("yes", "✓ yes"),
                FindingTone.Partly => ("partly", "◐ in part"),
                FindingTone.No => ("no", "✕ no"),
                _ => ("note", ""),
            };
            page.Line($"<li class=\"{kind}\"><span class=\"tone\">{tone}</span>"
                + $"<b>{MarkupText.Escape(finding.Question)}</b>{MarkupText.Escape(finding.Answer)}</li>");
        }

        page.Line("</ul>");
        page.Paragraph(
            "Against the unsteered model a difference counts where the p-value of its signs is below 0.05 after Holm's "
            + $"correction for {report.Arms.Count - 1} arms; against a control where its own interval leaves out 0, "
            + "uncorrected. In brackets: intervals.",
            "soft");
    }

    /// <summary>Arms × what they are compared with.</summary>
    private static void Comparisons(PageWriter page, EvaluationReport report)
    {
        string similarity = EvaluationMetric.Similarity.Name;
        string[] groups = [.. report.Controls.Select(ReportFindings.GroupOf).Distinct()];
        page.Heading("Gain in topic similarity, and its cost");
        page.Table(
            "Gain in topic similarity of each arm over what it is compared with",
            [
                "arm",
                page.Term(GainTerm, "gain", "the arm's topic similarity minus the unsteered model's, over the same "
                    + "prompts and seeds; ▲ up, ▼ down, ≈ not told from chance after Holm"),
                .. groups.Select(group => MarkupText.Escape($"against {group}")),
                page.Term("perplexity", "ratio", "how many times the unsteered model's perplexity the arm's "
                    + "continuations have under the unsteered model: 1 is no cost"),
                page.Term("topics up", "topics-up", "the topics whose similarity rose, the interval of the difference "
                    + "above 0"),
            ],
            report.Arms.Skip(1).Select(arm => (string[])
            [
                MarkupText.Escape(arm.Name),
                Gain(EvaluationCharts.Of(arm.Metrics, similarity), metric => metric.PHolm < 0.05),
                .. groups.Select(group => Gain(
                    report.Controls.Where(pair => pair.Arm == arm.Name && ReportFindings.GroupOf(pair) == group)
                        .Select(pair => EvaluationCharts.Of(pair.Metrics, similarity)).FirstOrDefault(),
                    EvaluationCharts.IsTold)),
                EvaluationCharts.Of(arm.Metrics, EvaluationMetric.Surprise.Name) is { } cost
                    ? MarkupText.Escape(ReportTable.Difference(cost))
                    : "–",
                $"{arm.TopicsUp} of {arm.Topics.Count}",
            ]));

        static string Gain(MetricReport? metric, Func<MetricReport, bool> isTold) => metric?.Difference is not { } gain
            ? "<span class=\"soft\">–</span>"
            : $"{(!isTold(metric) ? "≈" : gain > 0 ? "▲" : "▼")} {MarkupText.Escape(ReportTable.Difference(metric))}";
    }

    private static void Charts(PageWriter page, EvaluationReport report)
    {
        page.Section("cost", "Effect against cost");
        page.Chart(EvaluationCharts.EffectAndCost(report));
        page.Section("differences", "Differences to the unsteered model");
        Each(page, report, metric => EvaluationCharts.Differences(report, metric), 2);
        if (report.Controls.Count > 0)
        {
            page.Section("controls", "Differences to the controls");
            Each(page, report, metric => EvaluationCharts.Controls(report, metric), 1);
        }

        if (report.Strengths.Count > 0)
        {
            page.Section("strengths", "By strength");
            foreach ((_, Chart chart) in EvaluationCharts.Strengths(report))
            {
                page.Chart(chart);
            }
        }

        page.Section("topics", "By topic");
        Each(page, report, metric => EvaluationCharts.ByTopic(report, metric), 1, wide: true);
        if (report.Latents.Count > 0)
        {
            page.Section("latents", "The latents of each topic");
            for (int i = 0; i < report.Latents.Count; i++)
            {
                TopicLatents topic = report.Latents[i];
                page.Details(topic.Topic, i == 0, () => page.Chart(EvaluationCharts.Latents(topic)));
            }
        }
    }

    /// <summary>
    /// A chart a metric: those that verdicts are from are open, similarity and then cost; the rest is folded.
    /// </summary>
    private static void Each(
        PageWriter page, EvaluationReport report, Func<MetricDescription, Chart> chart, int open, bool wide = false)
    {
        string[] first = [EvaluationMetric.Similarity.Name, EvaluationMetric.Surprise.Name];
        MetricDescription[] shown = [.. report.Metrics.Where(metric => first.Take(open).Contains(metric.Name))];
        foreach (MetricDescription metric in shown)
        {
            page.Chart(chart(metric), wide);
        }

        foreach (MetricDescription metric in report.Metrics.Except(shown))
        {
            page.Details(EvaluationCharts.NameOf(metric), false, () =>
            {
                page.Paragraph($"{metric.Title}: {metric.Description}.", "soft");
                page.Chart(chart(metric), wide);
            });
        }
    }

    private static void Arms(PageWriter page, EvaluationReport report)
    {
        page.Section("arms", "The arms");
        page.Table(
            "The arms", ["arm", "what it is", "what the figures say", "edits change x by"],
            [
                .. report.Arms.Select(arm => (string[])
                [
                    MarkupText.Escape(arm.Name), MarkupText.Escape(arm.Description),
                    MarkupText.Escape(arm.Verdict),
                    string.Create(CultureInfo.InvariantCulture, $"{arm.EditChange * 100:0.#} %"),
                ]),
                .. report.NotRun.Select(arm => (string[])
                [
                    MarkupText.Escape(arm.Key), "",
                    MarkupText.Escape(report.Arms.Any(run => run.Name == arm.Key)
                        ? $"not run for all topics: {arm.Value}"
                        : $"not run: {arm.Value}"),
                    "",
                ]),
            ],
            "prose");
    }

    private static void Figures(PageWriter page, EvaluationReport report)
    {
        page.Section("figures", "All figures");
        page.Paragraph("Means, in brackets the differences to unsteered and their intervals; of perplexity ratios.");
        string[] heads = ["arm", .. report.Metrics.Select(metric => Term(page, metric))];
        page.Table("Arms by metrics", heads, report.Arms.Select(arm =>
            Row(arm.Name, report, metric => ReportTable.Cell(metric), arm.Metrics)));
        if (report.Controls.Count > 0)
        {
            page.Details("Against controls", false, () => page.Table(
                "Arms minus controls", ["arm − control", .. heads.Skip(1)],
                report.Controls.Select(pair => Row(
                    $"{pair.Arm} − {pair.Control}", report, ReportTable.Difference, pair.Metrics))));
        }

        foreach (string name in report.Topics)
        {
            page.Details(name, false, () => page.Table(
                $"Arms by metrics, {name}", ["arm, strength", .. heads.Skip(1)],
                from arm in report.Arms
                from topic in arm.Topics
                where topic.Topic == name
                select Row(
                    topic.Strength is { } strength ? $"{arm.Name}, {ChartAxis.Label(strength)}" : arm.Name,
                    report, metric => ReportTable.Cell(metric), topic.Metrics)));
        }

        foreach (ReportTable table in new[]
        {
            ReportTable.SideEffects(report), ReportTable.Verdicts(report), ReportTable.Strengths(report),
        })
        {
            if (table.Rows.Count > 0)
            {
                page.Details(table.Title, false, () =>
                {
                    page.Table(
                        table.Title, table.Header.Select(MarkupText.Escape),
                        table.Rows.Select(row => (string[])[.. row.Select(MarkupText.Escape)]));
                    page.Paragraph(table.Note);
                });
            }
        }
    }

    private static string[] Row(
        string name, EvaluationReport report, Func<MetricReport, string> cell, IReadOnlyList<MetricReport> metrics) =>
    [
        MarkupText.Escape(name),
        .. report.Metrics.Select(description => EvaluationCharts.Of(metrics, description.Name) is { } metric
            ? MarkupText.Escape(cell(metric))
            : "–"),
    ];

    private static void Making(PageWriter page, EvaluationReport report)
    {
        page.Section("made", "What it was made with");
        page.Table(
            "What it was made with", ["what", "value"],
            report.Run.Select(setting => (string[])
                [MarkupText.Escape(setting.Key.Replace('_', ' ')), MarkupText.Escape(setting.Value)]),
            "code");
        page.Details("Prompts", false, () =>
        {
            page.Paragraph($"Reported on: {string.Join(" · ", report.Prompts)}");
            page.Paragraph($"Strengths chosen on: {string.Join(" · ", report.DevPrompts)}");
        });
    }
}
