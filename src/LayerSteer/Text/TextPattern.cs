using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// A regular expression of a tokenizer's file, matched by code point as Oniguruma does it (which the Hugging Face
/// tokenizer uses), leftmost, alternatives in order. .NET's own matches UTF-16 units, so that letters beyond U+FFFF are
/// none. What a pattern may hold is in <see cref="TextPatternParser"/>. Steps are counted: a pattern that would go back
/// and forth over a text without end is stopped. Immutable and thread-safe.
/// </summary>
/// <remarks>A lone surrogate in the text counts as U+FFFD.</remarks>
internal sealed class TextPattern
{
    /// <summary>Ints of the stack that a caller of <see cref="Scan"/> provides; a deeper one is allocated.</summary>
    public const int StackInts = 96;

    // Patterns in use take about thirty steps a character at most.
    private const long FreeSteps = 100_000;
    private const long StepsPerChar = 500;

    private readonly Step[] _steps;
    private readonly string _text;
    private readonly string _source;

    internal enum Kind
    {
        /// <summary>One code point of the set.</summary>
        One,

        /// <summary>As many of the set as there are, between Min and Max; gives back unless Atomic.</summary>
        Run,

        /// <summary>Goes on; if that fails, goes to Target.</summary>
        Fork,

        /// <summary>Goes to Target.</summary>
        Jump,

        /// <summary>What follows up to its Done must match here, or must not (Atomic); goes to Target.</summary>
        Look,

        /// <summary>The end.</summary>
        Done,
    }

    internal readonly record struct Step(
        Kind Kind, RuneSet? Set = null, int Target = 0, int Min = 0, int Max = 0, bool Atomic = false);

    internal TextPattern(Step[] steps, string text, string source)
    {
        _steps = steps;
        _text = text;
        _source = source;
    }

    /// <summary>A pattern that is a text, not an expression; the text is not empty.</summary>
    public static TextPattern Literal(string text, string source)
    {
        Step[] steps =
        [
            .. text.EnumerateRunes().Select(rune => new Step(Kind.One, TextPatternParser.SetOf(rune.Value))),
            new Step(Kind.Done),
        ];
        return new TextPattern(steps, text, source);
    }

    /// <summary>For digests: the expression.</summary>
    public override string ToString() => $"'{_text}'";

    /// <summary>Goes through the matches of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="stack">Working memory, <see cref="StackInts"/> ints.</param>
    public Matches Scan(ReadOnlySpan<char> text, Span<int> stack) => new(this, text, stack);

    /// <summary>The matches of one text, one after the other.</summary>
    internal ref struct Matches
    {
        private readonly TextPattern _pattern;
        private readonly ReadOnlySpan<char> _text;
        private Span<int> _stack; // three ints an entry: step, position, lowest position
        private int _depth;
        private long _left;
        private int _at;

        internal Matches(TextPattern pattern, ReadOnlySpan<char> text, Span<int> stack)
        {
            _pattern = pattern;
            _text = text;
            _stack = stack;
            _left = FreeSteps + (StepsPerChar * text.Length);
        }

        /// <summary>The next match; none is empty.</summary>
        /// <exception cref="InvalidDataException">The pattern takes too many steps on this text.</exception>
        public bool Next(out int start, out int end)
        {
            for (start = _at; start < _text.Length; start += Width(start))
            {
                end = Match(0, start);
                if (end >= 0)
                {
                    _at = end;
                    return true;
                }
            }
            _at = _text.Length;
            start = end = 0;
            return false;
        }

        // Where a match of the steps from "step" that begins at "at" ends, or -1.
        private int Match(int step, int at)
        {
            int floor = _depth;
            Step[] steps = _pattern._steps;
            while (true)
            {
                ref readonly Step now = ref steps[step];
                bool matched = true;
                Spend(1);
                switch (now.Kind)
                {
                    case Kind.Done:
                        _depth = floor;
                        return at;
                    case Kind.One:
                        matched = at < _text.Length && now.Set!.Contains(CodePoint(at, out int width));
                        at += matched ? Width(at) : 0;
                        step++;
                        break;
                    case Kind.Run:
                        matched = TryRun(step, now, ref at);
                        step++;
                        break;
                    case Kind.Fork:
                        Push(now.Target, at, at);
                        step++;
                        break;
                    case Kind.Jump:
                        step = now.Target;
                        break;
                    default:
                        matched = Match(step + 1, at) >= 0 != now.Atomic;
                        step = now.Target;
                        break;
                }
                if (!matched && !Pop(floor, out step, out at))
                {
                    return -1;
                }
            }
        }

        private bool TryRun(int step, in Step run, ref int at)
        {
            int count = 0;
            int lowest = run.Min == 0 ? at : -1;
            while (count < run.Max && at < _text.Length && run.Set!.Contains(CodePoint(at, out int width)))
            {
                at += width;
                count++;
                if (count == run.Min)
                {
                    lowest = at;
                }
            }
            Spend(count);
            if (count < run.Min)
            {
                return false;
            }
            if (!run.Atomic && at > lowest)
            {
                Push(step + 1, at, lowest);
            }
            return true;
        }

        private void Push(int step, int at, int lowest)
        {
            if (_depth + 3 > _stack.Length)
            {
                int[] larger = new int[2 * _stack.Length];
                _stack.CopyTo(larger);
                _stack = larger;
            }
            _stack[_depth] = step;
            _stack[_depth + 1] = at;
            _stack[_depth + 2] = lowest;
            _depth += 3;
        }

        // The last choice left, taken otherwise: a fork's other way, or a run that gives one code point back.
        private bool Pop(int floor, out int step, out int at)
        {
            if (_depth == floor)
            {
                step = at = 0;
                return false;
            }
            step = _stack[_depth - 3];
            at = _stack[_depth - 2];
            int lowest = _stack[_depth - 1];
            if (at == lowest)
            {
                _depth -= 3;
                return true;
            }
            at -= char.IsLowSurrogate(_text[at - 1]) && at - 2 >= lowest && char.IsHighSurrogate(_text[at - 2]) ? 2 : 1;
            if (at == lowest)
            {
                _depth -= 3;
            }
            else
            {
                _stack[_depth - 2] = at;
            }
            return true;
        }

        private void Spend(int steps)
        {
            _left -= steps;
            if (_left < 0)
            {
                throw new InvalidDataException(
                    $"'{_pattern._source}': the pattern {TokenizerFile.Quote(_pattern._text)} takes more than "
                    + $"{StepsPerChar} steps a character on a text of {_text.Length} characters");
            }
        }

        private readonly int Width(int at)
        {
            CodePoint(at, out int width);
            return width;
        }

        private readonly int CodePoint(int at, out int width)
        {
            char c = _text[at];
            width = 1;
            if (!char.IsSurrogate(c))
            {
                return c;
            }
            Rune.DecodeFromUtf16(_text[at..], out Rune rune, out width);
            return rune.Value;
        }
    }
}
