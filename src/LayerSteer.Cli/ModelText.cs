using System.Globalization;
using System.Text;

namespace LayerSteer.Cli;

/// <summary>What a model, or a file, wrote, made fit for a terminal: nothing in it can move the cursor or turn text.</summary>
internal static class ModelText
{
    private const char Replacement = '\uFFFD';

    /// <summary>
    /// The text with line ends as \n and tabs as spaces; other control characters, those that set the direction of text,
    /// and half surrogate pairs become U+FFFD.
    /// </summary>
    public static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (Rune rune in text.ReplaceLineEndings("\n").EnumerateRunes())
        {
            clean.Append(rune.Value switch
            {
                '\n' => "\n",
                '\t' => "    ",
                _ when Rune.IsControl(rune) || IsFormat(rune) => Replacement.ToString(),
                _ => rune.ToString(),
            });
        }

        return clean.ToString();
    }

    /// <summary>
    /// A token on one line: its word, with … in front where it goes on with the word before. Bytes that are no character
    /// by themselves are called so.
    /// </summary>
    public static string Token(string text)
    {
        string clean = Clean(text).Replace("\n", "⏎", StringComparison.Ordinal);
        string word = clean.Trim();
        return word.Length > 0 && word.All(c => c == Replacement) ? "(part of a character)"
            : word.Length == 0 ? $"'{clean}'"
            : clean[0] == ' ' || !char.IsLetter(word[0]) ? word
            : "…" + word;
    }

    /// <summary>Joiners make emoji and scripts; the rest of the format characters are for layout.</summary>
    private static bool IsFormat(Rune rune) =>
        Rune.GetUnicodeCategory(rune) == UnicodeCategory.Format && rune.Value is not (0x200C or 0x200D or 0xAD);
}
