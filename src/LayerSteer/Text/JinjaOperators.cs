using System.Text;

namespace LayerSteer.Text;

/// <content>Operators, as Python has them.</content>
internal sealed partial class JinjaRun
{
    private object Negated(object? value, int at) => value switch
    {
        // Cast, or the three would become doubles.
        long n and not long.MinValue => (object)-n,
        double d => -d,
        bool b => b ? -1L : 0L,
        _ => throw Wrong($"the negative of {JinjaValue.TypeName(value)}", at),
    };

    private bool Compared(JinjaExpression.Comparison comparison)
    {
        object? left = Evaluate(comparison.First);
        foreach ((string operation, JinjaExpression operand) in comparison.Rest)
        {
            object? right = Evaluate(operand);
            bool holds = operation switch
            {
                "==" => JinjaValue.AreEqual(left, right),
                "!=" => !JinjaValue.AreEqual(left, right),
                "in" => IsIn(left, right, operand.At),
                "not in" => !IsIn(left, right, operand.At),
                _ => Ordered(operation, left, right, comparison.At),
            };
            if (!holds)
            {
                return false;
            }
            left = right;
        }
        return true;
    }

    private bool Ordered(string operation, object? left, object? right, int at)
    {
        int order = JinjaValue.TryNumber(left, out double a) && JinjaValue.TryNumber(right, out double b)
            ? (left is long x && right is long y ? x.CompareTo(y) : a.CompareTo(b))
            : left is string s && right is string t ? string.CompareOrdinal(s, t)
            : throw Wrong($"'{operation}' of {JinjaValue.TypeName(left)} and {JinjaValue.TypeName(right)}", at);
        return operation switch
        {
            "<" => order < 0,
            ">" => order > 0,
            "<=" => order <= 0,
            _ => order >= 0,
        };
    }

    private object? Binary(JinjaExpression.Binary binary)
    {
        object? left = Evaluate(binary.Left);
        if (binary.Operator is "and" or "or")
        {
            return JinjaValue.IsTrue(left) == (binary.Operator == "or") ? left : Evaluate(binary.Right);
        }
        object? right = Evaluate(binary.Right);
        switch (binary.Operator)
        {
            case "~":
                return Joined(JinjaValue.Print(left), JinjaValue.Print(right), binary.At);
            case "+" when left is string s && right is string t:
                return Joined(s, t, binary.At);
            case "+" when left is List<object?> s && right is List<object?> t:
                Spend(s.Count + t.Count, binary.At);
                return (List<object?>)[.. s, .. t];
            case "*" when left is string repeated && right is long times:
                long count = Math.Max(0, times);
                SpendText(count > MaxText ? long.MaxValue : count * repeated.Length, binary.At);
                return new StringBuilder().Insert(0, repeated, (int)count).ToString();
            default:
                return Computed(binary.Operator, left, right, binary.At);
        }
    }

    private string Joined(string left, string right, int at)
    {
        SpendText((long)left.Length + right.Length, at);
        return left + right;
    }

    private object Computed(string operation, object? left, object? right, int at)
    {
        if (!JinjaValue.TryNumber(left, out double a) || !JinjaValue.TryNumber(right, out double b))
        {
            throw Wrong($"'{operation}' of {JinjaValue.TypeName(left)} and {JinjaValue.TypeName(right)}", at);
        }
        if (operation is "/" or "//" or "%" && b == 0)
        {
            throw Wrong("a division by zero", at);
        }
        if (operation == "/" || left is double || right is double)
        {
            return operation switch
            {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => Math.Floor(a / b),
                _ => a - (b * Math.Floor(a / b)),
            };
        }
        (Int128 x, Int128 y) = (Integer(left, at), Integer(right, at));
        Int128 result = operation switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            // Python rounds down, and the remainder has the sign of the divisor.
            "//" => (x - (((x % y) + y) % y)) / y,
            _ => ((x % y) + y) % y,
        };
        return result >= long.MinValue && result <= long.MaxValue
            ? (long)result
            : throw Wrong("a number of more than 64 bits", at);
    }
}
