using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>
/// A comparison as one page of HTML: the texts side by side, and each token as dark as its distribution was moved, with
/// the latents that were moved where it was drawn. Needs nothing but itself.
/// </summary>
public static class ComparisonPage
{
    /// <summary>A shift of so many nats has the full colour.</summary>
    private const double FullShift = 2;

    private const int MostMoved = 5;

    private const string ShiftTerm =
        "KL(p_arm ‖ p_unsteered) of the distribution that the token was drawn from, in nats, given the same tokens "
        + "before it: 0 is untouched";

    /// <summary>Writes a comparison as a page, whole or not at all.</summary>
    /// <param name="comparison">The comparison.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    public static void Write(Comparison comparison, string path) =>
        AtomicFile.WriteText(path, writer => writer.Write(Text(comparison)));

    /// <summary>The page.</summary>
    public static string Text(Comparison comparison)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        var page = new PageWriter();
        Texts(page, comparison);
        HeatMap(page, comparison);
        page.Section("latents", "The latents that were moved");
        MovedLatents(page, comparison);
        page.Section("made", "What it was made with");
        page.Table(
            "What it was made with", ["what", "value"],
            comparison.Run.Select(setting => (string[])
                [MarkupText.Escape(setting.Key.Replace('_', ' ')), MarkupText.Escape(setting.Value)]),
            "code");
        page.Section("definitions", "What the figures are");
        page.Definitions([]);
        string topic = comparison.Topic.Length > 0 ? $", steered toward {comparison.Topic}" : "";
        return page.Document(
            "One prompt, several arms",
            $"“{comparison.Prompt}”{topic}: {comparison.Arms.Count} arms with the same draws.");
    }

    private static void Texts(PageWriter page, Comparison comparison)
    {
        page.Section("texts", "Texts side by side");
        page.Paragraph(
            "Marked and underlined: words that the unsteered text does not have in that order.", "soft");
        page.Line("<div class=\"cards\">");
        foreach (ComparedArm arm in comparison.Arms)
        {
            page.Line($"<article class=\"card\"><h4>{MarkupText.Escape(arm.Name)}</h4>");
            page.Line($"<p class=\"figures\">{MarkupText.Escape(arm.Description)}</p>");
            page.Line($"<p class=\"figures\">{Figures(page, arm)}</p>");
            string text = arm == comparison.Arms[0]
                ? MarkupText.Escape(arm.Text)
                : PageWriter.Marked(arm.Text, comparison.Arms[0].Text);
            page.Line("<p class=\"text\" dir=\"auto\">"
                + $"<span class=\"soft\">{MarkupText.Escape(comparison.Prompt)}</span>{text}</p></article>");
        }

        page.Line("</div>");
        foreach ((string arm, string reason) in comparison.NotRun)
        {
            page.Paragraph($"{arm}: not run, {reason}.", "soft");
        }
    }

    private static string Figures(PageWriter page, ComparedArm arm) =>
        $"{page.Term("mean shift", "mean-shift", $"the mean over the text's tokens of {ShiftTerm}")} "
        + $"{(arm.Divergence is { } shift ? ReportTable.Number(Math.Max(0, shift)) : "–")} nats · "
        + $"{page.Term("perplexity", "perplexity", "exp of −mean log probability of the text's tokens under the "
            + "unsteered model, given the bare prompt")} "
        + $"{(arm.Perplexity is { } perplexity ? ReportTable.Number(perplexity) : "–")}";

    private static void HeatMap(PageWriter page, Comparison comparison)
    {
        page.Section("shifts", "How far each token's distribution was moved");
        page.Line($"<p class=\"soft\">{page.Term("Shift", "shift", ShiftTerm)}: "
            + $"<span class=\"heat\"></span> 0 <span class=\"heat\" style=\"{Heat(FullShift / 4)}\"></span> "
            + $"{ReportTable.Number(FullShift / 4)} <span class=\"heat\" style=\"{Heat(FullShift)}\"></span> "
            + $"{ReportTable.Number(FullShift)} nats or more. Each token tells more under the pointer, or when the "
            + "keyboard is on it.</p>");
        foreach (ComparedArm arm in comparison.Arms.Skip(1))
        {
            page.Heading(arm.Name);
            page.Line($"<p class=\"text\" style=\"white-space:pre-wrap\" dir=\"auto\">"
                + $"<span class=\"soft\">{MarkupText.Escape(comparison.Prompt)}</span>"
                + $"{string.Concat(arm.Tokens.Select(Token))}</p>");
            if (arm.Tokens.Any(token => token.Divergence > 0))
            {
                IEnumerable<string> most = arm.Tokens.OrderByDescending(token => token.Divergence).Take(MostMoved)
                    .Select(token => $"“{Shown(token.Text)}” {ReportTable.Number(token.Divergence)} nats "
                        + $"({Percent(token.Probability)} here, {Percent(token.Unsteered)} unsteered)");
                page.Paragraph($"Moved most: {string.Join(", ", most)}.", "soft");
            }
        }
    }

    private static string Token(ComparedToken token)
    {
        string tip = $"“{Shown(token.Text)}”: shift {ReportTable.Number(Math.Max(0, token.Divergence))} nats\n"
            + $"probability {Percent(token.Probability)} here, {Percent(token.Unsteered)} unsteered";
        foreach (ComparedLatent latent in token.Latents)
        {
            tip += string.Create(
                CultureInfo.InvariantCulture,
                $"\nlatent {latent.Latent} {ReportTable.Signed(latent.Moved)}");
            tip += latent.Writes.Count == 0 ? "" : $": {string.Join(", ", latent.Writes.Select(Shown))}";
        }

        return $"<span class=\"tok\" tabindex=\"0\" style=\"{Heat(token.Divergence)}\" "
            + $"data-tip=\"{MarkupText.Escape(tip)}\">{MarkupText.Escape(token.Text)}</span>";
    }

    /// <summary>The colour of a shift; its square root, so that small shifts are told from none.</summary>
    private static string Heat(double shift) => string.Create(
        CultureInfo.InvariantCulture,
        $"background:color-mix(in srgb,var(--hot) {Math.Sqrt(Math.Clamp(shift / FullShift, 0, 1)) * 100:0}%,"
        + $"transparent)");

    private static string Percent(double probability) => string.Create(
        CultureInfo.InvariantCulture, $"{probability * 100:0.##} %");

    private static string Shown(string token)
    {
        string line = token.ReplaceLineEndings("⏎");
        return string.IsNullOrWhiteSpace(line) ? line.Replace(' ', '␣') : line.Trim();
    }

    /// <summary>For each arm that moved latents, the means over its text's positions, as bars.</summary>
    private static void MovedLatents(PageWriter page, Comparison comparison)
    {
        const int Shown = 8;
        bool any = false;
        foreach (ComparedArm arm in comparison.Arms)
        {
            ChartBar[] bars =
            [
                .. arm.Tokens.SelectMany(token => token.Latents).GroupBy(latent => (latent.HookPoint, latent.Latent))
                    .Select(group => (group.First().Latent, Mean: group.Sum(move => move.Moved) / arm.Tokens.Count,
                        group.First().Writes))
                    .OrderByDescending(latent => Math.Abs(latent.Mean)).ThenBy(latent => latent.Latent).Take(Shown)
                    .Select(latent => new ChartBar(
                        string.Create(CultureInfo.InvariantCulture, $"{latent.Latent}"), latent.Mean,
                        string.Join(" · ", latent.Writes.Select(ComparisonPage.Shown)))),
            ];
            if (bars.Length > 0)
            {
                any = true;
                page.Chart(new BarChart(
                    $"{arm.Name}: latents moved most",
                    "The latents that were among the most moved at some token, and by how much over the text's tokens; "
                    + "beside each the tokens that it writes.",
                    bars)
                {
                    XName = "z' − z, mean over the tokens where it was among the most moved, 0 elsewhere",
                });
            }
        }

        if (!any)
        {
            page.Paragraph("No arm moved a latent.");
        }
    }
}
