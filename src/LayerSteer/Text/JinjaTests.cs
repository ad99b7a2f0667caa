namespace LayerSteer.Text;

/// <summary>The tests of templates: <c>x is defined</c>.</summary>
internal static class JinjaTests
{
    private static readonly string[] Plain =
    [
        "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping",
        "sequence", "iterable", "odd", "even",
    ];

    private static readonly string[] WithArgument = ["equalto", "eq", "ne", "in", "divisibleby"];

    public static bool TakesArgument(string name) => WithArgument.Contains(name);

    public static void RefuseUnknown(string name, JinjaSource source, int at)
    {
        if (!Plain.Contains(name) && !WithArgument.Contains(name))
        {
            throw source.Unsupported($"the test '{name}'", at, Plain.Concat(WithArgument));
        }
    }

    public static bool Holds(JinjaRun run, string name, object? value, object? argument, int at)
    {
        switch (name)
        {
            case "odd":
                return run.Integer(value, at) % 2 != 0;
            case "even":
                return run.Integer(value, at) % 2 == 0;
            case "divisibleby":
                long divisor = run.Integer(argument, at);
                return divisor == 0
                    ? throw run.Wrong("a division by zero", at)
                    : divisor == -1 || run.Integer(value, at) % divisor == 0;
            default:
                return name switch
                {
                    "defined" => value is not JinjaUndefined,
                    "undefined" => value is JinjaUndefined,
                    "none" => value is null,
                    "boolean" => value is bool,
                    "true" => value is true,
                    "false" => value is false,
                    "integer" => value is long,
                    "float" => value is double,
                    "number" => value is bool or long or double,
                    "string" => value is string,
                    "mapping" => value is Dictionary<string, object?>,
                    "sequence" or "iterable" => value is string or List<object?> or Dictionary<string, object?>,
                    "in" => run.IsIn(value, argument, at),
                    "ne" => !JinjaValue.AreEqual(value, argument),
                    _ => JinjaValue.AreEqual(value, argument),
                };
        }
    }
}
