using System.Text;

namespace LayerSteer.Evaluation;

/// <summary>
/// A page of HTML that needs nothing but itself: no script, no font, no address. All text goes through
/// <see cref="MarkupText.Escape"/>.
/// </summary>
internal sealed class PageWriter
{
    private readonly StringBuilder _body = new();
    private readonly List<(string Id, string Title)> _sections = [];
    private readonly Dictionary<string, string> _definitions = [];
    private int _charts;

    /// <summary>Adds a section's heading, which the contents at the top lead to.</summary>
    public void Section(string id, string title)
    {
        _sections.Add((id, title));
        Line($"<h2 id=\"{MarkupText.Escape(id)}\">{MarkupText.Escape(title)}</h2>");
    }

    public void Heading(string title) => Line($"<h3>{MarkupText.Escape(title)}</h3>");

    public void Paragraph(string text, string kind = "")
    {
        string style = kind.Length == 0 ? "" : $" class=\"{kind}\"";
        Line($"<p{style}>{MarkupText.Escape(text)}</p>");
    }

    /// <summary>Adds markup whose texts are escaped already.</summary>
    public void Line(string markup) => _body.Append(markup).Append('\n');

    /// <summary>A name with its definition, shown under the pointer and the keyboard, and listed at the end.</summary>
    public string Term(string name, string id, string definition)
    {
        string key = $"def-{MarkupText.Id(id)}";
        _definitions.TryAdd(key, definition);
        return $"<span class=\"term\" tabindex=\"0\" aria-describedby=\"{key}\" "
            + $"data-tip=\"{MarkupText.Escape($"{name}: {definition}")}\">{MarkupText.Escape(name)}</span>";
    }

    public void Chart(Chart chart, bool wide = false)
    {
        Line($"<figure class=\"scroll{(wide ? " wide" : "")}\" style=\"margin-inline:0\" tabindex=\"0\">");
        _body.Append(chart.Inline($"chart{++_charts}"));
        Line("</figure>");
    }

    /// <summary>A part that is folded until it is asked for.</summary>
    public void Details(string summary, bool open, Action content)
    {
        Line($"<details{(open ? " open=\"\"" : "")}><summary>{MarkupText.Escape(summary)}</summary>");
        content();
        Line("</details>");
    }

    /// <summary>A table that scrolls in its own box; heads and cells are markup, the first cell names a row.</summary>
    public void Table(
        string name, IEnumerable<string> heads, IEnumerable<IReadOnlyList<string>> rows, string kind = "n")
    {
        Line($"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{MarkupText.Escape(name)}\"><table>");
        Line($"<thead><tr>{string.Concat(heads.Select(head => $"<th scope=\"col\">{head}</th>"))}</tr></thead><tbody>");
        foreach (IReadOnlyList<string> row in rows)
        {
            Line($"<tr><th scope=\"row\">{row[0]}</th>"
                + $"{string.Concat(row.Skip(1).Select(cell => $"<td class=\"{kind}\">{cell}</td>"))}</tr>");
        }

        Line("</tbody></table></div>");
    }

    /// <summary>A text with the words marked that another text does not have.</summary>
    public static string Marked(string text, string other) => string.Concat(WordDiff.Of(text, other).Select(piece =>
    {
        string words = piece.Text.TrimStart();
        string spaces = piece.Text[..^words.Length];
        return MarkupText.Escape(spaces)
            + (piece.IsChanged ? $"<mark>{MarkupText.Escape(words)}</mark>" : MarkupText.Escape(words));
    }));

    /// <summary>The list of the definitions that <see cref="Term"/> was told, and others.</summary>
    public void Definitions(IEnumerable<(string Name, string Id, string Definition)> terms)
    {
        Line("<dl>");
        var listed = new HashSet<string>();
        foreach ((string name, string id, string definition) in terms)
        {
            string key = $"def-{MarkupText.Id(id)}";
            if (listed.Add(key))
            {
                Line($"<dt>{MarkupText.Escape(name)}</dt><dd id=\"{key}\">{MarkupText.Escape(definition)}</dd>");
            }
        }

        foreach ((string key, string definition) in _definitions.Where(term => !listed.Contains(term.Key)))
        {
            Line($"<dt>{MarkupText.Escape(key[4..])}</dt><dd id=\"{key}\">{MarkupText.Escape(definition)}</dd>");
        }

        Line("</dl>");
    }

    /// <summary>The whole document.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="lead">What stands under the title; text.</param>
    public string Document(string title, string lead)
    {
        var page = new StringBuilder();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
            .Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")
            .Append("<meta http-equiv=\"Content-Security-Policy\" ")
            .Append("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n")
            .Append("<link rel=\"icon\" href=\"data:,\">\n")
            .Append($"<title>{MarkupText.Escape(title)}</title>\n<style>\n{PageStyle.Text}</style>\n</head>\n<body>\n")
            .Append($"<h1>{MarkupText.Escape(title)}</h1>\n<p class=\"lead\">{MarkupText.Escape(lead)}</p>\n<nav>");
        foreach ((string id, string name) in _sections)
        {
            page.Append($"<a href=\"#{MarkupText.Escape(id)}\">{MarkupText.Escape(name)}</a> ");
        }

        return page.Append("</nav>\n").Append(_body).Append("</body>\n</html>\n").ToString();
    }
}
