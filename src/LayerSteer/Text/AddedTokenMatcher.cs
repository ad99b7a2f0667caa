using System.Buffers;
using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>Finds added tokens in a text: leftmost first, the longest where several begin at the same place.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<char, (string Pattern, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">Each token with the text to look for (its content, or that normalised); empty ones never
    /// match.</param>
    public AddedTokenMatcher(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        _byFirst = tokens.Where(t => t.Pattern.Length > 0).GroupBy(t => t.Pattern[0])
            .ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Pattern.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>
    /// The next token at or after <paramref name="from"/>; its stretch includes the white space that it takes along.
    /// </summary>
    public bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end, out int id)
    {
        for (int at = from; at < text.Length;)
        {
            int offset = text[at..].IndexOfAny(_firsts);
            if (offset < 0)
            {
                break;
            }
            at += offset;
            if (MatchAt(text, at) is not var (pattern, token))
            {
                at++;
                continue;
            }
            start = at;
            end = at + pattern.Length;
            at = end;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
            {
                continue;
            }
            while (token.StripLeft && start > from && char.IsWhiteSpace(text[start - 1]))
            {
                start--;
            }
            while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
            {
                end++;
            }
            id = token.Id;
            return true;
        }
        start = end = id = 0;
        return false;
    }

    private (string Pattern, AddedToken Token)? MatchAt(ReadOnlySpan<char> text, int at)
    {
        foreach ((string pattern, AddedToken token) in _byFirst[text[at]])
        {
            if (text[at..].StartsWith(pattern, StringComparison.Ordinal))
            {
                return (pattern, token);
            }
        }
        return null;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    // \w: letters, marks, decimal digits and connectors; the two joiners, U+200C and U+200D, count too.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber
            or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation => true,
        _ => rune.Value is 0x200C or 0x200D,
    };
}
