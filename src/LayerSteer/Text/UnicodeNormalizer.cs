using System.Buffers;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Unicode's canonical forms NFD and NFC (UAX 15) from <see cref="UnicodeTables"/>, the same on every machine: string's
/// own Normalize does nothing without ICU.
/// </summary>
/// <param name="Compose">NFC rather than NFD.</param>
internal sealed record UnicodeNormalizer(bool Compose) : Normalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        // All below is its own NFC (NFD); this is most text.
        char firstChanged = Compose ? '\u0300' : '\u00C0';
        int changed = text.IndexOfAnyInRange(firstChanged, '\uFFFF');
        if (changed < 0)
        {
            return text;
        }
        int kept = Math.Max(0, changed - 1); // the character before may compose with it
        var output = new ArrayBufferWriter<char>(text.Length + 16);
        output.Write(text[..kept]);
        var segment = new List<int>(); // a starter and the marks after it, decomposed
        Span<int> parts = stackalloc int[4];
        int starter = -1; // composed so far; not written because the next starter may join it
        foreach (Rune rune in text[kept..].EnumerateRunes())
        {
            foreach (int part in parts[..UnicodeMapping.Decompose(rune.Value, parts)])
            {
                if (UnicodeMapping.CombiningClass(part) == 0 && segment.Count > 0)
                {
                    starter = Finish(segment, starter, output);
                }
                segment.Add(part);
            }
        }
        if (segment.Count > 0)
        {
            starter = Finish(segment, starter, output);
        }
        if (starter >= 0)
        {
            Append(starter, output);
        }
        return output.WrittenSpan;
    }

    // Orders a segment's marks and composes it; "pending" is a starter that nothing stands behind yet. Returns what is
    // pending afterwards, or -1.
    private int Finish(List<int> segment, int pending, ArrayBufferWriter<char> output)
    {
        bool headed = UnicodeMapping.CombiningClass(segment[0]) == 0;
        if (headed && Compose)
        {
            int joined = pending >= 0 ? UnicodeMapping.Compose(pending, segment[0]) : -1;
            if (pending >= 0 && joined < 0)
            {
                Append(pending, output);
            }
            pending = joined >= 0 ? joined : segment[0];
            if (segment.Count == 1)
            {
                segment.Clear(); // most text: a starter without marks
                return pending;
            }
        }
        int marks = headed ? 1 : 0;
        List<int> ordered = segment.Count - marks > 1
            ? [.. segment.Take(marks), .. segment.Skip(marks).OrderBy(UnicodeMapping.CombiningClass)]
            : [.. segment];
        segment.Clear();
        if (!Compose)
        {
            ordered.ForEach(c => Append(c, output));
            return -1;
        }
        int written = 0;
        int lastClass = 0;
        var left = new List<int>();
        foreach (int mark in ordered.Skip(marks))
        {
            int combining = UnicodeMapping.CombiningClass(mark);
            bool blocked = written > 0 && lastClass >= combining;
            int joined = pending >= 0 && !blocked ? UnicodeMapping.Compose(pending, mark) : -1;
            if (joined >= 0)
            {
                pending = joined;
                continue;
            }
            left.Add(mark);
            written++;
            lastClass = combining;
        }
        if (left.Count == 0)
        {
            return pending;
        }
        if (pending >= 0)
        {
            Append(pending, output);
        }
        left.ForEach(c => Append(c, output));
        return -1;
    }
}
