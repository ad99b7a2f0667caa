using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// GPT-2's pre-tokenisation, by code point:
/// <code>
/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// </code>
/// Letters and numbers are the Unicode categories L and N of this .NET version, whose Unicode version may be newer than
/// that of another tokenizer: the two can only differ on characters assigned in between. <c>\s</c> is Unicode's
/// White_Space. A lone surrogate counts as U+FFFD.
/// </summary>
internal static class Gpt2Scanner
{
    private enum Class { Other, Letter, Number, Space }

    /// <summary>
    /// Where the piece that begins at <paramref name="start"/> ends; the text goes on at least to there.
    /// </summary>
    public static int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        if (text[start] == '\'' && ContractionLength(text[(start + 1)..]) is > 0 and int length)
        {
            return start + 1 + length;
        }
        Class first = ClassAt(text, start, out int next);
        if (first != Class.Space)
        {
            return RunEnd(text, next, first);
        }
        if (text[start] == ' ' && next < text.Length)
        {
            Class second = ClassAt(text, next, out int afterSecond);
            if (second != Class.Space)
            {
                return RunEnd(text, afterSecond, second);
            }
        }
        int end = RunEnd(text, next, Class.Space);
        // \s+(?!\S): a run before something else leaves its last character to it; every white space is one UTF-16 unit.
        return end < text.Length && end - start > 1 ? end - 1 : end;
    }

    private static int ContractionLength(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty)
        {
            return 0;
        }
        if (rest[0] is 's' or 't' or 'm' or 'd')
        {
            return 1;
        }
        return rest.StartsWith("re") || rest.StartsWith("ve") || rest.StartsWith("ll") ? 2 : 0;
    }

    private static int RunEnd(ReadOnlySpan<char> text, int position, Class wanted)
    {
        while (position < text.Length && ClassAt(text, position, out int next) == wanted)
        {
            position = next;
        }
        return position;
    }

    private static Class ClassAt(ReadOnlySpan<char> text, int position, out int next)
    {
        char c = text[position];
        next = position + 1;
        if (c < 128)
        {
            return char.IsAsciiLetter(c) ? Class.Letter
                : char.IsAsciiDigit(c) ? Class.Number
                : c is ' ' or (>= '\t' and <= '\r') ? Class.Space
                : Class.Other;
        }
        Rune.DecodeFromUtf16(text[position..], out Rune rune, out int used);
        next = position + used;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Class.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber
                or UnicodeCategory.OtherNumber => Class.Number,
            _ => Rune.IsWhiteSpace(rune) ? Class.Space : Class.Other,
        };
    }
}
