using System.Globalization;
using System.Text;

namespace LayerSteer.Evaluation;

/// <summary>
/// Text that anyone may have written, a model included, made fit for HTML and SVG: it can neither begin a tag nor leave
/// an attribute, nor turn the direction of what stands around it.
/// </summary>
internal static class MarkupText
{
    /// <summary>
    /// The text for an element or an attribute in double or single quotes. Line ends become \n; control characters,
    /// which XML does not allow, those that set the direction of text, and halves of surrogate pairs become U+FFFD.
    /// </summary>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (Rune rune in text.ReplaceLineEndings("\n").EnumerateRunes())
        {
            escaped.Append(rune.Value switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                '\n' or '\t' => rune.ToString(),
                _ when Rune.IsControl(rune) || IsFormat(rune) || rune.Value is 0xFFFE or 0xFFFF => "\uFFFD",
                _ => rune.ToString(),
            });
        }

        return escaped.ToString();
    }

    /// <summary>A name that can be an id or a file: letters, digits and underscores, the rest in hexadecimal.</summary>
    public static string Id(string text) => string.Concat(text.EnumerateRunes().Select(rune =>
        rune.IsAscii && (char.IsAsciiLetterOrDigit((char)rune.Value) || rune.Value == '_')
            ? rune.ToString()
            : string.Create(CultureInfo.InvariantCulture, $"-{rune.Value:x}-")));

    /// <summary>Joiners make emoji and scripts; the rest of the format characters are for layout.</summary>
    private static bool IsFormat(Rune rune) =>
        Rune.GetUnicodeCategory(rune) == UnicodeCategory.Format && rune.Value is not (0x200C or 0x200D or 0xAD);
}
