using System.Globalization;
using System.Text;

namespace LayerSteer.Text;

/// <summary>What a variable without a value is: prints as nothing, is false, and has no fields.</summary>
internal sealed class JinjaUndefined(string name)
{
    public string Name => name;
}

/// <summary>What <c>namespace()</c> makes: fields that a loop can set for what follows it.</summary>
internal sealed class JinjaNamespace(Dictionary<string, object?> fields)
{
    public Dictionary<string, object?> Fields => fields;
}

/// <summary>
/// What templates know of Python's values. They are null, bool, long, double, string, List of values, Dictionary by
/// string (in the order of insertion), <see cref="JinjaNamespace"/> and <see cref="JinjaUndefined"/>; nothing else,
/// and nothing of .NET is within reach.
/// </summary>
internal static class JinjaValue
{
    /// <summary>Characters of one text.</summary>
    public const int MaxText = 1 << 24;

    private const int MaxDepth = 100;
    private const int MaxCompared = 1_000_000;

    public static bool IsTrue(object? value) => value switch
    {
        null or JinjaUndefined => false,
        bool b => b,
        long n => n != 0,
        double d => d != 0,
        string s => s.Length > 0,
        List<object?> list => list.Count > 0,
        Dictionary<string, object?> fields => fields.Count > 0,
        _ => true,
    };

    /// <summary>Its type as Python names it, for messages.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "None",
        JinjaUndefined undefined => $"'{undefined.Name}', which is undefined",
        bool => "a bool",
        long => "an int",
        double => "a float",
        string => "a text",
        List<object?> => "a list",
        Dictionary<string, object?> => "a dictionary",
        _ => "a namespace",
    };

    /// <summary>A number, where bools count as 0 and 1.</summary>
    public static bool TryNumber(object? value, out double number)
    {
        number = value switch
        {
            bool b => b ? 1 : 0,
            long n => n,
            double d => d,
            _ => double.NaN,
        };
        return value is bool or long or double;
    }

    /// <summary>Whether two values are equal.</summary>
    /// <exception cref="InvalidDataException">Too much would have to be compared.</exception>
    public static bool AreEqual(object? left, object? right)
    {
        int budget = MaxCompared;
        return AreEqual(left, right, 0, ref budget);
    }

    private static bool AreEqual(object? left, object? right, int depth, ref int budget)
    {
        if (depth > MaxDepth || --budget < 0)
        {
            throw TooLarge();
        }
        if (TryNumber(left, out double a) && TryNumber(right, out double b))
        {
            return left is long x && right is long y ? x == y : a == b;
        }
        switch (left, right)
        {
            case (string s, string t):
                return s == t;
            case (JinjaUndefined, JinjaUndefined):
                return true;
            case (List<object?> s, List<object?> t):
                bool same = s.Count == t.Count;
                for (int i = 0; same && i < s.Count; i++)
                {
                    same = AreEqual(s[i], t[i], depth + 1, ref budget);
                }
                return same;
            case (Dictionary<string, object?> s, Dictionary<string, object?> t):
                bool alike = s.Count == t.Count;
                foreach ((string key, object? value) in s)
                {
                    alike = alike && t.TryGetValue(key, out object? other)
                        && AreEqual(value, other, depth + 1, ref budget);
                }
                return alike;
            default:
                return ReferenceEquals(left, right);
        }
    }

    /// <summary>How it prints.</summary>
    public static string Print(object? value) => value switch
    {
        JinjaUndefined => "",
        string s => s,
        _ => Written(value, Python),
    };

    /// <summary>As json.dumps writes it, with all characters as they are.</summary>
    /// <param name="value">The value.</param>
    /// <param name="indent">Spaces for each level; null for one line.</param>
    public static string ToJson(object? value, int? indent) => Written(value, new Style(Json: true, indent));

    private static readonly Style Python = new(Json: false, null);

    private sealed record Style(bool Json, int? Indent);

    private static string Written(object? value, Style style)
    {
        var text = new StringBuilder();
        Write(value, style, 0, text);
        return text.ToString();
    }

    private static InvalidDataException TooLarge() =>
        new($"the chat template makes a value nested deeper than {MaxDepth} or larger than {MaxText} characters");

    private static void Write(object? value, Style style, int level, StringBuilder text)
    {
        if (level > MaxDepth || text.Length > MaxText)
        {
            throw TooLarge();
        }
        switch (value)
        {
            case null:
                text.Append(style.Json ? "null" : "None");
                break;
            case bool b:
                text.Append(style.Json ? (b ? "true" : "false") : (b ? "True" : "False"));
                break;
            case long n:
                text.Append(n.ToString(CultureInfo.InvariantCulture));
                break;
            case double d:
                string digits = d.ToString("R", CultureInfo.InvariantCulture);
                text.Append(digits).Append(digits.AsSpan().IndexOfAny(".EN∞") < 0 ? ".0" : "");
                break;
            case string s:
                WriteText(s, style.Json, text);
                break;
            case List<object?> list:
                WriteAll('[', ']', list.Count, style, level, text, (i, inner) => Write(list[i], style, inner, text));
                break;
            case Dictionary<string, object?> fields:
                KeyValuePair<string, object?>[] pairs = [.. fields];
                WriteAll('{', '}', pairs.Length, style, level, text, (i, inner) =>
                {
                    WriteText(pairs[i].Key, style.Json, text);
                    text.Append(": ");
                    Write(pairs[i].Value, style, inner, text);
                });
                break;
            default:
                throw new InvalidDataException($"the chat template writes {TypeName(value)}, which has no text");
        }
    }

    private static void WriteAll(
        char open, char close, int count, Style style, int level, StringBuilder text, Action<int, int> write)
    {
        text.Append(open);
        for (int i = 0; i < count; i++)
        {
            text.Append(i == 0 ? "" : style.Indent is null ? ", " : ",");
            NewLine(level + 1);
            write(i, level + 1);
        }
        if (count > 0)
        {
            NewLine(level);
        }
        text.Append(close);

        void NewLine(int depth)
        {
            if (style.Indent is { } width)
            {
                text.Append('\n').Append(' ', width * depth);
            }
        }
    }

    private static void WriteText(string value, bool json, StringBuilder text)
    {
        char quote = json || (value.Contains('\'') && !value.Contains('"')) ? '"' : '\'';
        text.Append(quote);
        foreach (char c in value)
        {
            text.Append(c switch
            {
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' when json => "\\b",
                '\f' when json => "\\f",
                _ when c == quote => "\\" + c,
                < ' ' => json ? $"\\u{(int)c:x4}" : $"\\x{(int)c:x2}",
                _ => c.ToString(),
            });
        }
        text.Append(quote);
    }
}
