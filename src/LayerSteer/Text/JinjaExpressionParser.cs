using System.Globalization;

namespace LayerSteer.Text;

/// <summary>
/// Reads the expressions of a template, in Jinja's order of binding: <c>if else</c>, <c>or</c>, <c>and</c>, <c>not</c>,
/// comparisons and <c>in</c>, <c>+ -</c>, <c>~</c>, <c>* / // %</c>, sign, then <c>. [] ()</c>, filters and tests.
/// </summary>
internal sealed class JinjaExpressionParser(IReadOnlyList<JinjaToken> tokens, JinjaSource source)
{
    private const int MaxDepth = 400;
    private static readonly string[] Comparisons = ["==", "!=", "<", ">", "<=", ">="];

    private int _at;
    private int _depth;

    /// <summary>
    /// One level deeper: blocks, brackets, and each further operand of a chain, because evaluation goes as deep.
    /// </summary>
    public void Enter()
    {
        if (++_depth > MaxDepth)
        {
            throw source.Unsupported($"nesting deeper than {MaxDepth}", Next.At);
        }
    }

    public void Leave() => _depth--;

    public JinjaToken Read() => Next.Kind == JinjaKind.End ? Next : tokens[_at++];

    public JinjaToken ReadName(string what) => Next.Kind == JinjaKind.Name ? Read() : throw Unexpected(what);

    public void Expect(JinjaKind kind, string shown)
    {
        if (Next.Kind != kind)
        {
            throw Unexpected($"'{shown}'");
        }
        Read();
    }

    public bool TryOperator(string text) => TryRead(JinjaKind.Operator, text);

    public bool TryName(string text) => TryRead(JinjaKind.Name, text);

    /// <summary>A refusal of what comes next.</summary>
    public InvalidDataException Unexpected(string expected)
    {
        string found = Next.Kind switch
        {
            JinjaKind.End => "its end",
            JinjaKind.BlockEnd => "'%}'",
            JinjaKind.OutputEnd => "'}}'",
            JinjaKind.String => "a string",
            _ => TokenizerFile.Quote(Next.Value),
        };
        return source.Damaged($"{found} where {expected} was expected", Next.At);
    }

    public JinjaExpression ReadExpression()
    {
        int depth = _depth;
        Enter();
        JinjaExpression value = ReadOr();
        while (TryName("if"))
        {
            Enter();
            JinjaExpression condition = ReadOr();
            JinjaExpression? otherwise = TryName("else") ? ReadExpression() : null;
            value = new JinjaExpression.Conditional(condition, value, otherwise, value.At);
        }
        _depth = depth;
        return value;
    }

    /// <summary>What a loop goes through: an <c>if</c> behind it is the loop's.</summary>
    public JinjaExpression ReadWithoutConditional() => ReadOr();

    private JinjaToken Next => tokens[_at];

    private bool TryRead(JinjaKind kind, string text)
    {
        bool there = Next.Kind == kind && Next.Value == text;
        _at += there ? 1 : 0;
        return there;
    }

    private JinjaExpression ReadOr()
    {
        int depth = _depth;
        JinjaExpression left = ReadAnd();
        while (TryName("or"))
        {
            Enter();
            left = new JinjaExpression.Binary("or", left, ReadAnd(), left.At);
        }
        _depth = depth;
        return left;
    }

    private JinjaExpression ReadAnd()
    {
        int depth = _depth;
        JinjaExpression left = ReadNot();
        while (TryName("and"))
        {
            Enter();
            left = new JinjaExpression.Binary("and", left, ReadNot(), left.At);
        }
        _depth = depth;
        return left;
    }

    private JinjaExpression ReadNot()
    {
        int at = Next.At;
        if (!TryName("not"))
        {
            return ReadComparison();
        }
        Enter();
        JinjaExpression operand = ReadNot();
        Leave();
        return new JinjaExpression.Not(operand, at);
    }

