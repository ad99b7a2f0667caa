using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>What a token of a template is.</summary>
internal enum JinjaKind
{
    /// <summary>Text between tags, white space taken off as the tags ask.</summary>
    Text,

    /// <summary><c>{{</c>.</summary>
    OutputStart,

    /// <summary><c>}}</c>.</summary>
    OutputEnd,

    /// <summary><c>{%</c>.</summary>
    BlockStart,

    /// <summary><c>%}</c>.</summary>
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token; the value is its text, of a string what it stands for.</summary>
internal readonly record struct JinjaToken(JinjaKind Kind, string Value, int At);

/// <summary>
/// Cuts a chat template into tokens as Jinja does with trim_blocks and lstrip_blocks, which is how the Hugging Face
/// library reads chat templates: the first line break after a block goes, and so does white space from the beginning
/// of a line to a block; <c>-</c> at a tag takes all white space on that side.
/// </summary>
internal sealed class JinjaLexer
{
    private static readonly string[] Operators =
    [
        "==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}",
        ",", ":", ".", "|", ";",
    ];

    private readonly string _text;
    private readonly JinjaSource _source;
    private readonly List<JinjaToken> _tokens = [];

    private JinjaLexer(JinjaSource source)
    {
        _source = source;
        _text = source.Text;
    }

