using System.Xml.Linq;
using LayerSteer.Evaluation;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class EvaluationPageTests
{
    [Fact]
    public void No_text_of_a_report_becomes_markup_and_nothing_leads_elsewhere()
    {
        string page = EvaluationPage.Text(SampleReport.Create());
        XElement body = PageChecks.Body(page);
        Assert.Contains("<script>alert('1')</script>", body.Value, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("@media print", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_report_gives_the_same_page_and_a_report_read_back_too()
    {
        using var folder = new TempFolder();
        EvaluationReport report = SampleReport.Create();
        EvaluationPage.Write(report, folder.File("a.html"));
        report.Write(folder.File("report.json"));
        EvaluationReport read = EvaluationReport.Read(folder.File("report.json"));
        EvaluationPage.Write(read, folder.File("b.html"));
        Assert.Equal(File.ReadAllBytes(folder.File("a.html")), File.ReadAllBytes(folder.File("b.html")));
        EvaluationPage.Write(report, folder.File("b.html"));
        Assert.Equal(File.ReadAllBytes(folder.File("a.html")), File.ReadAllBytes(folder.File("b.html")));
    }

    [Fact]
    public void A_report_without_controls_strengths_and_examples_has_a_page_too()
    {
        EvaluationReport report = SampleReport.Create();
        XElement body = PageChecks.Body(EvaluationPage.Text(report with
        {
            Controls = [],
            Strengths = [],
            Examples = [],
            Latents = [],
            DevPrompts = [],
            NotRun = new Dictionary<string, string>(),
            Arms = [.. report.Arms.Take(2)],
        }));
        Assert.DoesNotContain(body.Descendants("h2"), heading => heading.Attribute("id")!.Value == "controls");
    }

    [Fact]
    public void Every_arm_has_its_figures_and_its_text_and_changed_words_are_marked()
    {
        EvaluationReport report = SampleReport.Create();
        XElement body = PageChecks.Body(EvaluationPage.Text(report));
        string[] rows =
        [
            .. body.Descendants("th").Where(head => (string?)head.Attribute("scope") == "row").Select(head => head.Value),
        ];
        Assert.All(report.Arms.Take(4), arm => Assert.Contains(arm.Name, rows));
        XElement[] cards = [.. body.Descendants("article")];
        Assert.Equal(report.Examples.Count, cards.Length);
        Assert.Empty(cards[0].Descendants("mark"));
        Assert.Equal("ferry", cards[1].Descendants("mark").First().Value);
        Assert.Equal(
            report.Examples[1].Text.Replace('\u0001', '\uFFFD').Replace('\u001b', '\uFFFD').Replace('\u202e', '\uFFFD')
                .Replace('\uD800', '\uFFFD'),
            cards[1].Elements("p").Last().Value);
        XElement[] folded = [.. body.Descendants("details").Where(part => part.Descendants("article").Any())];
        Assert.Equal([true, false], folded.Select(part => part.Attribute("open") is not null));
    }

    [Fact]
    public void A_definition_of_each_figure_is_at_hand_by_pointer_and_keyboard()
    {
        XElement body = PageChecks.Body(EvaluationPage.Text(SampleReport.Create()));
        XElement[] terms = [.. body.Descendants("span").Where(span => (string?)span.Attribute("class") == "term")];
        Assert.Contains(terms, term => term.Value == "a metric of a later day"
            && term.Attribute("data-tip")!.Value == "a metric of a later day: what nobody has thought of yet");
        Assert.All(terms, term => Assert.Equal("0", (string?)term.Attribute("tabindex")));
    }

    [Fact]
    public void Findings_say_what_beats_what_and_what_does_not()
    {
        ReportFinding[] findings = [.. ReportFindings.Of(SampleReport.Create())];
        Assert.Equal(FindingTone.Yes, findings[0].Tone);
        ReportFinding hint = Assert.Single(
            findings, finding => finding.Question.StartsWith("More than hint", StringComparison.Ordinal));
        Assert.Equal(FindingTone.Partly, hint.Tone);
        Assert.StartsWith(
            "1 of 2: twist +0.100 [+0.070, +0.130]. Not shown: <script>", hint.Answer, StringComparison.Ordinal);
        ReportFinding random = Assert.Single(
            findings, finding => finding.Question.StartsWith("More than random, each", StringComparison.Ordinal));
        Assert.Equal("All 1: twist +0.190 [+0.160, +0.220].", random.Answer);
        ReportFinding cost = Assert.Single(findings, finding => finding.Question == "At what cost?");
        Assert.Contains(
            "twist: +0.200 [+0.170, +0.230] at 1.35 times the perplexity", cost.Answer, StringComparison.Ordinal);
        Assert.Contains(findings, finding => finding.Question == "Not run: finetuned");
    }

    [Fact]
    public void What_gains_more_within_the_budget_without_steering_is_said()
    {
        EvaluationReport report = SampleReport.Create();
        ArmReport hint = report.Arms[1];
        ArmReport better = hint with
        {
            Metrics = [hint.Metrics[0] with { Difference = 0.5 }, .. hint.Metrics.Skip(1)],
        };
        ReportFinding finding = Assert.Single(
            ReportFindings.Of(report with { Arms = [report.Arms[0], better, .. report.Arms.Skip(2)] }),
            finding => finding.Question == "Is that the best within this budget?");
        Assert.Equal(FindingTone.No, finding.Tone);
        Assert.StartsWith("No, more is gained by hint", finding.Answer, StringComparison.Ordinal);
    }
}