    private JinjaExpression ReadComparison()
    {
        JinjaExpression first = ReadSum();
        var rest = new List<(string, JinjaExpression)>();
        while (true)
        {
            if (Next.Kind == JinjaKind.Operator && Comparisons.Contains(Next.Value))
            {
                string operation = Read().Value;
                rest.Add((operation, ReadSum()));
            }
            else if (TryName("in"))
            {
                rest.Add(("in", ReadSum()));
            }
            else if (Next is { Kind: JinjaKind.Name, Value: "not" }
                && tokens[_at + 1] is { Kind: JinjaKind.Name, Value: "in" })
            {
                _at += 2;
                rest.Add(("not in", ReadSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new JinjaExpression.Comparison(first, rest, first.At);
            }
        }
    }

    private JinjaExpression ReadSum() => ReadLeft(["+", "-"], ReadJoined);

    private JinjaExpression ReadJoined() => ReadLeft(["~"], ReadProduct);

    private JinjaExpression ReadProduct() => ReadLeft(["*", "/", "//", "%"], ReadSigned);

    private JinjaExpression ReadLeft(string[] operators, Func<JinjaExpression> operand)
    {
        int depth = _depth;
        JinjaExpression left = operand();
        while (Next.Kind == JinjaKind.Operator && operators.Contains(Next.Value))
        {
            Enter();
            JinjaToken operation = Read();
            left = new JinjaExpression.Binary(operation.Value, left, operand(), operation.At);
        }
        _depth = depth;
        return left;
    }

    private JinjaExpression ReadSigned()
    {
        int at = Next.At;
        if (TryOperator("-"))
        {
            Enter();
            JinjaExpression operand = ReadSigned();
            Leave();
            return new JinjaExpression.Negative(operand, at);
        }
        int depth = _depth;
        JinjaExpression value = ReadPostfix(ReadPrimary());
        while (true)
        {
            Enter();
            if (TryOperator("|"))
            {
                JinjaToken name = ReadName("a filter");
                JinjaFilters.RefuseUnknown(name.Value, source, name.At);
                JinjaArguments arguments = TryOperator("(") ? ReadArguments() : JinjaArguments.None;
                value = ReadPostfix(new JinjaExpression.Filter(value, name.Value, arguments, name.At));
            }
            else if (TryName("is"))
            {
                value = ReadTest(value);
            }
            else
            {
                _depth = depth;
                return value;
            }
        }
    }

    private JinjaExpression.Test ReadTest(JinjaExpression value)
    {
        bool negated = TryName("not");
        JinjaToken name = ReadName("a test");
        JinjaTests.RefuseUnknown(name.Value, source, name.At);
        JinjaExpression? argument = null;
        if (JinjaTests.TakesArgument(name.Value))
        {
            argument = ReadPostfix(ReadPrimary());
        }
        return new JinjaExpression.Test(value, name.Value, argument, negated, name.At);
    }

    private JinjaExpression ReadPostfix(JinjaExpression value)
    {
        int depth = _depth;
        while (true)
        {
            Enter();
            int at = Next.At;
            if (TryOperator("."))
            {
                JinjaToken name = Next.Kind == JinjaKind.Integer ? Read() : ReadName("a field");
                if (TryOperator("("))
                {
                    JinjaMethods.RefuseUnknown(name.Value, source, name.At);
                    value = new JinjaExpression.Method(value, name.Value, ReadArguments(), name.At);
                }
                else
                {
                    object key = name.Kind == JinjaKind.Integer ? Integer(name) : name.Value;
                    value = new JinjaExpression.Item(value, new JinjaExpression.Constant(key, name.At), name.At);
                }
            }
            else if (TryOperator("["))
            {
                value = ReadSubscript(value, at);
            }
            else if (Next is { Kind: JinjaKind.Operator, Value: "(" })
            {
                if (value is not JinjaExpression.Variable function)
                {
                    throw source.Unsupported("a call of what is not a name", at);
                }
                Read();
                value = new JinjaExpression.Call(function.Name, ReadArguments(), value.At);
            }
            else
            {
                _depth = depth;
                return value;
            }
        }
    }

    private JinjaExpression ReadSubscript(JinjaExpression target, int at)
    {
        JinjaExpression? start = Next.Value == ":" && Next.Kind == JinjaKind.Operator ? null : ReadExpression();
        if (start is not null && TryOperator("]"))
        {
            return new JinjaExpression.Item(target, start, at);
        }
        if (!TryOperator(":"))
        {
            throw Unexpected("']'");
        }
        JinjaExpression? stop = ReadBound();
        JinjaExpression? step = TryOperator(":") ? ReadBound() : null;
        if (!TryOperator("]"))
        {
            throw Unexpected("']'");
        }
        return new JinjaExpression.Slice(target, start, stop, step, at);
    }

    private JinjaExpression? ReadBound() =>
        Next.Kind == JinjaKind.Operator && Next.Value is ":" or "]" ? null : ReadExpression();

    private JinjaArguments ReadArguments()
    {
        var positional = new List<JinjaExpression>();
        var named = new List<(string, JinjaExpression)>();
        while (!TryOperator(")"))
        {
            if (positional.Count + named.Count > 0 && !TryOperator(","))
            {
                throw Unexpected("',' or ')'");
            }
            if (TryOperator(")"))
            {
                break;
            }
            if (Next.Kind == JinjaKind.Name && tokens[_at + 1] is { Kind: JinjaKind.Operator, Value: "=" })
            {
                string name = Read().Value;
                Read();
                named.Add((name, ReadExpression()));
            }
            else
            {
                positional.Add(ReadExpression());
            }
        }
        return new JinjaArguments(positional, named);
    }

    private JinjaExpression ReadPrimary()
    {
        JinjaToken token = Next;
        switch (token.Kind)
        {
            case JinjaKind.Name:
                Read();
                return token.Value switch
                {
                    "true" or "True" => new JinjaExpression.Constant(true, token.At),
                    "false" or "False" => new JinjaExpression.Constant(false, token.At),
                    "none" or "None" => new JinjaExpression.Constant(null, token.At),
                    _ => new JinjaExpression.Variable(token.Value, token.At),
                };
            case JinjaKind.String:
                return ReadStrings();
            case JinjaKind.Integer:
                Read();
                return new JinjaExpression.Constant(Integer(token), token.At);
            case JinjaKind.Float:
                Read();
                return new JinjaExpression.Constant(
                    double.Parse(token.Value, CultureInfo.InvariantCulture), token.At);
            case JinjaKind.Operator when token.Value is "(" or "[":
                Read();
                return ReadList(token.Value == "(" ? ")" : "]", token.At);
            case JinjaKind.Operator when token.Value == "{":
                Read();
                return ReadDictionary(token.At);
            default:
                throw Unexpected("an expression");
        }
    }

    // Strings that stand side by side are one.
    private JinjaExpression.Constant ReadStrings()
    {
        int at = Next.At;
        string value = Read().Value;
        while (Next.Kind == JinjaKind.String)
        {
            value += Read().Value;
        }
        return new JinjaExpression.Constant(value, at);
    }

    private JinjaExpression ReadList(string end, int at)
    {
        var items = new List<JinjaExpression>();
        bool comma = false;
        while (!TryOperator(end))
        {
            items.Add(ReadExpression());
            comma = TryOperator(",");
            if (!comma && Next.Value != end)
            {
                throw Unexpected($"',' or '{end}'");
            }
        }
        return end == ")" && items.Count == 1 && !comma ? items[0] : new JinjaExpression.ListOf(items, at);
    }

    private JinjaExpression.DictionaryOf ReadDictionary(int at)
    {
        var items = new List<(JinjaExpression, JinjaExpression)>();
        while (!TryOperator("}"))
        {
            JinjaExpression key = ReadExpression();
            if (!TryOperator(":"))
            {
                throw Unexpected("':'");
            }
            items.Add((key, ReadExpression()));
            if (!TryOperator(",") && Next.Value != "}")
            {
                throw Unexpected("',' or '}'");
            }
        }
        return new JinjaExpression.DictionaryOf(items, at);
    }

    private static long Integer(JinjaToken token) => long.Parse(token.Value, CultureInfo.InvariantCulture);
}
