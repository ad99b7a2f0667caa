namespace LayerSteer.Text;

/// <summary>
/// Reads the statements of a template: <c>if elif else</c>, <c>for … in … if … else</c>, <c>set</c>, <c>break</c>,
/// <c>continue</c>, and <c>generation</c>, which changes nothing. Expressions are
/// <see cref="JinjaExpressionParser"/>'s.
/// </summary>
internal sealed class JinjaParser
{
    private static readonly string[] Tags = ["if", "for", "set", "break", "continue", "generation"];

    private readonly JinjaSource _source;
    private readonly JinjaExpressionParser _reader;
    private int _loops;

    private JinjaParser(JinjaSource source)
    {
        _source = source;
        _reader = new JinjaExpressionParser(JinjaLexer.Read(source), source);
    }

    /// <summary>The statements of a whole template.</summary>
    /// <exception cref="InvalidDataException">It is not sound.</exception>
    /// <exception cref="NotSupportedException">It uses something beyond the subset.</exception>
    public static IReadOnlyList<JinjaStatement> Parse(JinjaSource source)
    {
        var parser = new JinjaParser(source);
        IReadOnlyList<JinjaStatement> statements = parser.ReadBody([], out _);
        return statements;
    }

    // Statements up to one of these tags, whose name is read over; with none, up to the end.
    private List<JinjaStatement> ReadBody(string[] until, out string found)
    {
        _reader.Enter();
        var body = new List<JinjaStatement>();
        while (true)
        {
            JinjaToken token = _reader.Read();
            switch (token.Kind)
            {
                case JinjaKind.End when until.Length == 0:
                    found = "";
                    _reader.Leave();
                    return body;
                case JinjaKind.End:
                    throw _source.Damaged($"no '{until[^1]}' before its end", token.At);
                case JinjaKind.Text:
                    body.Add(new JinjaStatement.Text(token.Value, token.At));
                    break;
                case JinjaKind.OutputStart:
                    body.Add(new JinjaStatement.Output(_reader.ReadExpression(), token.At));
                    _reader.Expect(JinjaKind.OutputEnd, "}}");
                    break;
                default:
                    JinjaToken name = _reader.ReadName("a tag");
                    if (until.Contains(name.Value))
                    {
                        found = name.Value;
                        _reader.Leave();
                        return body;
                    }
                    ReadTag(name, body);
                    break;
            }
        }
    }

    private void ReadTag(JinjaToken name, List<JinjaStatement> body)
    {
        switch (name.Value)
        {
            case "if":
                body.Add(ReadIf(name.At));
                break;
            case "for":
                body.Add(ReadFor(name.At));
                break;
            case "set":
                body.Add(ReadSet(name.At));
                break;
            case "break" or "continue" when _loops > 0:
                body.Add(new JinjaStatement.Leave(name.Value == "break", name.At));
                EndTag();
                break;
            case "generation":
                EndTag();
                body.AddRange(ReadBody(["endgeneration"], out _));
                EndTag();
                break;
            case "elif" or "else" or "endif" or "endfor" or "endset" or "endgeneration" or "break" or "continue":
                throw _source.Damaged($"'{name.Value}' at a wrong place", name.At);
            default:
                throw _source.Unsupported($"the tag '{name.Value}'", name.At, Tags);
        }
    }

    private JinjaStatement.If ReadIf(int at)
    {
        var branches = new List<(JinjaExpression?, IReadOnlyList<JinjaStatement>)>();
        string next = "if";
        while (next != "endif")
        {
            JinjaExpression? condition = next == "else" ? null : _reader.ReadExpression();
            EndTag();
            branches.Add((condition, ReadBody(next == "else" ? ["endif"] : ["elif", "else", "endif"], out next)));
        }
        EndTag();
        return new JinjaStatement.If(branches, at);
    }

    private JinjaStatement.For ReadFor(int at)
    {
        var names = new List<string>();
        do
        {
            names.Add(_reader.ReadName("a variable").Value);
        }
        while (_reader.TryOperator(","));
        if (!_reader.TryName("in"))
        {
            throw _reader.Unexpected("'in'");
        }
        JinjaExpression items = _reader.ReadWithoutConditional();
        JinjaExpression? condition = _reader.TryName("if") ? _reader.ReadExpression() : null;
        if (_reader.TryName("recursive"))
        {
            throw _source.Unsupported("'recursive'", at);
        }
        EndTag();
        _loops++;
        List<JinjaStatement> body = ReadBody(["else", "endfor"], out string next);
        _loops--;
        List<JinjaStatement> otherwise = [];
        if (next == "else")
        {
            EndTag();
            otherwise = ReadBody(["endfor"], out _);
        }
        EndTag();
        return new JinjaStatement.For(names, items, condition, body, otherwise, at);
    }

    private JinjaStatement ReadSet(int at)
    {
        string name = _reader.ReadName("a variable").Value;
        string? field = _reader.TryOperator(".") ? _reader.ReadName("a field").Value : null;
        if (_reader.TryOperator("="))
        {
            JinjaExpression value = _reader.ReadExpression();
            EndTag();
            return new JinjaStatement.Set(name, field, value, at);
        }
        if (field is not null)
        {
            throw _reader.Unexpected("'='");
        }
        EndTag();
        List<JinjaStatement> body = ReadBody(["endset"], out _);
        EndTag();
        return new JinjaStatement.Capture(name, body, at);
    }

    private void EndTag() => _reader.Expect(JinjaKind.BlockEnd, "%}");
}
