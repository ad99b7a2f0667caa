namespace LayerSteer.Evaluation;

/// <summary>The part of a report's page with the texts of all arms side by side.</summary>
internal static class EvaluationTexts
{
    public static void Write(PageWriter page, EvaluationReport report)
    {
        if (report.Examples.Count == 0)
        {
            return;
        }

        page.Section("texts", "Texts side by side");
        page.Paragraph(
            "For each topic the first continuation of the first prompt by every arm: the first of the run, not the "
            + "best. Marked and underlined: words that the unsteered text does not have in that order.");
        bool first = true;
        foreach (IGrouping<string, EvaluationLine> topic in report.Examples.GroupBy(line => line.Topic))
        {
            EvaluationLine unsteered = topic.FirstOrDefault(line => line.Arm == report.Arms[0].Name) ?? topic.First();
            page.Details(topic.Key, first, () =>
            {
                page.Paragraph($"Prompt: {unsteered.Prompt}", "soft");
                page.Line("<div class=\"cards\">");
                foreach (EvaluationLine line in topic)
                {
                    Card(page, report, line, unsteered);
                }

                page.Line("</div>");
            });
            first = false;
        }
    }

    private static void Card(PageWriter page, EvaluationReport report, EvaluationLine line, EvaluationLine unsteered)
    {
        string name = line.Strength > 0 ? $"{line.Arm}, strength {ChartAxis.Label(line.Strength)}" : line.Arm;
        page.Line($"<article class=\"card\"><h4>{MarkupText.Escape(name)}</h4>");
        string[] figures =
        [
            .. line.Similarity is { } similarity
                ? [Named(page, report, EvaluationMetric.Similarity.Name, ReportTable.Signed(similarity))]
                : (string[])[],
            .. line.Probability is { } probability
                ? [Named(page, report, "probability", ReportTable.Number(probability))]
                : (string[])[],
            Named(
                page, report, EvaluationMetric.Surprise.Name,
                ReportTable.Number(Math.Exp(line.NegativeLogLikelihood))),
        ];
        page.Line($"<p class=\"figures\">{string.Join(" · ", figures)}</p>");
        string text = line.Text.Length == 0 ? "<span class=\"soft\">(nothing)</span>"
            : line == unsteered ? MarkupText.Escape(line.Text)
            : PageWriter.Marked(line.Text, unsteered.Text);
        page.Line($"<p class=\"text\" dir=\"auto\">{text}</p></article>");
    }

    private static string Named(PageWriter page, EvaluationReport report, string metric, string value) =>
        report.Metrics.FirstOrDefault(description => description.Name == metric) is { } known
            ? $"{EvaluationPage.Term(page, known)} {value}"
            : $"{MarkupText.Escape(metric)} {value}";
}
