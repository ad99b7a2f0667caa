namespace LayerSteer.Text;

/// <summary>A part of a regular expression.</summary>
/// <param name="MinLength">Code points that it matches at least.</param>
internal abstract record TextPatternNode(int MinLength)
{
    // Enough to tell something from nothing without overflow.
    private const int Longest = 10_000;

    internal sealed record One(RuneSet Set) : TextPatternNode(1);

    internal sealed record Sequence(List<TextPatternNode> Parts)
        : TextPatternNode(Math.Min(Longest, Parts.Sum(p => p.MinLength)));

    internal sealed record Choice(List<TextPatternNode> Ways) : TextPatternNode(Ways.Min(w => w.MinLength));

    internal sealed record Repeat(TextPatternNode Body, int Least, int Most, bool Atomic)
        : TextPatternNode((int)Math.Min(Longest, (long)Body.MinLength * Least));

    internal sealed record Look(TextPatternNode Body, bool Negative) : TextPatternNode(0);
}
