namespace LayerSteer.Text;

/// <summary>What becomes of the matches of a pattern that splits a text.</summary>
internal enum SplitBehavior
{
    /// <summary>Each match is a piece, and so is what lies between.</summary>
    Isolated,

    /// <summary>Matches are dropped.</summary>
    Removed,

    /// <summary>A match belongs to what stands before it.</summary>
    MergedWithPrevious,

    /// <summary>A match belongs to what follows it.</summary>
    MergedWithNext,

    /// <summary>Matches that touch are one piece.</summary>
    Contiguous,
}

/// <summary>
/// Splits at the matches of a pattern; with <paramref name="Invert"/> what lies between counts as the matches.
/// </summary>
internal sealed record SplitPreTokenizer(TextPattern Pattern, SplitBehavior Behavior, bool Invert) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceAction next)
    {
        var pieces = new Pieces(text, Behavior, atStart, next);
        var scan = Pattern.Scan(text, stackalloc int[TextPattern.StackInts]);
        int at = 0;
        while (scan.Next(out int start, out int end))
        {
            pieces.Add(at, start, isMatch: Invert);
            pieces.Add(start, end, isMatch: !Invert);
            at = end;
        }
        pieces.Add(at, text.Length, isMatch: Invert);
        pieces.Finish();
    }

    // Holds one piece back, because what comes next may belong to it.
    private ref struct Pieces(ReadOnlySpan<char> text, SplitBehavior behavior, bool atStart, PieceAction next)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _start;
        private int _end;
        private bool _lastIsMatch;

        public void Add(int start, int end, bool isMatch)
        {
            if (start == end)
            {
                return;
            }
            bool joins = _end > _start && behavior switch
            {
                SplitBehavior.MergedWithPrevious => isMatch && !_lastIsMatch,
                SplitBehavior.MergedWithNext => !isMatch && _lastIsMatch,
                SplitBehavior.Contiguous => isMatch == _lastIsMatch,
                _ => false,
            };
            if (!joins)
            {
                Finish();
                _start = start;
            }
            _end = behavior == SplitBehavior.Removed && isMatch ? _start : end;
            _lastIsMatch = isMatch;
        }

        public readonly void Finish()
        {
            if (_end > _start)
            {
                next(_text[_start.._end], atStart && _start == 0);
            }
        }
    }
}
