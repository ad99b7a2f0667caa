namespace LayerSteer.Text;

/// <content>Expressions.</content>
internal sealed partial class JinjaRun
{
    /// <summary>The value of an expression; a text that it makes costs steps by its length.</summary>
    public object? Evaluate(JinjaExpression expression)
    {
        Spend(1, expression.At);
        switch (expression)
        {
            case JinjaExpression.Constant constant:
                return constant.Value;
            case JinjaExpression.Variable variable:
                return Lookup(variable.Name);
            default:
                object? made = Made(expression);
                return made is string text ? Charged(text, expression.At) : made;
        }
    }

    private object? Made(JinjaExpression expression)
    {
        switch (expression)
        {
            case JinjaExpression.ListOf list:
                return list.Items.Select(Evaluate).ToList();
            case JinjaExpression.DictionaryOf fields:
                var made = new Dictionary<string, object?>();
                foreach ((JinjaExpression key, JinjaExpression value) in fields.Items)
                {
                    made[Text(Evaluate(key), key.At)] = Evaluate(value);
                }
                return made;
            case JinjaExpression.Item item:
                return Item(Evaluate(item.Target), Evaluate(item.Key), item.At);
            case JinjaExpression.Slice slice:
                return Sliced(slice);
            case JinjaExpression.Call call:
                return Call(call);
            case JinjaExpression.Method method:
                return JinjaMethods.Call(
                    this, Evaluate(method.Target), method.Name, Values(method.Arguments), method.At);
            case JinjaExpression.Filter filter:
                return JinjaFilters.Apply(
                    this, filter.Name, Evaluate(filter.Target), Values(filter.Arguments), filter.At);
            case JinjaExpression.Test test:
                object? argument = test.Argument is { } given ? Evaluate(given) : null;
                return JinjaTests.Holds(this, test.Name, Evaluate(test.Target), argument, test.At) != test.Negated;
            case JinjaExpression.Not not:
                return !JinjaValue.IsTrue(Evaluate(not.Operand));
            case JinjaExpression.Negative negative:
                return Negated(Evaluate(negative.Operand), negative.At);
            case JinjaExpression.Conditional choice:
                return JinjaValue.IsTrue(Evaluate(choice.Condition)) ? Evaluate(choice.Then)
                    : choice.Else is { } otherwise ? Evaluate(otherwise)
                    : new JinjaUndefined("a condition without else");
            case JinjaExpression.Comparison comparison:
                return Compared(comparison);
            case JinjaExpression.Binary binary:
                return Binary(binary);
            default:
                throw new InvalidOperationException($"no expression {expression}");
        }
    }

    public string Text(object? value, int at) =>
        value as string ?? throw Wrong($"{JinjaValue.TypeName(value)} where a text was expected", at);

    public long Integer(object? value, int at) => value switch
    {
        long n => n,
        bool b => b ? 1 : 0,
        _ => throw Wrong($"{JinjaValue.TypeName(value)} where an int was expected", at),
    };

    public Dictionary<string, object?> Fields(object? value, int at) => value as Dictionary<string, object?>
        ?? throw Wrong($"{JinjaValue.TypeName(value)} where a dictionary was expected", at);

    /// <summary>What a loop over the value goes through: items, keys, or code points.</summary>
    public List<object?> Items(object? value, int at)
    {
        // Before they are made.
        Spend(value switch { string s => s.Length, Dictionary<string, object?> d => d.Count, _ => 0 }, at);
        return value switch
        {
            List<object?> list => list,
            Dictionary<string, object?> fields => [.. fields.Keys],
            string text => [.. text.EnumerateRunes().Select(rune => rune.ToString())],
            JinjaUndefined => [],
            _ => throw Wrong($"{JinjaValue.TypeName(value)} where a list was expected", at),
        };
    }

    public long Length(object? value, int at) => value switch
    {
        string text => IsPlain(text) ? text.Length : text.EnumerateRunes().Count(),
        JinjaUndefined => 0,
        List<object?> list => list.Count,
        Dictionary<string, object?> fields => fields.Count,
        _ => throw Wrong($"the length of {JinjaValue.TypeName(value)}", at),
    };

    /// <summary>A field, an item, or undefined where there is none.</summary>
    public object? Item(object? target, object? key, int at)
    {
        switch (target)
        {
            case Dictionary<string, object?> fields:
                return key is string name && fields.TryGetValue(name, out object? value) ? value : Missing();
            case JinjaNamespace { Fields: var fields }:
                return key is string field && fields.TryGetValue(field, out object? found) ? found : Missing();
            case List<object?> items when key is long or bool:
                long index = Integer(key, at);
                index += index < 0 ? items.Count : 0;
                return index >= 0 && index < items.Count ? items[(int)index] : Missing();
            case string text when key is long or bool:
                long place = Integer(key, at);
                return IsPlain(text)
                    ? place >= -text.Length && place < text.Length
                        ? text[(int)(place < 0 ? place + text.Length : place)].ToString()
                        : Missing()
                    : Item(Items(text, at), key, at);
            case JinjaUndefined or null:
                throw Wrong($"a field {JinjaValue.Print(key)} of {JinjaValue.TypeName(target)}", at);
            default:
                return Missing();
        }

