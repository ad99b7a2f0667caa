using System.Xml.Linq;
using LayerSteer.Evaluation;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class ComparisonPageTests
{
    [Fact]
    public void No_text_of_a_comparison_becomes_markup_and_every_token_tells_its_shift()
    {
        string page = ComparisonPage.Text(Sample(SampleReport.Hostile));
        Assert.Equal(page, ComparisonPage.Text(Sample(SampleReport.Hostile)));
        XElement body = PageChecks.Body(page);
        XElement[] tokens = [.. body.Descendants("span").Where(span => (string?)span.Attribute("class") == "tok")];
        Assert.Equal(3, tokens.Length);
        string tip = tokens[0].Attribute("data-tip")!.Value;
        Assert.Contains("shift 0.700 nats", tip, StringComparison.Ordinal);
        Assert.Contains("probability 40 % here, 2 % unsteered", tip, StringComparison.Ordinal);
        Assert.Contains("latent 17 +3.000: boat", tip, StringComparison.Ordinal);
        Assert.All(tokens, token => Assert.Equal("0", (string?)token.Attribute("tabindex")));
        double[] heat =
        [
            .. tokens.Select(token => double.Parse(
                token.Attribute("style")!.Value.Split("var(--hot) ")[1].Split('%')[0],
                System.Globalization.CultureInfo.InvariantCulture)),
        ];
        Assert.True(heat[0] > heat[1] && heat[1] > 0 && heat[2] == 0, string.Join(' ', heat));
    }

    [Fact]
    public void Words_that_the_unsteered_text_does_not_have_are_marked()
    {
        XElement body = PageChecks.Body(ComparisonPage.Text(Sample("ship")));
        Assert.Equal(["ship"], body.Descendants("mark").Select(mark => mark.Value));
    }

    private static Comparison Sample(string word) => new(
        "I saw " + word,
        "harbour",
        [
            new(
                "unsteered", "the model as it is", " the house",
                [new(" the", 0, 0.5, 0.5, []), new(" house", 0, 0.1, 0.1, [])]),
            new(
                "swap " + word, "swap " + word, " the " + word,
                [
                    new(" the " + word, 0.7, 0.4, 0.02, [new(17, 3, "blocks.1.hook_resid_post", ["boat", word])]),
                    new("\n", 0.1, 0.4, 0.3, []),
                    new(word, 0, 0.4, 0.4, []),
                ]),
        ],
        new Dictionary<string, string> { ["model"] = word },
        new Dictionary<string, string> { ["finetuned"] = word });
}
