using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>How an answer turned out.</summary>
public enum FindingTone
{
    /// <summary>Of all that were asked about.</summary>
    Yes,

    /// <summary>Of some.</summary>
    Partly,

    /// <summary>Of none.</summary>
    No,

    /// <summary>Neither: something to know.</summary>
    Note,
}

/// <summary>What a sceptical reader asks of an evaluation, and what its figures answer.</summary>
/// <param name="Question">The question.</param>
/// <param name="Answer">The answer, in words with figures.</param>
/// <param name="Tone">How it turned out.</param>
public sealed record ReportFinding(string Question, string Answer, FindingTone Tone);

/// <summary>
/// The findings of a report in words. An arm turns text to the topic where the p-value of its difference to the
/// unsteered model is below 0.05 after Holm and the difference is above 0; it does so more than a control where the interval of
/// their paired difference lies above 0.
/// </summary>
public static class ReportFindings
{
    private const double Significance = 0.05;

    /// <summary>The findings, the most important first.</summary>
    public static IReadOnlyList<ReportFinding> Of(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArmReport[] steered = Steered(report);
        var findings = new List<ReportFinding>
        {
            Compared(
                $"Does it turn text to the topic, more than {report.Arms[0].Name}?",
                steered.Select(arm => (arm.Name, SimilarityOf(arm.Metrics), Turns(arm)))),
        };
        foreach (IGrouping<string, ControlReport> group in report.Controls.GroupBy(GroupOf))
        {
            findings.Add(Compared(
                $"More than {Described(report, group.Key, group.First())}?",
                group.Select(pair => (
                    pair.Arm, SimilarityOf(pair.Metrics), SimilarityOf(pair.Metrics)?.Low > 0))));
        }

        Cost(report, steered, findings);
        findings.Add(new ReportFinding("Can the judges tell the topics?", report.Judge.InWords, FindingTone.Note));
        foreach ((string arm, string reason) in report.NotRun)
        {
            findings.Add(new ReportFinding(
                report.Arms.Any(run => run.Name == arm) ? $"Not run for all topics: {arm}" : $"Not run: {arm}",
                $"{reason}.", FindingTone.Note));
        }

        return findings;
    }

    /// <summary>The arms that are not only there to compare with: those with controls, or all if there are none.</summary>
    internal static ArmReport[] Steered(EvaluationReport report)
    {
        ArmReport[] steered = [.. report.Arms.Where(arm => report.Controls.Any(pair => pair.Arm == arm.Name))];
        return steered.Length > 0 ? steered : [.. report.Arms.Skip(1)];
    }

    /// <summary>
    /// What a control stands for: of <c>random-swap</c>, the control of <c>swap</c>, it is <c>random</c>, which other
    /// methods have too.
    /// </summary>
    internal static string GroupOf(ControlReport pair) =>
        pair.Control.Length > pair.Arm.Length + 1 && pair.Control.EndsWith($"-{pair.Arm}", StringComparison.Ordinal)
            ? pair.Control[..^(pair.Arm.Length + 1)]
            : pair.Control;

    private static MetricReport? SimilarityOf(IReadOnlyList<MetricReport> metrics) =>
        EvaluationCharts.Of(metrics, EvaluationMetric.Similarity.Name);

    private static bool Turns(ArmReport arm) =>
        SimilarityOf(arm.Metrics) is { Difference: > 0, PHolm: < Significance };

    private static double RatioOf(ArmReport arm) =>
        Math.Exp(EvaluationCharts.Of(arm.Metrics, EvaluationMetric.Surprise.Name)?.Difference ?? 0);

    private static string Described(EvaluationReport report, string group, ControlReport pair) =>
        pair.Control == group && report.Arms.FirstOrDefault(arm => arm.Name == group) is { } arm
            ? $"{group} ({arm.Description})"
            : $"{group}, each its own ({pair.Control}: "
                + $"{report.Arms.FirstOrDefault(arm => arm.Name == pair.Control)?.Description ?? "not described"})";

    private static ReportFinding Compared(
        string question, IEnumerable<(string Name, MetricReport? Metric, bool IsMore)> rows)
    {
        (string Name, MetricReport? Metric, bool IsMore)[] all = [.. rows];
        string[] more = [.. all.Where(row => row.IsMore).Select(Words)];
        string[] other = [.. all.Where(row => !row.IsMore).Select(Words)];
        string answer = other.Length == 0 ? $"All {all.Length}: {string.Join(", ", more)}."
            : more.Length == 0 ? $"Not shown for any of {all.Length}: {string.Join(", ", other)}."
            : $"{more.Length} of {all.Length}: {string.Join(", ", more)}. Not shown: {string.Join(", ", other)}.";
        return new ReportFinding(
            question, answer,
            other.Length == 0 ? FindingTone.Yes : more.Length == 0 ? FindingTone.No : FindingTone.Partly);

        static string Words((string Name, MetricReport? Metric, bool IsMore) row) => row.Metric is null
            ? row.Name
            : $"{row.Name} {ReportTable.Difference(row.Metric)}";
    }

    private static void Cost(EvaluationReport report, ArmReport[] steered, List<ReportFinding> findings)
    {
        string budget = string.Create(
            CultureInfo.InvariantCulture, $"within {report.PerplexityBudget} times the perplexity");
        ArmReport? best = steered.Where(arm => Turns(arm) && RatioOf(arm) <= report.PerplexityBudget)
            .MaxBy(arm => SimilarityOf(arm.Metrics)!.Difference);
        if (best is null)
        {
            findings.Add(new ReportFinding(
                "At what cost?", $"No steered arm is shown to turn text to the topic {budget}.", FindingTone.No));
            return;
        }

        findings.Add(new ReportFinding(
            "At what cost?",
            $"The strongest {budget} is {best.Name}: {ReportTable.Difference(SimilarityOf(best.Metrics)!)} at "
            + $"{EvaluationCharts.Times(RatioOf(best))}; up on {best.TopicsUp} of {best.Topics.Count} topics, each by "
            + "its own interval.",
            FindingTone.Note));
        ArmReport[] better =
        [
            .. report.Arms.Where(arm => arm != best && RatioOf(arm) <= report.PerplexityBudget
                && SimilarityOf(arm.Metrics)?.Difference > SimilarityOf(best.Metrics)!.Difference),
        ];
        findings.Add(new ReportFinding(
            "Is that the best within this budget?",
            better.Length == 0 ? "Yes: no other arm gains more."
                : "No, more is gained by " + string.Join("; ", better.Select(arm =>
                    $"{arm.Name}, {arm.Description}: {ReportTable.Difference(SimilarityOf(arm.Metrics)!)} at "
                    + EvaluationCharts.Times(RatioOf(arm)))) + ".",
            better.Length == 0 ? FindingTone.Yes : FindingTone.No));
    }
}
