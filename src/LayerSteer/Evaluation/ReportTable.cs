using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>A table of a report, as text: for a terminal, Markdown or a page.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Header">The heads of its columns.</param>
/// <param name="Rows">Its rows, each as long as the header.</param>
/// <param name="Note">What a reader must know of it; may be empty.</param>
public sealed record ReportTable(
    string Title, IReadOnlyList<string> Header, IReadOnlyList<IReadOnlyList<string>> Rows, string Note = "")
{
    private static readonly string[] Columns =
        ["similarity", "probability", "hit", "nll", "kl", "distinct_2", "repetition"];

    /// <summary>Arms × metrics, with the differences to the unsteered model.</summary>
    public static ReportTable Arms(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Arms",
            ["arm", .. Columns.Select(name => TitleOf(report, name)), "topics up"],
            [
                .. report.Arms.Select(arm => (string[])
                [
                    arm.Name,
                    .. Columns.Select(name => Cell(MetricOf(arm.Metrics, name))),
                    $"{arm.TopicsUp} of {arm.Topics.Count}",
                ]),
            ],
            "In brackets: the difference to unsteered and its interval; of perplexity the ratio. What an arm that does "
            + "not know the topic gains on one topic it loses on others: its mean similarity is 0 by construction.");
    }

    /// <summary>Steered arms minus their controls.</summary>
    public static ReportTable Controls(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Against controls",
            ["arm − control", .. Columns.Select(name => TitleOf(report, name))],
            [
                .. report.Controls.Select(control => (string[])
                [
                    $"{control.Arm} − {control.Control}",
                    .. Columns.Select(name => Difference(MetricOf(control.Metrics, name))),
                ]),
            ],
            "Differences and their intervals; of perplexity ratios.");
    }

    /// <summary>Arms × topics of one metric, with the strengths.</summary>
    public static ReportTable ByTopic(EvaluationReport report, EvaluationMetric metric)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(metric);
        return new ReportTable(
            $"{TitleOf(report, metric.Name)} by topic",
            ["arm", .. report.Topics],
            [
                .. report.Arms.Select(arm => (string[])
                [
                    arm.Name,
                    .. report.Topics.Select(name => arm.Topics.FirstOrDefault(topic => topic.Topic == name) is { } topic
                        ? Cell(MetricOf(topic.Metrics, metric.Name))
                            + (topic.Strength is { } strength ? Invariant($", at {strength:G4}") : string.Empty)
                        : "not run"),
                ]),
            ]);
    }

    /// <summary>What the uncertainty card says of each topic; no rows where no card was made.</summary>
    public static ReportTable Verdicts(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Topics",
            ["topic", "verdict, and the figures that decided it"],
            [.. report.Verdicts.Select(topic => (string[])[topic.Key, topic.Value])],
            "By the uncertainty card, from the reference index alone.");
    }

    /// <summary>What arms do to language that has nothing to do with the topic; no rows if that was not measured.</summary>
    public static ReportTable SideEffects(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Side effects",
            [
                "arm", "neutral perplexity", "KL", "first choice changed", "change of x", "cos(x, x')", "overlap",
                "off-topic mass", "minimal pairs",
            ],
            [.. report.SideEffects.Select(SideEffectRow)],
            "Of the edits on neutral text of this project's own: perplexity with the edit over that without, KL(unsteered ‖ "
            + "steered) in nats, the share of positions with another most likely token, ‖x' − x‖ / ‖x‖, the overlap of the "
            + "latents active before and after, and the share of what is moved that is not on the topic's best 1 % of latents. "
            + "Minimal pairs: how often the acceptable sentence is the more probable one; chance is 50 %.");
    }

    /// <summary>Every strength of every method, over the topics.</summary>
    public static ReportTable Strengths(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReportTable(
            "Strengths on the dev prompts, mean over topics",
            ["method", "strength", "similarity gain", "P(topic)", "perplexity ratio", "KL", "within budget", "chosen"],
            [
                .. report.Strengths.GroupBy(point => (point.Method, point.Strength)).Select(group => (string[])
                [
                    group.Key.Method,
                    Invariant($"{group.Key.Strength:G4}"),
                    group.Average(point => point.SimilarityGain) is { } gain ? Signed(gain) : "–",
                    group.Average(point => point.Probability) is { } p ? Invariant($"{p:F3}") : "–",
                    Invariant($"{Math.Exp(group.Average(point => Math.Log(point.PerplexityRatio))):F2}"),
                    Invariant($"{group.Average(point => point.Divergence):F3}"),
                    Invariant($"{group.Count(point => point.WithinBudget)} topics"),
                    Invariant($"{group.Count(point => point.Chosen)} topics"),
                ]),
            ]);
    }

    private static string[] SideEffectRow(SideEffect effect)
    {
        string pairs = effect.Acceptability is { } accuracy
            ? Invariant($"{accuracy * 100:F1} % of {effect.Pairs}")
            : "not run";
        return effect.Fidelity is not { } found
            ? [effect.Arm, "–", "–", "–", "–", "–", "–", "–", pairs]
            :
            [
                effect.Arm,
                Invariant($"×{found.PerplexityRatio:F2}"),
                Invariant($"{found.Divergence:F3}"),
                Invariant($"{found.FirstChoiceChanged * 100:F0} %"),
                Invariant($"{found.Change * 100:F0} %"),
                Invariant($"{found.Cosine:F3}"),
                found.Overlap is { } overlap ? Invariant($"{overlap * 100:F0} %") : "–",
                found.OffTopicMass is { } mass ? Invariant($"{mass * 100:F0} %") : "–",
                pairs,
            ];
    }

    private static MetricReport MetricOf(IReadOnlyList<MetricReport> metrics, string name) =>
        metrics.First(metric => metric.Metric == name);

    internal static string TitleOf(EvaluationReport report, string name) => name == EvaluationMetric.Surprise.Name
        ? "perplexity"
        : report.Metrics.First(metric => metric.Name == name).Title;

    /// <summary>A mean, with its difference to unsteered; nats become perplexities and ratios.</summary>
    internal static string Cell(MetricReport metric)
    {
        if (metric.Mean is not { } mean)
        {
            return "–";
        }

        string shown = metric.Metric == EvaluationMetric.Surprise.Name
            ? Invariant($"{Math.Exp(mean):F1}")
            : Invariant($"{mean:0.000;−0.000;0.000}");
        return metric.Difference is null ? shown : $"{shown} ({Difference(metric)})";
    }

    internal static string Difference(MetricReport metric)
    {
        if (metric.Difference is not { } difference)
        {
            return "–";
        }

        bool ratio = metric.Metric == EvaluationMetric.Surprise.Name;
        string interval = metric.Low is null
            ? string.Empty
            : $" [{Shown(metric.Low.Value)}, {Shown(metric.High!.Value)}]";
        return (ratio ? "×" : string.Empty) + Shown(difference) + interval;

        string Shown(double value) => ratio ? Invariant($"{Math.Exp(value):F2}") : Signed(value);
    }

    /// <summary>Three digits with the sign, a minus and no hyphen.</summary>
    internal static string Signed(double value) => Invariant($"{value:+0.000;−0.000;0.000}");

    /// <summary>A figure of any size: three digits after the point for small ones, fewer for large.</summary>
    internal static string Number(double value) => value.ToString(
        Math.Abs(value) switch { < 1 => "0.000;−0.000;0", < 10 => "0.00;−0.00", < 1000 => "0.0;−0.0", _ => "0;−0" },
        CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
