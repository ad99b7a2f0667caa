using System.Buffers;
using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// A step that rewrites text before it is split into pieces (tokenizer.json's normalizer). Its string form goes into
/// <see cref="TextTokenizer.Digest"/>, so it names all that decides what the step does.
/// </summary>
internal abstract record Normalizer
{
    /// <summary>The rewritten text; a lone surrogate counts as U+FFFD.</summary>
    public abstract ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text);

    /// <summary>Writes one code point.</summary>
    protected static void Append(int codePoint, ArrayBufferWriter<char> output) =>
        output.Advance(new Rune(codePoint).EncodeToUtf16(output.GetSpan(2)));
}

/// <summary>One step after the other.</summary>
internal sealed record NormalizerSequence(IReadOnlyList<Normalizer> Steps) : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        foreach (Normalizer step in Steps)
        {
            text = step.Normalize(text);
        }
        return text;
    }

    public override string ToString() => string.Join("; ", Steps);
}

/// <summary>Lower case code point by code point (no final sigma).</summary>
internal sealed record LowercaseNormalizer : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        var output = new ArrayBufferWriter<char>(text.Length + 1);
        Span<int> lower = stackalloc int[2];
        foreach (Rune rune in text.EnumerateRunes())
        {
            foreach (int part in lower[..UnicodeMapping.ToLower(rune.Value, lower)])
            {
                Append(part, output);
            }
        }
        return output.WrittenSpan;
    }
}

/// <summary>Drops category Mn; what was composed stays so.</summary>
internal sealed record StripAccentsNormalizer : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        var output = new ArrayBufferWriter<char>(text.Length + 1);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark)
            {
                Append(rune.Value, output);
            }
        }
        return output.WrittenSpan;
    }
}

/// <summary>Every match of a pattern becomes the content.</summary>
internal sealed record ReplaceNormalizer(TextPattern Pattern, string Content) : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        var scan = Pattern.Scan(text, stackalloc int[TextPattern.StackInts]);
        if (!scan.Next(out int start, out int end))
        {
            return text;
        }
        var output = new ArrayBufferWriter<char>(text.Length + 16);
        int at = 0;
        do
        {
            output.Write(text[at..start]);
            output.Write(Content);
            at = end;
        }
        while (scan.Next(out start, out end));
        output.Write(text[at..]);
        return output.WrittenSpan;
    }

    public override string ToString() => $"Replace {Pattern} by '{Content}'";
}

/// <summary>Puts the content in front of a text that is not empty.</summary>
internal sealed record PrependNormalizer(string Content) : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text) =>
        text.IsEmpty ? text : string.Concat(Content, text);
}

/// <summary>Drops white space at the ends.</summary>
internal sealed record StripNormalizer(bool Left, bool Right) : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        text = Left ? text.TrimStart() : text;
        return Right ? text.TrimEnd() : text;
    }
}
