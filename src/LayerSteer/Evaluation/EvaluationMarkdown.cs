using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>A report as Markdown, for documents.</summary>
public static class EvaluationMarkdown
{
    /// <summary>The name of its file in a run's folder.</summary>
    public const string FileName = "evaluation.md";

    private const int ExampleLength = 240;

    /// <summary>Writes a report as Markdown, whole or not at all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    public static void Write(EvaluationReport report, string path)
    {
        ArgumentNullException.ThrowIfNull(report);
        AtomicFile.WriteText(path, writer =>
        {
            Summary(report, writer);
            Table(writer, ReportTable.Arms(report));
            Table(writer, ReportTable.Controls(report));
            Table(writer, ReportTable.SideEffects(report));
            Table(writer, ReportTable.Verdicts(report));
            foreach (EvaluationMetric metric in EvaluationMetric.All.Where(
                metric => metric.Name is "similarity" or "probability" or "nll"))
            {
                Table(writer, ReportTable.ByTopic(report, metric));
            }

            Table(writer, ReportTable.Strengths(report));
            Examples(report, writer);
            Table(writer, new ReportTable(
                "What the figures are",
                ["name", "in tables", "what it is"],
                [
                    .. report.Metrics.Select(
                        metric => (string[])[metric.Name, metric.Title, metric.Description]),
                ]));
        });
    }

    private static void Summary(EvaluationReport report, StreamWriter writer)
    {
        writer.WriteLine("# Evaluation of steering");
        writer.WriteLine();
        writer.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Topics.Count} topics, {report.Prompts.Count} prompts, {report.Draws} continuations of each; "
            + $"strengths chosen on {report.DevPrompts.Count} other prompts for the highest topic similarity within "
            + $"{report.PerplexityBudget} times the unsteered perplexity. Intervals: {report.Confidence * 100:F0} %, "
            + $"paired bootstrap over prompts, {report.Resamples} draws; p-values of signs, corrected after Holm for "
            + $"{report.Arms.Count - 1} arms."));
        writer.WriteLine();
        writer.WriteLine(report.Judge.InWords);
        writer.WriteLine();
        foreach (ArmReport arm in report.Arms)
        {
            writer.WriteLine($"- **{arm.Name}**: {arm.Description}. {Capital(arm.Verdict)}.");
        }

        foreach ((string arm, string reason) in report.NotRun)
        {
            string partly = report.Arms.Any(run => run.Name == arm) ? " for all topics" : string.Empty;
            writer.WriteLine($"- **{arm}**: not run{partly}, {reason}.");
        }

        writer.WriteLine();
        Table(writer, new ReportTable(
            "What it was made with",
            ["what", "value"],
            [.. report.Run.Select(setting => (string[])[setting.Key.Replace('_', ' '), setting.Value])]));
    }

    private static void Examples(EvaluationReport report, StreamWriter writer)
    {
        foreach (IGrouping<string, EvaluationLine> topic in report.Examples.GroupBy(line => line.Topic))
        {
            Table(writer, new ReportTable(
                $"Example of {topic.Key}: the first continuation of the first prompt",
                ["arm", topic.First().Prompt],
                [
                    .. topic.Select(line => (string[])[line.Arm, Shortened(line.Text.ReplaceLineEndings(" "))]),
                ]));
        }
    }

    internal static void Table(StreamWriter writer, ReportTable table)
    {
        if (table.Rows.Count == 0)
        {
            return;
        }

        writer.WriteLine($"## {Capital(table.Title)}");
        writer.WriteLine();
        writer.WriteLine($"| {string.Join(" | ", table.Header.Select(Escaped))} |");
        writer.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", table.Header.Count))}");
        foreach (IReadOnlyList<string> row in table.Rows)
        {
            writer.WriteLine($"| {string.Join(" | ", row.Select(Escaped))} |");
        }

        writer.WriteLine();
        if (table.Note.Length > 0)
        {
            writer.WriteLine(table.Note);
            writer.WriteLine();
        }
    }

    private static string Escaped(string text)
    {
        foreach (char special in "\\|*_<`")
        {
            text = text.Replace($"{special}", $"\\{special}", StringComparison.Ordinal);
        }

        return text;
    }

    private static string Shortened(string text)
    {
        if (text.Length <= ExampleLength)
        {
            return text;
        }

        int end = char.IsHighSurrogate(text[ExampleLength - 1]) ? ExampleLength - 1 : ExampleLength;
        return text[..end] + "…";
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
