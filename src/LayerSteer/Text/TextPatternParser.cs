using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Reads the regular expressions of tokenizer files. Supported: alternatives; groups <c>(…)</c>, <c>(?:…)</c>,
/// <c>(?i:…)</c> (ASCII); lookahead <c>(?=…)</c>, <c>(?!…)</c>; classes <c>[…]</c> with ranges and negation; <c>.</c>;
/// <c>\s \S \d \D \w \W</c>; <c>\p{…}</c> of general categories; <c>? * + {m,n}</c>, greedy, and possessive
/// <c>?+ *+ ++</c> on a single class. All else is refused by name and place.
/// </summary>
internal sealed class TextPatternParser
{
    private const int MaxLength = 10_000;
    private const int MaxDepth = 32;
    private const int MaxRepeat = 1000;

    private static readonly int WordMask = RuneSet.CategoriesOf("L") | RuneSet.CategoriesOf("M")
        | RuneSet.CategoriesOf("Nd") | RuneSet.CategoriesOf("Nl") | RuneSet.CategoriesOf("Pc");

    private readonly string _text;
    private readonly string _source;
    private readonly string _field;
    private int _at;
    private int _depth;
    private bool _ignoreCase;

    private TextPatternParser(string text, string source, string field)
    {
        _text = text;
        _source = source;
        _field = field;
    }

    /// <summary>A set of one code point.</summary>
    public static RuneSet SetOf(int codePoint)
    {
        var set = new RuneSet();
        set.AddRange(codePoint, codePoint);
        return set.Complete();
    }

    /// <summary>Reads a pattern.</summary>
    /// <exception cref="InvalidDataException">It is not a sound expression.</exception>
    /// <exception cref="NotSupportedException">It uses something that is not supported, or could match nothing.
    /// </exception>
    public static TextPattern Parse(string text, string source, string field)
    {
        var parser = new TextPatternParser(text, source, field);
        if (text.Length > MaxLength)
        {
            throw new NotSupportedException(
                $"'{source}': {field} has {text.Length} characters; supported: {MaxLength}");
        }
        TextPatternNode root = parser.ReadChoice();
        if (parser._at < text.Length)
        {
            throw parser.Damaged("')' without '('");
        }
        if (root.MinLength == 0)
        {
            throw new NotSupportedException(
                $"'{source}': {field} {TokenizerFile.Quote(text)} can match nothing at all, which is not supported");
        }
        return TextPatternCompiler.TryCompile(root, out TextPattern.Step[] steps)
            ? new TextPattern(steps, text, source)
            : throw parser.Unsupported($"a pattern of more than {TextPatternCompiler.MaxSteps} steps");
    }

    private TextPatternNode ReadChoice()
    {
        if (++_depth > MaxDepth)
        {
            throw Unsupported($"nesting deeper than {MaxDepth}");
        }
        var ways = new List<TextPatternNode> { ReadSequence() };
        while (TryRead('|'))
        {
            ways.Add(ReadSequence());
        }
        _depth--;
        return ways.Count == 1 ? ways[0] : new TextPatternNode.Choice(ways);
    }

    private TextPatternNode.Sequence ReadSequence()
    {
        var parts = new List<TextPatternNode>();
        while (_at < _text.Length && _text[_at] is not ('|' or ')'))
        {
            parts.Add(ReadRepeat(ReadAtom()));
        }
        return new TextPatternNode.Sequence(parts);
    }

    private TextPatternNode ReadAtom()
    {
        char c = _text[_at];
        switch (c)
        {
            case '(':
                return ReadGroup();
            case '[':
                return new TextPatternNode.One(ReadClass());
            case '.':
                _at++;
                var all = new RuneSet();
                all.AddRange('\n', '\n');
                return new TextPatternNode.One(all.Complete(negated: true));
            case '\\':
                var set = new RuneSet();
                if (ReadEscape(set) is >= 0 and int codePoint)
                {
                    set.AddRange(codePoint, codePoint);
                }
                return new TextPatternNode.One(Cased(set).Complete());
            case '?' or '*' or '+':
                throw Damaged($"'{c}' with nothing before it");
            case '^' or '$':
                throw Unsupported($"the anchor '{c}'");
            default:
                Rune.DecodeFromUtf16(_text.AsSpan(_at), out Rune rune, out int used);
                _at += used;
                var one = new RuneSet();
                one.AddRange(rune.Value, rune.Value);
                return new TextPatternNode.One(Cased(one).Complete());
        }
    }

