using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>
/// A chart as SVG: text alone, without scripts, fonts or anything from elsewhere; the same numbers give the same file
/// to the byte. It has a title and a description for those who do not see it, and nothing in it is told by colour alone.
/// </summary>
public abstract class Chart
{
    /// <summary>Names the chart.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="description">The same for someone who cannot see it, and how to read it.</param>
    protected Chart(string title, string description)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(title);
        ArgumentNullException.ThrowIfNull(description);
        Title = title;
        Description = description;
    }

    /// <summary>What it shows.</summary>
    public string Title { get; }

    /// <summary>The same for someone who cannot see it, and how to read it.</summary>
    public string Description { get; }

    /// <summary>The chart as a file of its own, with its own colours for light and dark.</summary>
    public string ToSvg() => Element(
        "chart",
        " xmlns=\"http://www.w3.org/2000/svg\"",
        $"<style>\n{ChartStyle.Colours(".chart")}{ChartStyle.Charts}\n</style>\n");

    /// <summary>Writes the chart as a file of its own, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    public void Write(string path) => AtomicFile.WriteText(path, writer => writer.Write(ToSvg()));

    /// <summary>The chart within a page that has the rules of <see cref="ChartStyle"/>.</summary>
    /// <param name="id">An id that no other element of the page begins with.</param>
    internal string Inline(string id) => Element(id, "", "");

    /// <summary>Draws everything but the title.</summary>
    private protected abstract SvgDrawing Draw();

    private string Element(string id, string attributes, string style)
    {
        const double Head = 30;
        SvgDrawing drawing = Draw();
        string size = string.Create(
            CultureInfo.InvariantCulture, $"width=\"{drawing.Width:0.##}\" height=\"{drawing.Height + Head:0.##}\"");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"<svg{attributes} class=\"chart\" {size} "
            + $"viewBox=\"0 0 {drawing.Width:0.##} {drawing.Height + Head:0.##}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n"
            + $"<title id=\"{id}-title\">{MarkupText.Escape(Title)}</title>\n"
            + $"<desc id=\"{id}-desc\">{MarkupText.Escape(Description)}</desc>\n"
            + $"{style}<rect class=\"paper\" {size} rx=\"6\"/>\n"
            + $"<text x=\"12\" y=\"21\" class=\"title\">{MarkupText.Escape(Title)}</text>\n"
            + $"<g transform=\"translate(0 {Head})\">\n{drawing}</g>\n</svg>\n");
    }
}
