using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// One rendering of a template: variables, output, and what is left of the steps and characters it may take. A hostile
/// template ends with a refusal, not with the memory.
/// </summary>
/// <param name="source">The template.</param>
/// <param name="globals">Variables that it is given.</param>
internal sealed partial class JinjaRun(JinjaSource source, IReadOnlyDictionary<string, object?> globals)
{
    private const long MaxSteps = 5_000_000;
    private const int MaxText = JinjaValue.MaxText;
    private const int CharsPerStep = 16;
    private const int MaxRange = 100_000;

    private readonly List<Dictionary<string, object?>> _scopes = [[]];
    private StringBuilder _output = new();
    private long _steps = MaxSteps;

    private enum Flow
    {
        On,
        Break,
        Continue,
    }

    public JinjaSource Source => source;

    /// <summary>The text that the statements write.</summary>
    public string Render(IReadOnlyList<JinjaStatement> statements)
    {
        Run(statements);
        return _output.ToString();
    }

    /// <summary>A refusal of what the template does with its values.</summary>
    public InvalidDataException Wrong(string what, int at) => source.Damaged(what, at);

    public void Spend(long steps, int at)
    {
        _steps -= steps;
        if (_steps < 0)
        {
            throw Wrong($"more than {MaxSteps} steps for these messages", at);
        }
    }

    /// <summary>A text of this many characters is about to be made: long ones cost steps, too long ones are
    /// refused.</summary>
    public void SpendText(long length, int at)
    {
        if (length > MaxText)
        {
            throw Wrong($"a text of {length} characters, expected at most {MaxText},", at);
        }
        Spend(length / CharsPerStep, at);
    }

    /// <summary>The text, its length accounted for.</summary>
    public string Charged(string text, int at)
    {
        SpendText(text.Length, at);
        return text;
    }

    private Flow Run(IReadOnlyList<JinjaStatement> statements)
    {
        foreach (JinjaStatement statement in statements)
        {
            Spend(1, statement.At);
            Flow flow = Run(statement);
            if (flow != Flow.On)
            {
                return flow;
            }
        }
        return Flow.On;
    }

    private Flow Run(JinjaStatement statement)
    {
        switch (statement)
        {
            case JinjaStatement.Text text:
                Write(text.Value, text.At);
                return Flow.On;
            case JinjaStatement.Output output:
                Write(JinjaValue.Print(Evaluate(output.Value)), output.At);
                return Flow.On;
            case JinjaStatement.If choice:
                foreach ((JinjaExpression? condition, IReadOnlyList<JinjaStatement> body) in choice.Branches)
                {
                    if (condition is null || JinjaValue.IsTrue(Evaluate(condition)))
                    {
                        return Run(body);
                    }
                }
                return Flow.On;
            case JinjaStatement.For loop:
                RunLoop(loop);
                return Flow.On;
            case JinjaStatement.Set set:
                Assign(set.Name, set.Field, Evaluate(set.Value), set.At);
                return Flow.On;
            case JinjaStatement.Capture capture:
                (StringBuilder outer, _output) = (_output, new StringBuilder());
                Flow flow = Run(capture.Body);
                string captured = _output.ToString();
                _output = outer;
                Assign(capture.Name, null, captured, capture.At);
                return flow;
            case JinjaStatement.Leave leave:
                return leave.Loop ? Flow.Break : Flow.Continue;
            default:
                throw new InvalidOperationException($"no statement {statement}");
        }
    }

    private void RunLoop(JinjaStatement.For loop)
    {
        List<object?> items = Items(Evaluate(loop.Items), loop.At);
        var scope = new Dictionary<string, object?>();
        _scopes.Add(scope);
        if (loop.Condition is { } condition)
        {
            var kept = new List<object?>();
            foreach (object? item in items)
            {
                Spend(1, loop.At);
                Bind(loop, item, scope);
                if (JinjaValue.IsTrue(Evaluate(condition)))
                {
                    kept.Add(item);
                }
            }
            items = kept;
        }
        for (int i = 0; i < items.Count; i++)
        {
            scope.Clear();
            Bind(loop, items[i], scope);
            scope["loop"] = new Dictionary<string, object?>
            {
                ["index"] = i + 1L,
                ["index0"] = (long)i,
                ["revindex"] = (long)items.Count - i,
                ["revindex0"] = items.Count - i - 1L,
                ["first"] = i == 0,
                ["last"] = i == items.Count - 1,
                ["length"] = (long)items.Count,
                ["previtem"] = i > 0 ? items[i - 1] : new JinjaUndefined("loop.previtem"),
                ["nextitem"] = i + 1 < items.Count ? items[i + 1] : new JinjaUndefined("loop.nextitem"),
            };
            if (Run(loop.Body) == Flow.Break)
            {
                break;
            }
        }
        _scopes.RemoveAt(_scopes.Count - 1);
        if (items.Count == 0)
        {
            Run(loop.Otherwise);
        }
    }

    private void Bind(JinjaStatement.For loop, object? item, Dictionary<string, object?> scope)
    {
        if (loop.Names.Count == 1)
        {
            scope[loop.Names[0]] = item;
            return;
        }
        List<object?> parts = Items(item, loop.At);
        if (parts.Count != loop.Names.Count)
        {
            throw Wrong($"{loop.Names.Count} variables for {parts.Count} values", loop.At);
        }
        for (int i = 0; i < parts.Count; i++)
        {
            scope[loop.Names[i]] = parts[i];
        }
    }

    // A variable that is set in a loop is gone after it; a field of a namespace stays.
    private void Assign(string name, string? field, object? value, int at)
    {
        if (field is null)
        {
            _scopes[^1][name] = value;
        }
        else if (Lookup(name) is JinjaNamespace target)
        {
            target.Fields[field] = value;
        }
        else
        {
            throw Wrong($"a field set on '{name}', which is no namespace", at);
        }
    }

    private object? Lookup(string name)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(name, out object? value))
            {
                return value;
            }
        }
        return globals.TryGetValue(name, out object? given) ? given : new JinjaUndefined(name);
    }

    private void Write(string text, int at)
    {
        if (_output.Length + text.Length > MaxText)
        {
            SpendText((long)_output.Length + text.Length, at);
        }
        SpendText(text.Length, at);
        _output.Append(text);
    }
}