    private TextPatternNode ReadGroup()
    {
        bool outer = _ignoreCase;
        _at++;
        Func<TextPatternNode, TextPatternNode> wrap = node => node;
        if (TryRead('?'))
        {
            if (TryRead("i:"))
            {
                _ignoreCase = true;
            }
            else if (TryRead('='))
            {
                wrap = node => new TextPatternNode.Look(node, Negative: false);
            }
            else if (TryRead('!'))
            {
                wrap = node => new TextPatternNode.Look(node, Negative: true);
            }
            else if (!TryRead(':'))
            {
                throw Unsupported($"the group '(?{(_at < _text.Length ? _text[_at] : ' ')}'");
            }
        }
        TextPatternNode body = ReadChoice();
        if (!TryRead(')'))
        {
            throw Damaged("'(' without ')'");
        }
        _ignoreCase = outer;
        return wrap(body);
    }

    private TextPatternNode ReadRepeat(TextPatternNode body)
    {
        while (_at < _text.Length)
        {
            (int Least, int Most)? times = _text[_at] switch
            {
                '?' => (0, 1),
                '*' => (0, int.MaxValue),
                '+' => (1, int.MaxValue),
                '{' => ReadTimes(),
                _ => null,
            };
            if (times is not { } count)
            {
                return body;
            }
            bool braces = _text[_at] == '{';
            _at = braces ? _text.IndexOf('}', _at) + 1 : _at + 1;
            if (TryRead('?'))
            {
                throw Unsupported("a lazy repetition ('??', '*?', '+?')");
            }
            bool atomic = !braces && TryRead('+');
            bool refused = atomic || (body.MinLength == 0 && count.Most > 1);
            if (body is TextPatternNode.Look || (body is not TextPatternNode.One && refused))
            {
                throw Unsupported(
                    atomic ? "a possessive repetition of a group" : "the repetition of what can match nothing");
            }
            body = new TextPatternNode.Repeat(body, count.Least, count.Most, atomic);
        }
        return body;
    }

    // {m}, {m,}, {,n} or {m,n}; anything else is refused rather than read as text.
    private (int Least, int Most) ReadTimes()
    {
        int close = _text.IndexOf('}', _at);
        string[] parts = close < 0 ? [] : _text[(_at + 1)..close].Split(',');
        int Number(string text, int otherwise) => text.Length == 0 ? otherwise
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : -1;
        (int least, int most) = parts switch
        {
            [{ Length: > 0 } only] => (Number(only, 0), Number(only, 0)),
            [var low, var high] when low.Length + high.Length > 0 => (Number(low, 0), Number(high, int.MaxValue)),
            _ => (-1, -1),
        };
        if (least is < 0 or > MaxRepeat || most < least || (most > MaxRepeat && most != int.MaxValue))
        {
            throw Damaged($"'{{' without a count from 0 to {MaxRepeat}");
        }
        return (least, most);
    }

