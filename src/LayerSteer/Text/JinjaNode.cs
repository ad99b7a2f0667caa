namespace LayerSteer.Text;

/// <summary>An expression of a template.</summary>
/// <param name="At">Where it stands.</param>
internal abstract record JinjaExpression(int At)
{
    internal sealed record Constant(object? Value, int At) : JinjaExpression(At);

    internal sealed record Variable(string Name, int At) : JinjaExpression(At);

    internal sealed record ListOf(IReadOnlyList<JinjaExpression> Items, int At) : JinjaExpression(At);

    internal sealed record DictionaryOf(
        IReadOnlyList<(JinjaExpression Key, JinjaExpression Value)> Items, int At) : JinjaExpression(At);

    /// <summary><c>target.name</c> or <c>target[key]</c>.</summary>
    internal sealed record Item(JinjaExpression Target, JinjaExpression Key, int At) : JinjaExpression(At);

    /// <summary><c>target[start:stop:step]</c>.</summary>
    internal sealed record Slice(
        JinjaExpression Target, JinjaExpression? Start, JinjaExpression? Stop, JinjaExpression? Step, int At)
        : JinjaExpression(At);

    /// <summary>A global function.</summary>
    internal sealed record Call(string Name, JinjaArguments Arguments, int At) : JinjaExpression(At);

    /// <summary>A method of a text, list or dictionary.</summary>
    internal sealed record Method(
        JinjaExpression Target, string Name, JinjaArguments Arguments, int At) : JinjaExpression(At);

    internal sealed record Filter(
        JinjaExpression Target, string Name, JinjaArguments Arguments, int At) : JinjaExpression(At);

    internal sealed record Test(
        JinjaExpression Target, string Name, JinjaExpression? Argument, bool Negated, int At) : JinjaExpression(At);

    internal sealed record Not(JinjaExpression Operand, int At) : JinjaExpression(At);

    internal sealed record Negative(JinjaExpression Operand, int At) : JinjaExpression(At);

    internal sealed record Binary(
        string Operator, JinjaExpression Left, JinjaExpression Right, int At) : JinjaExpression(At);

    /// <summary><c>a &lt; b &lt;= c</c>.</summary>
    internal sealed record Comparison(
        JinjaExpression First, IReadOnlyList<(string Operator, JinjaExpression Operand)> Rest, int At)
        : JinjaExpression(At);

    internal sealed record Conditional(
        JinjaExpression Condition, JinjaExpression Then, JinjaExpression? Else, int At) : JinjaExpression(At);
}

/// <summary>Arguments of a call.</summary>
internal sealed record JinjaArguments(
    IReadOnlyList<JinjaExpression> Positional, IReadOnlyList<(string Name, JinjaExpression Value)> Named)
{
    public static readonly JinjaArguments None = new([], []);
}

/// <summary>A statement of a template.</summary>
/// <param name="At">Where it stands.</param>
internal abstract record JinjaStatement(int At)
{
    internal sealed record Text(string Value, int At) : JinjaStatement(At);

    internal sealed record Output(JinjaExpression Value, int At) : JinjaStatement(At);

    internal sealed record If(
        IReadOnlyList<(JinjaExpression? Condition, IReadOnlyList<JinjaStatement> Body)> Branches, int At)
        : JinjaStatement(At);

    internal sealed record For(
        IReadOnlyList<string> Names,
        JinjaExpression Items,
        JinjaExpression? Condition,
        IReadOnlyList<JinjaStatement> Body,
        IReadOnlyList<JinjaStatement> Otherwise,
        int At) : JinjaStatement(At);

    /// <summary><c>set name = value</c> or <c>set name.field = value</c>.</summary>
    internal sealed record Set(string Name, string? Field, JinjaExpression Value, int At) : JinjaStatement(At);

    /// <summary><c>set name</c> … <c>endset</c>.</summary>
    internal sealed record Capture(string Name, IReadOnlyList<JinjaStatement> Body, int At) : JinjaStatement(At);

    /// <summary><c>break</c> or <c>continue</c>.</summary>
    internal sealed record Leave(bool Loop, int At) : JinjaStatement(At);
}
