using System.Xml.Linq;
using LayerSteer.Evaluation;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class ChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Every_chart_of_a_report_is_a_file_that_stands_alone()
    {
        IReadOnlyList<(string Name, Chart Chart)> charts = EvaluationCharts.All(SampleReport.Create());
        Assert.Equal(charts.Count, charts.Select(chart => chart.Name).Distinct().Count());
        Assert.Contains("effect-cost", charts.Select(chart => chart.Name));
        Assert.Contains("difference-of-20-a-20-later-20-day", charts.Select(chart => chart.Name));
        Assert.All(charts, chart => PageChecks.Svg(chart.Chart.ToSvg()));
        Assert.All(
            charts.Zip(EvaluationCharts.All(SampleReport.Create())),
            pair => Assert.Equal(pair.First.Chart.ToSvg(), pair.Second.Chart.ToSvg()));
    }

    [Fact]
    public void Charts_are_written_under_their_names()
    {
        using var folder = new TempFolder();
        IReadOnlyList<string> names = EvaluationCharts.Write(SampleReport.Create(), folder.File("charts"));
        Assert.Equal(
            names.Order(StringComparer.Ordinal),
            Directory.EnumerateFiles(folder.File("charts")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(
            EvaluationCharts.EffectAndCost(SampleReport.Create()).ToSvg(),
            File.ReadAllText(Path.Combine(folder.File("charts"), "effect-cost.svg")));
    }

    [Fact]
    public void Charts_without_data_say_so()
    {
        Chart[] charts =
        [
            new LineChart("lines", "", []), new ScatterChart("points", "", []), new IntervalChart("rows", "", []),
            new GridChart("cells", "", []), new CalibrationChart("forecasts", "none", []), new BarChart("bars", "", []),
        ];
        Assert.All(charts, chart => Assert.Contains("no data", chart.ToSvg(), StringComparison.Ordinal));
    }

    [Fact]
    public void Intervals_come_largest_first_and_lie_where_the_axis_says()
    {
        var chart = new IntervalChart(
            "differences", "of arms",
            [new("small", 0.1, 0.0, 0.2), new("large", 0.4, 0.3, 0.5, IsShown: true), new("less", -0.2, -0.3, -0.1)]);
        Assert.Equal(["large", "small", "less"], chart.Rows);
        XElement svg = PageChecks.Svg(chart.ToSvg());
        double[] at =
        [
            .. svg.Descendants(Svg + "circle").Select(circle => (double)circle.Attribute("cx")!),
        ];
        Assert.Equal(3, at.Length);
        Assert.Equal((at[0] - at[1]) / 0.3, (at[1] - at[2]) / 0.3, 0.2);
        string[] looks = [.. svg.Descendants(Svg + "circle").Select(circle => circle.Attribute("class")!.Value)];
        Assert.StartsWith("f", looks[0], StringComparison.Ordinal);
        Assert.All(looks[1..], look => Assert.StartsWith("hollow", look, StringComparison.Ordinal));
    }

    [Fact]
    public void A_point_too_dear_for_the_axis_stands_at_its_end_with_its_cost()
    {
        var chart = new ScatterChart(
            "effect", "and cost", [new("cheap", 1.1, 0.1), new("dear", 900, 0.4), new("beaten", 2, 0.05)])
        {
            Limit = 6,
        };
        Assert.Equal(["cheap", "dear"], chart.Front);
        string svg = chart.ToSvg();
        PageChecks.Svg(svg);
        Assert.Contains("dear → ×900.0", svg, StringComparison.Ordinal);
        Assert.DoesNotContain("cheap →", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void Calibration_counts_what_its_intervals_hold()
    {
        var chart = new CalibrationChart(
            "forecast and realised", "points",
            [
                new("a", 0.1, 0.0, 0.2, 0.15), new("b", 0.2, 0.1, 0.3, 0.4), new("c", 0.3, 0.2, 0.4, 0.2),
                new("d", 0.4, -0.3, 0.5, 0.5, Abstained: true),
            ]);
        Assert.Equal(0.75, chart.Coverage);
        string svg = chart.ToSvg();
        PageChecks.Svg(svg);
        Assert.Contains("3 of 4 within their intervals (75.0 %)", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_end_in_their_names_each_at_a_height_of_its_own()
    {
        var chart = new LineChart(
            "by strength", "of methods",
            Enumerable.Range(0, 11).Select(i => new ChartLine($"line {i}", [(0.5, 0.1), (4, 0.1 + (i * 1e-4))], 4)))
        {
            LogarithmicX = true,
            Levels = [new ChartLevel(0, "no effect")],
        };
        XElement svg = PageChecks.Svg(chart.ToSvg());
        double[] heights =
        [
            .. svg.Descendants(Svg + "text").Where(text => text.Value.StartsWith("line ", StringComparison.Ordinal))
                .Select(text => (double)text.Attribute("y")!).Order(),
        ];
        Assert.Equal(11, heights.Length);
        Assert.All(heights.Zip(heights.Skip(1)), pair => Assert.True(pair.Second - pair.First > 12));
    }
}
