using System.Text;

namespace LayerSteer.Text;

/// <summary>Python's methods of texts and dictionaries, as far as templates have them.</summary>
internal static class JinjaMethods
{
    private static readonly string[] Names =
    [
        "strip", "lstrip", "rstrip", "split", "startswith", "endswith", "replace", "upper", "lower", "capitalize",
        "title", "join", "find", "count", "removeprefix", "removesuffix", "items", "keys", "values", "get",
    ];

    public static void RefuseUnknown(string name, JinjaSource source, int at)
    {
        if (!Names.Contains(name))
        {
            throw source.Unsupported($"the method '{name}'", at, Names);
        }
    }

    public static object? Call(JinjaRun run, object? target, string name, JinjaCallValues arguments, int at)
    {
        if (name is "items" or "keys" or "values" or "get")
        {
            Dictionary<string, object?> fields = run.Fields(target, at);
            run.Spend(fields.Count, at);
            return name switch
            {
                "items" => Items(fields),
                "keys" => fields.Keys.ToList<object?>(),
                "values" => fields.Values.ToList(),
                _ => fields.TryGetValue(run.Text(arguments.Find(0, "key", null), at), out object? found)
                    ? found
                    : arguments.Find(1, "default", null),
            };
        }
        string text = run.Text(target, at);
        string Argument(int index, string field) => run.Text(arguments.Find(index, field, null), at);
        run.Spend(text.Length / 16, at);
        switch (name)
        {
            case "strip" or "lstrip" or "rstrip":
                return Strip(
                    text, arguments.Find(0, "chars", null) is { } chars ? run.Text(chars, at) : null,
                    left: name != "rstrip", right: name != "lstrip");
            case "split":
                return Split(run, text, arguments, at);
            case "startswith":
                return Any(run, arguments.Find(0, "prefix", null), at, text.StartsWith);
            case "endswith":
                return Any(run, arguments.Find(0, "suffix", null), at, text.EndsWith);
            case "replace":
                return Replace(run, text, Argument(0, "old"), Argument(1, "new"), at);
            case "join":
                return Join(run, text, run.Items(arguments.Find(0, "items", null), at), at);
            case "find":
                int place = text.IndexOf(Argument(0, "sub"), StringComparison.Ordinal);
                return place < 0 ? -1L : run.Length(text[..place], at);
            case "count":
                string counted = Argument(0, "sub");
                return counted.Length == 0
                    ? run.Length(text, at) + 1L
                    : (long)text.AsSpan().Count(counted);
            case "removeprefix":
                string prefix = Argument(0, "prefix");
                return text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;
            case "removesuffix":
                string suffix = Argument(0, "suffix");
                return text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text;
            default:
                return run.Charged(Cased(text, name), at);
        }
    }

    public static List<object?> Items(Dictionary<string, object?> fields) =>
        [.. fields.Select(field => new List<object?> { field.Key, field.Value })];

    /// <summary>Drops white space, or the characters given, at the ends.</summary>
    public static string Strip(string text, string? chars, bool left, bool right)
    {
        char[]? set = chars?.ToCharArray();
        // Python's strip("") drops nothing; .NET's Trim of nothing drops white space.
        if (set is { Length: 0 })
        {
            return text;
        }
        text = left ? text.TrimStart(set) : text;
        return right ? text.TrimEnd(set) : text;
    }

    public static string Replace(JinjaRun run, string text, string old, string replacement, int at)
    {
        if (old.Length == 0)
        {
            throw run.Source.Unsupported("'replace' of an empty text", at);
        }
        long count = text.AsSpan().Count(old);
        run.SpendText(text.Length + (count * (replacement.Length - old.Length)), at);
        return text.Replace(old, replacement, StringComparison.Ordinal);
    }

    public static string Join(JinjaRun run, string between, List<object?> items, int at)
    {
        var text = new StringBuilder();
        for (int i = 0; i < items.Count; i++)
        {
            string item = JinjaValue.Print(items[i]);
            run.SpendText(item.Length + between.Length, at);
            text.Append(i == 0 ? "" : between).Append(item);
            if (text.Length > JinjaValue.MaxText)
            {
                run.SpendText(text.Length, at);
            }
            run.Spend(1, at);
        }
        return text.ToString();
    }

    public static string Cased(string text, string how)
    {
        bool first = true;
        var cased = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool upper = how == "upper" || (how is "capitalize" or "title" && first);
            cased.Append(upper ? Rune.ToUpperInvariant(rune) : Rune.ToLowerInvariant(rune));
            first = how == "title" && !Rune.IsLetter(rune);
        }
        return cased.ToString();
    }

    private static bool Any(JinjaRun run, object? wanted, int at, Func<string, StringComparison, bool> holds) =>
        wanted is List<object?> list
            ? list.Exists(one => holds(run.Text(one, at), StringComparison.Ordinal))
            : holds(run.Text(wanted, at), StringComparison.Ordinal);

    private static List<object?> Split(JinjaRun run, string text, JinjaCallValues arguments, int at)
    {
        object? separator = arguments.Find(0, "sep", null);
        long most = run.Integer(arguments.Find(1, "maxsplit", -1L), at);
        int count = most is < 0 or > 1 << 20 ? int.MaxValue : (int)most + 1;
        if (separator is null)
        {
            if (count != int.MaxValue)
            {
                throw run.Source.Unsupported("'split' at white space with a count", at);
            }
            run.Spend(text.Length, at);
            return [.. text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];
        }
        string by = run.Text(separator, at);
        if (by.Length == 0)
        {
            throw run.Wrong("'split' at an empty text", at);
        }
        run.Spend(text.AsSpan().Count(by), at);
        return [.. text.Split(by, count, StringSplitOptions.None)];
    }
}