        JinjaUndefined Missing() => new(JinjaValue.Print(key));
    }

    // Its code points are its UTF-16 units.
    private static bool IsPlain(string text) => !text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');

    /// <summary>Whether the value is an item, a key or a part of the other.</summary>
    public bool IsIn(object? value, object? whole, int at)
    {
        switch (whole)
        {
            case string text:
                Spend(text.Length / 16, at);
                return text.Contains(Text(value, at), StringComparison.Ordinal);
            case Dictionary<string, object?> fields:
                return value is string key && fields.ContainsKey(key);
            default:
                List<object?> all = Items(whole, at);
                Spend(all.Count, at);
                return all.Exists(item => JinjaValue.AreEqual(item, value));
        }
    }

    private JinjaCallValues Values(JinjaArguments arguments) => new(
        [.. arguments.Positional.Select(Evaluate)],
        arguments.Named.Count == 0
            ? new Dictionary<string, object?>()
            : arguments.Named.DistinctBy(n => n.Name).ToDictionary(n => n.Name, n => Evaluate(n.Value)));

    private object? Call(JinjaExpression.Call call)
    {
        JinjaCallValues arguments = Values(call.Arguments);
        switch (call.Name)
        {
            case "raise_exception":
                throw new ArgumentException(
                    $"the chat template refuses these messages: {JinjaValue.Print(arguments.Find(0, "message", ""))}");
            case "namespace":
                return new JinjaNamespace(new Dictionary<string, object?>(arguments.Named));
            case "dict":
                return new Dictionary<string, object?>(arguments.Named);
            case "range":
                return Range(arguments, call.At);
            default:
                throw source.Unsupported(
                    $"the function '{call.Name}'", call.At, "raise_exception", "namespace", "dict", "range");
        }
    }

    private List<object?> Range(JinjaCallValues arguments, int at)
    {
        long[] bounds = [.. arguments.Positional.Select(value => Integer(value, at))];
        (long from, long to, long step) = bounds switch
        {
            [var stop] => (0, stop, 1),
            [var start, var stop] => (start, stop, 1),
            [var start, var stop, not 0 and var by] => (start, stop, by),
            _ => throw Wrong("'range' without one to three ints, the third not 0,", at),
        };
        var list = new List<object?>();
        for (Int128 i = from; step > 0 ? i < to : i > to; i += step)
        {
            Spend(1, at);
            list.Add((long)i);
            if (list.Count > MaxRange)
            {
                throw Wrong($"a range of more than {MaxRange}", at);
            }
        }
        return list;
    }

    // As Python does it: bounds beyond the ends are the ends, negative ones count from the end.
    private object Sliced(JinjaExpression.Slice slice)
    {
        object? target = Evaluate(slice.Target);
        if (target is not (string or List<object?>))
        {
            throw Wrong($"a slice of {JinjaValue.TypeName(target)}", slice.At);
        }
        string? plain = target is string whole && IsPlain(whole) ? whole : null;
        List<object?> items = plain is null ? Items(target, slice.At) : [];
        long? Bound(JinjaExpression? bound) =>
            bound is null || Evaluate(bound) is not { } value ? null : Integer(value, slice.At);
        long step = Bound(slice.Step) ?? 1;
        (long? from, long? to) = (Bound(slice.Start), Bound(slice.Stop));
        if (step == 0)
        {
            throw Wrong("a slice with step 0", slice.At);
        }
        long count = plain?.Length ?? items.Count;
        long Clamped(long? bound, long otherwise) => bound is not { } b ? otherwise
            : Math.Clamp(b < 0 ? b + count : b, step > 0 ? 0 : -1, step > 0 ? count : count - 1);
        long start = Clamped(from, step > 0 ? 0 : count - 1);
        long stop = Clamped(to, step > 0 ? count : -1);
        if (plain is not null && step == 1)
        {
            return start < stop ? plain[(int)start..(int)stop] : "";
        }
        var taken = new List<object?>();
        for (Int128 i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            Spend(1, slice.At);
            taken.Add(plain is null ? items[(int)i] : plain[(int)i].ToString());
        }
        return target is string ? string.Concat(taken) : taken;
    }
}