    private RuneSet ReadClass()
    {
        if (++_depth > MaxDepth)
        {
            throw Unsupported($"nesting deeper than {MaxDepth}");
        }
        int begin = _at++;
        bool negated = TryRead('^');
        var set = new RuneSet();
        bool first = true;
        while (true)
        {
            if (_at >= _text.Length)
            {
                _at = begin;
                throw Damaged("'[' without ']'");
            }
            if (_text[_at] == ']' && !first)
            {
                _at++;
                break;
            }
            first = false;
            if (TryRead("&&") || TryRead("[:"))
            {
                throw Unsupported("'&&' or '[:' in a class");
            }
            if (_text[_at] == '[')
            {
                if (!set.TryAdd(ReadClass()))
                {
                    throw Unsupported("a negated class in a class");
                }
                continue;
            }
            int from = ReadMember(set);
            if (from < 0)
            {
                continue;
            }
            int to = from;
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']')
            {
                _at++;
                to = _text[_at] == '[' ? -1 : ReadMember(set);
                if (to < from)
                {
                    throw Damaged("a range that ends before it begins");
                }
            }
            set.AddRange(from, to);
        }
        _depth--;
        return Cased(set).Complete(negated);
    }

    // A code point, or -1 where an escape that stands for many was added to the set.
    private int ReadMember(RuneSet set)
    {
        if (_text[_at] == '\\')
        {
            return ReadEscape(set);
        }
        Rune.DecodeFromUtf16(_text.AsSpan(_at), out Rune rune, out int used);
        _at += used;
        return rune.Value;
    }

    private int ReadEscape(RuneSet set)
    {
        int begin = _at++;
        char c = _at < _text.Length ? _text[_at++] : throw Damaged("'\\' at the end");
        switch (c)
        {
            case 's' or 'S':
                set.AddSpace(not: c == 'S');
                return -1;
            case 'd' or 'D':
                set.AddCategories(Complemented(RuneSet.CategoriesOf("Nd"), c == 'D'));
                return -1;
            case 'w' or 'W':
                set.AddCategories(Complemented(WordMask, c == 'W'));
                return -1;
            case 'p' or 'P':
                set.AddCategories(ReadCategories(c == 'P'));
                return -1;
            case 'r':
                return '\r';
            case 'n':
                return '\n';
            case 't':
                return '\t';
            case 'f':
                return '\f';
            case 'v':
                return '\v';
            case 'x' or 'u':
                return ReadHexadecimal(c);
            default:
                if (char.IsAsciiLetterOrDigit(c) || c >= 128)
                {
                    _at = begin;
                    throw Unsupported($"the escape '\\{c}'");
                }
                return c;
        }
    }

    private int ReadHexadecimal(char kind)
    {
        int begin = _at - 2;
        string digits = "";
        if (kind == 'x' && TryRead('{'))
        {
            int close = _text.IndexOf('}', _at);
            digits = close < 0 ? "" : _text[_at..close];
            _at = close + 1;
        }
        else
        {
            int length = Math.Min(kind == 'x' ? 2 : 4, _text.Length - _at);
            digits = _text.Substring(_at, length);
            _at += length;
        }
        if (!int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || !Rune.IsValid(value))
        {
            _at = begin;
            throw Damaged("a code point that is none");
        }
        return value;
    }

    private int ReadCategories(bool not)
    {
        int begin = _at - 2;
        int close = TryRead('{') ? _text.IndexOf('}', _at) : -1;
        if (close < 0)
        {
            _at = begin;
            throw Damaged("'\\p' without '{…}'");
        }
        not ^= TryRead('^');
        string name = _text[_at..close];
        int mask = name.Length > 0 ? RuneSet.CategoriesOf(name) : 0;
        if (mask == 0)
        {
            _at = begin;
            throw Unsupported($"the class '\\p{{{name}}}' (general categories such as L, Lu, N, Nd, P, Zs are)");
        }
        _at = close + 1;
        return Complemented(mask, not);
    }

    private static int Complemented(int mask, bool not) => not ? ~mask & ((1 << 30) - 1) : mask;

    private RuneSet Cased(RuneSet set) => !_ignoreCase || set.TryIgnoreCase()
        ? set
        : throw Unsupported("others than ASCII letters under (?i:");

    private bool TryRead(char c)
    {
        bool there = _at < _text.Length && _text[_at] == c;
        _at += there ? 1 : 0;
        return there;
    }

    private bool TryRead(string text)
    {
        bool there = string.CompareOrdinal(_text, _at, text, 0, text.Length) == 0;
        _at += there ? text.Length : 0;
        return there;
    }

    private InvalidDataException Damaged(string what) => new(
        $"'{_source}': {_field} {TokenizerFile.Quote(_text)} is not a sound pattern: {what} at {_at}");

    private NotSupportedException Unsupported(string what) => new(
        $"'{_source}': {_field} {TokenizerFile.Quote(_text)}: {what} is not supported (at {_at})");
}