    /// <summary>The tokens, the last of which is End.</summary>
    public static List<JinjaToken> Read(JinjaSource source)
    {
        var lexer = new JinjaLexer(source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        int at = 0;
        bool lineStart = true; // nothing of this line was given out before "at"
        while (at < _text.Length)
        {
            int tag = NextTag(at);
            int open = tag < 0 ? _text.Length : tag;
            bool output = tag >= 0 && _text[tag + 1] == '{';
            char mark = tag >= 0 && tag + 2 < _text.Length ? _text[tag + 2] : ' ';
            AddText(at, open, mark, lineStart, cutsLine: tag >= 0 && !output);
            if (tag < 0)
            {
                break;
            }
            int inside = tag + 2 + (mark is '-' or '+' ? 1 : 0);
            int close = _text[tag + 1] == '#' ? CommentEnd(inside, tag) : ReadTag(inside, tag, output);
            // "close" is after the closing mark; what stands before it says how much goes.
            char last = _text[close - 3];
            at = close;
            if (last == '-')
            {
                while (at < _text.Length && char.IsWhiteSpace(_text[at]))
                {
                    at++;
                }
            }
            else if (!output && last != '+' && at < _text.Length && _text[at] == '\n')
            {
                at++;
            }
            lineStart = at > close && _text[at - 1] == '\n';
        }
        _tokens.Add(new JinjaToken(JinjaKind.End, "", _text.Length));
    }

    private int NextTag(int from)
    {
        for (int at = from; (at = _text.IndexOf('{', at)) >= 0; at++)
        {
            if (at + 1 < _text.Length && _text[at + 1] is '{' or '%' or '#')
            {
                return at;
            }
        }
        return -1;
    }

    private void AddText(int from, int to, char mark, bool lineStart, bool cutsLine)
    {
        int end = to;
        if (mark == '-')
        {
            while (end > from && char.IsWhiteSpace(_text[end - 1]))
            {
                end--;
            }
        }
        else if (cutsLine && mark != '+')
        {
            int blank = to;
            while (blank > from && char.IsWhiteSpace(_text[blank - 1]) && _text[blank - 1] != '\n')
            {
                blank--;
            }
            end = blank > from ? (_text[blank - 1] == '\n' ? blank : to) : lineStart ? from : to;
        }
        if (end > from)
        {
            _tokens.Add(new JinjaToken(JinjaKind.Text, _text[from..end], from));
        }
    }

    private int CommentEnd(int inside, int tag)
    {
        int end = _text.IndexOf("#}", inside, StringComparison.Ordinal);
        return end >= 0 ? end + 2 : throw _source.Damaged("'{#' without '#}'", tag);
    }

    private int ReadTag(int at, int tag, bool output)
    {
        string end = output ? "}}" : "%}";
        _tokens.Add(new JinjaToken(output ? JinjaKind.OutputStart : JinjaKind.BlockStart, "", tag));
        var open = new Stack<char>();
        while (true)
        {
            while (at < _text.Length && char.IsWhiteSpace(_text[at]))
            {
                at++;
            }
            if (at >= _text.Length)
            {
                throw _source.Damaged($"'{_text.Substring(tag, 2)}' without '{end}'", tag);
            }
            int signed = _text[at] is '-' or '+' ? at + 1 : at;
            if (open.Count == 0 && string.CompareOrdinal(_text, signed, end, 0, 2) == 0)
            {
                _tokens.Add(new JinjaToken(output ? JinjaKind.OutputEnd : JinjaKind.BlockEnd, "", at));
                return signed + 2;
            }
            at = ReadToken(at, open);
        }
    }

    private int ReadToken(int at, Stack<char> open)
    {
        char c = _text[at];
        if (c is '\'' or '"')
        {
            return ReadString(at);
        }
        if (char.IsAsciiDigit(c))
        {
            return ReadNumber(at);
        }
        if (char.IsAsciiLetter(c) || c == '_')
        {
            int end = at;
            while (end < _text.Length && (char.IsAsciiLetterOrDigit(_text[end]) || _text[end] == '_'))
            {
                end++;
            }
            _tokens.Add(new JinjaToken(JinjaKind.Name, _text[at..end], at));
            return end;
        }
        string? found = Array.Find(Operators, o => string.CompareOrdinal(_text, at, o, 0, o.Length) == 0)
            ?? throw _source.Damaged($"the character '{c}'", at);
        if (found is "(" or "[" or "{")
        {
            open.Push(found[0]);
        }
        else if (found is ")" or "]" or "}"
            && (!open.TryPop(out char begun) || "()[]{}".IndexOf(begun) + 1 != "()[]{}".IndexOf(found[0])))
        {
            throw _source.Damaged($"'{found}' without its beginning", at);
        }
        _tokens.Add(new JinjaToken(JinjaKind.Operator, found, at));
        return at + found.Length;
    }

    private int ReadNumber(int at)
    {
        int end = at;
        while (end < _text.Length && char.IsAsciiDigit(_text[end]))
        {
            end++;
        }
        bool real = end + 1 < _text.Length && _text[end] == '.' && char.IsAsciiDigit(_text[end + 1]);
        if (real)
        {
            end++;
            while (end < _text.Length && char.IsAsciiDigit(_text[end]))
            {
                end++;
            }
        }
        string number = _text[at..end];
        if (!real && !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            throw _source.Unsupported("a number of more than 64 bits", at);
        }
        _tokens.Add(new JinjaToken(real ? JinjaKind.Float : JinjaKind.Integer, number, at));
        return end;
    }

    private int ReadString(int begin)
    {
        var value = new StringBuilder();
        int at = begin + 1;
        for (; at < _text.Length && _text[at] != _text[begin]; at++)
        {
            if (_text[at] != '\\')
            {
                value.Append(_text[at]);
                continue;
            }
            at++;
            char c = at < _text.Length ? _text[at] : '\0';
            if (c == 'u' && at + 4 < _text.Length && ushort.TryParse(
                _text.AsSpan(at + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit))
            {
                value.Append((char)unit);
                at += 4;
                continue;
            }
            value.Append(c switch
            {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' or '\'' or '"' => c,
                _ => throw _source.Unsupported($"the escape '\\{c}'", at - 1),
            });
        }
        if (at >= _text.Length)
        {
            throw _source.Damaged("a string that does not end", begin);
        }
        _tokens.Add(new JinjaToken(JinjaKind.String, value.ToString(), begin));
        return at + 1;
    }
}
