using System.Buffers;
using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// BERT's normaliser, in this order: drop control characters and make white space spaces; put spaces around CJK
/// ideographs; decompose (NFD) and drop non-spacing marks; lower case. The text stays decomposed. Follows the Hugging
/// Face fast tokenizer where it differs from the slow one: unassigned code points stay, lower case is by code point (no
/// final sigma), the last CJK extension begins at U+2B920. General categories are those of this .NET version.
/// </summary>
/// <param name="CleanText">Drop U+0000, U+FFFD and the categories Cc, Cf and Co; white space becomes a space.</param>
/// <param name="SpaceCjk">Put spaces around CJK ideographs.</param>
/// <param name="StripAccents">Decompose and drop category Mn.</param>
/// <param name="Lowercase">Lower case.</param>
internal sealed record BertNormalizer(bool CleanText, bool SpaceCjk, bool StripAccents, bool Lowercase) : Normalizer
{
    /// <summary>The normalised text; a lone surrogate counts as U+FFFD.</summary>
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        var output = new ArrayBufferWriter<char>(text.Length + 16);
        var marks = new List<int>();
        Span<int> parts = stackalloc int[4];
        while (!text.IsEmpty)
        {
            char c = text[0];
            if (c is >= ' ' and < (char)0x7F)
            {
                Flush(marks, output);
                Append(Lowercase ? char.ToLowerInvariant(c) : c, output);
                text = text[1..];
                continue;
            }
            Rune.DecodeFromUtf16(text, out Rune rune, out int used);
            text = text[used..];
            if (CleanText && IsDropped(rune))
            {
                continue;
            }
            int codePoint = CleanText && Rune.IsWhiteSpace(rune) ? ' ' : rune.Value;
            bool spaced = SpaceCjk && IsCjk(codePoint);
            if (spaced)
            {
                Flush(marks, output);
                Append(' ', output);
            }
            if (StripAccents)
            {
                foreach (int part in parts[..UnicodeMapping.Decompose(codePoint, parts)])
                {
                    AppendUnlessNonSpacing(part, marks, output);
                }
            }
            else
            {
                AppendLowered(codePoint, output);
            }
            if (spaced)
            {
                Append(' ', output);
            }
        }
        Flush(marks, output);
        return output.WrittenSpan;
    }

    // Canonical order: marks up to the next starter are sorted by combining class. Those of category Mn are dropped
    // anyway, so only the few other marks (such as U+302E) wait in the list; a Mn starter still ends the sequence.
    private void AppendUnlessNonSpacing(int codePoint, List<int> marks, ArrayBufferWriter<char> output)
    {
        bool starter = UnicodeMapping.CombiningClass(codePoint) == 0;
        if (starter)
        {
            Flush(marks, output);
        }
        if (codePoint >= 0x300 && Rune.GetUnicodeCategory(new Rune(codePoint)) == UnicodeCategory.NonSpacingMark)
        {
            return;
        }
        if (starter)
        {
            AppendLowered(codePoint, output);
        }
        else
        {
            marks.Add(codePoint);
        }
    }

    private void Flush(List<int> marks, ArrayBufferWriter<char> output)
    {
        if (marks.Count == 0)
        {
            return;
        }
        foreach (int mark in marks.OrderBy(UnicodeMapping.CombiningClass))
        {
            AppendLowered(mark, output);
        }
        marks.Clear();
    }

    private void AppendLowered(int codePoint, ArrayBufferWriter<char> output)
    {
        if (!Lowercase)
        {
            Append(codePoint, output);
            return;
        }
        Span<int> lower = stackalloc int[2];
        foreach (int part in lower[..UnicodeMapping.ToLower(codePoint, lower)])
        {
            Append(part, output);
        }
    }

    private static bool IsDropped(Rune rune)
    {
        if (rune.Value is '\t' or '\n' or '\r')
        {
            return false;
        }
        return rune.Value is 0 or 0xFFFD || Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
    }

    private static bool IsCjk(int codePoint) => codePoint
        is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
        or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
