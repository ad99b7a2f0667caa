using System.Text;

namespace LayerSteer.Text;

/// <summary>The filters of templates: <c>x | trim</c>.</summary>
internal static class JinjaFilters
{
    private static readonly string[] Names =
    [
        "trim", "length", "count", "upper", "lower", "capitalize", "title", "tojson", "default", "d", "join", "first",
        "last", "replace", "string", "int", "list", "items", "reverse", "safe", "map", "selectattr", "rejectattr",
        "indent",
    ];

    public static void RefuseUnknown(string name, JinjaSource source, int at)
    {
        if (!Names.Contains(name))
        {
            throw source.Unsupported($"the filter '{name}'", at, Names);
        }
    }

    public static object? Apply(JinjaRun run, string name, object? value, JinjaCallValues arguments, int at)
    {
        switch (name)
        {
            case "default" or "d":
                bool replaced = value is JinjaUndefined
                    || (JinjaValue.IsTrue(arguments.Find(1, "boolean", false)) && !JinjaValue.IsTrue(value));
                return replaced ? arguments.Find(0, "default_value", "") : value;
            case "tojson":
                object? indent = arguments.Find(0, "indent", null);
                return run.Charged(JinjaValue.ToJson(
                    value, indent is null ? null : (int)Math.Clamp(run.Integer(indent, at), 0, 16)), at);
            case "string":
                return run.Charged(JinjaValue.Print(value), at);
            case "int":
                return JinjaValue.TryNumber(value, out double number) ? (long)number
                    : value is string digits && long.TryParse(
                        digits.Trim(), System.Globalization.NumberStyles.AllowLeadingSign,
                        System.Globalization.CultureInfo.InvariantCulture, out long parsed) ? parsed
                    : arguments.Find(0, "default", 0L);
            case "length" or "count":
                return run.Length(value, at);
            case "trim":
                return JinjaMethods.Strip(
                    JinjaValue.Print(value), arguments.Find(0, "chars", null) as string, left: true, right: true);
            case "upper" or "lower" or "capitalize" or "title":
                return run.Charged(JinjaMethods.Cased(JinjaValue.Print(value), name), at);
            case "replace":
                return JinjaMethods.Replace(
                    run, JinjaValue.Print(value), run.Text(arguments.Find(0, "old", null), at),
                    run.Text(arguments.Find(1, "new", null), at), at);
            case "safe":
                return value;
            case "indent":
                return Indented(run, value, arguments, at);
            default:
                return ApplyToList(run, name, value, arguments, at);
        }
    }

    private static object? ApplyToList(
        JinjaRun run, string name, object? value, JinjaCallValues arguments, int at)
    {
        if (name == "items")
        {
            return value is JinjaUndefined ? new List<object?>() : JinjaMethods.Items(run.Fields(value, at));
        }
        if (name == "reverse" && value is string text)
        {
            Rune[] runes = [.. text.EnumerateRunes()];
            Array.Reverse(runes);
            return string.Concat(runes);
        }
        List<object?> items = run.Items(value, at);
        run.Spend(items.Count, at);
        switch (name)
        {
            case "list":
                return new List<object?>(items);
            case "reverse":
                return Enumerable.Reverse(items).ToList();
            case "first":
                return items.Count > 0 ? items[0] : new JinjaUndefined("first");
            case "last":
                return items.Count > 0 ? items[^1] : new JinjaUndefined("last");
            case "join":
                return JinjaMethods.Join(
                    run, JinjaValue.Print(arguments.Find(0, "d", "")),
                    [.. Attributes(run, items, arguments.Find(1, "attribute", null), at)], at);
            case "map":
                object? attribute = arguments.Find(-1, "attribute", null);
                if (attribute is not null)
                {
                    return Attributes(run, items, attribute, at).ToList();
                }
                string filter = run.Text(arguments.Find(0, "filter", null), at);
                RefuseUnknown(filter, run.Source, at);
                if (filter == "map")
                {
                    throw run.Source.Unsupported("'map' of 'map'", at);
                }
                return items.Select(item => Apply(run, filter, item, arguments.After(1), at)).ToList();
            default: // selectattr, rejectattr
                string field = run.Text(arguments.Find(0, "attribute", null), at);
                string? test = arguments.Find(1, "test", null) is { } given ? run.Text(given, at) : null;
                if (test is not null)
                {
                    JinjaTests.RefuseUnknown(test == "==" ? "eq" : test, run.Source, at);
                }
                object? argument = arguments.Find(2, "value", null);
                return items.Where(item =>
                {
                    object? tested = run.Item(item, field, at);
                    bool holds = test is null
                        ? JinjaValue.IsTrue(tested)
                        : JinjaTests.Holds(run, test == "==" ? "eq" : test, tested, argument, at);
                    return holds == (name == "selectattr");
                }).ToList();
        }
    }

    private static IEnumerable<object?> Attributes(JinjaRun run, List<object?> items, object? attribute, int at) =>
        attribute is null ? items : items.Select(item => run.Item(item, run.Text(attribute, at), at));

    // Every line but the first, and blank ones, goes in.
    private static string Indented(JinjaRun run, object? value, JinjaCallValues arguments, int at)
    {
        int width = (int)Math.Clamp(run.Integer(arguments.Find(0, "width", 4L), at), 0, 100);
        bool first = JinjaValue.IsTrue(arguments.Find(1, "first", false));
        bool blank = JinjaValue.IsTrue(arguments.Find(2, "blank", false));
        string[] lines = run.Text(value, at).Split('\n');
        run.Spend(lines.Length, at);
        string margin = new(' ', width);
        IEnumerable<string> indented = lines.Select(
            (line, i) => (i > 0 || first) && (line.Length > 0 || blank) ? margin + line : line);
        return run.Charged(string.Join('\n', indented), at);
    }
}
