using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

/// <summary>What every page must be, whatever texts are in it.</summary>
internal static partial class PageChecks
{
    /// <summary>
    /// The body of a page, which is well-formed XML: no text of it has become markup. Nothing in the page leads
    /// elsewhere or runs.
    /// </summary>
    public static XElement Body(string page)
    {
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        RequireAlone(page);
        int start = page.IndexOf("<body>", StringComparison.Ordinal);
        XElement body = XElement.Parse(page[start..page.IndexOf("</html>", StringComparison.Ordinal)]);
        string[] ids = [.. body.DescendantsAndSelf().Attributes("id").Select(id => id.Value)];
        Assert.Equal(ids.Distinct(), ids);
        string[] references =
        [
            .. body.Descendants().Attributes("aria-describedby").Select(id => id.Value),
            .. body.Descendants().Attributes("aria-labelledby").SelectMany(id => id.Value.Split(' ')),
            .. body.Descendants("a").Attributes("href").Select(link => link.Value.TrimStart('#')),
        ];
        Assert.NotEmpty(references);
        Assert.Empty(references.Except(ids));
        return body;
    }

    /// <summary>A chart's file: well-formed, named, described, alone.</summary>
    public static XElement Svg(string text)
    {
        RequireAlone(text);
        XElement svg = XElement.Parse(text);
        XNamespace name = "http://www.w3.org/2000/svg";
        Assert.Equal(name + "svg", svg.Name);
        Assert.NotEmpty(svg.Element(name + "title")!.Value);
        Assert.NotEmpty(svg.Element(name + "desc")!.Value);
        Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
        Assert.DoesNotContain("∞", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Infinity", text, StringComparison.Ordinal);
        return svg;
    }

    private static void RequireAlone(string text)
    {
        Assert.DoesNotMatch(Elsewhere(), text);
        Assert.DoesNotMatch(Active(), text);
        Assert.DoesNotContain(
            text, c => (char.IsControl(c) && c is not ('\n' or '\t')) || c is '\u202e' || char.IsSurrogate(c));
    }

    [GeneratedRegex(
        """(src|href|xlink:href)\s*=\s*["'](?!#|data:)|@import|url\s*\(|@font-face""", RegexOptions.IgnoreCase)]
    private static partial Regex Elsewhere();

    /// <summary>A script, or an attribute within a tag that runs one.</summary>
    [GeneratedRegex("""<script|<iframe|<object|<[a-z][^<>]*\son[a-z]+\s*=|javascript:""", RegexOptions.IgnoreCase)]
    private static partial Regex Active();
}
