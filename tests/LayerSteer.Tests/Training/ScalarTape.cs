namespace LayerSteer.Tests.Training;

/// <summary>
/// Reverse-mode differentiation of plain scalar arithmetic in double: each operation writes down its value and the
/// derivatives by its operands, and <see cref="Gradients"/> walks back.
/// </summary>
internal sealed class ScalarTape
{
    private readonly List<double> _values = [];
    private readonly List<(int A, double ByA, int B, double ByB)> _operands = [];

    public int Count => _values.Count;

    public Scalar Variable(double value) => Push(value, -1, 0, -1, 0);

    public Scalar Push(double value, int a, double byA, int b, double byB)
    {
        _values.Add(value);
        _operands.Add((a, byA, b, byB));
        return new Scalar(this, _values.Count - 1);
    }

    public double Value(int index) => _values[index];

    public double[] Gradients(Scalar of)
    {
        double[] gradients = new double[_values.Count];
        gradients[of.Index] = 1;
        for (int i = of.Index; i >= 0; i--)
        {
            (int a, double byA, int b, double byB) = _operands[i];
            if (a >= 0)
            {
                gradients[a] += byA * gradients[i];
            }

            if (b >= 0)
            {
                gradients[b] += byB * gradients[i];
            }
        }

        return gradients;
    }
}

/// <summary>A number on a tape.</summary>
internal readonly record struct Scalar(ScalarTape Tape, int Index)
{
    public double Value => Tape.Value(Index);

    public static Scalar operator +(Scalar a, Scalar b) => a.Tape.Push(a.Value + b.Value, a.Index, 1, b.Index, 1);

    public static Scalar operator -(Scalar a, Scalar b) => a.Tape.Push(a.Value - b.Value, a.Index, 1, b.Index, -1);

    public static Scalar operator *(Scalar a, Scalar b) =>
        a.Tape.Push(a.Value * b.Value, a.Index, b.Value, b.Index, a.Value);

    public static Scalar operator /(Scalar a, Scalar b) =>
        a.Tape.Push(a.Value / b.Value, a.Index, 1 / b.Value, b.Index, -a.Value / (b.Value * b.Value));

    public static Scalar operator +(Scalar a, double b) => a.Map(a.Value + b, 1);

    public static Scalar operator *(Scalar a, double b) => a.Map(a.Value * b, b);

    public Scalar Map(double value, double derivative) => Tape.Push(value, Index, derivative, -1, 0);

    public Scalar Exp() => Map(Math.Exp(Value), Math.Exp(Value));

    public Scalar Log() => Map(Math.Log(Value), 1 / Value);

    public Scalar Root() => Map(Math.Sqrt(Value), 0.5 / Math.Sqrt(Value));

    public Scalar Tanh() => Map(Math.Tanh(Value), 1 - (Math.Tanh(Value) * Math.Tanh(Value)));
}
