using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Sixteen lanes one at a time: the readable twin that says what each operation means. It runs where the machine
/// offers no vector registers, and the tests hold every width to it, bit for bit.
/// </summary>
internal unsafe struct ScalarLanes : ILanes<ScalarLanes>
{
    private Sixteen _lane;

    public static ScalarLanes Broadcast(float value)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Lanes.Count; i++)
        {
            result._lane[i] = value;
        }

        return result;
    }

    public static ScalarLanes Load(float* source)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Lanes.Count; i++)
        {
            result._lane[i] = source[i];
        }

        return result;
    }

    public readonly void Store(float* destination)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            destination[i] = _lane[i];
        }
    }

    public static ScalarLanes Fma(ScalarLanes a, ScalarLanes b, ScalarLanes c)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            c._lane[i] = MathF.FusedMultiplyAdd(a._lane[i], b._lane[i], c._lane[i]);
        }

        return c;
    }

    public static ScalarLanes operator +(ScalarLanes a, ScalarLanes b) => Each(a, b, &Add);

    public static ScalarLanes operator -(ScalarLanes a, ScalarLanes b) => Each(a, b, &Subtract);

    public static ScalarLanes operator *(ScalarLanes a, ScalarLanes b) => Each(a, b, &Multiply);

    public static ScalarLanes operator /(ScalarLanes a, ScalarLanes b) => Each(a, b, &Divide);

    public static ScalarLanes Sqrt(ScalarLanes a)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            a._lane[i] = MathF.Sqrt(a._lane[i]);
        }

        return a;
    }

    public static ScalarLanes Max(ScalarLanes a, ScalarLanes b) => Each(a, b, &MathF.Max);

    public static ScalarLanes Min(ScalarLanes a, ScalarLanes b) => Each(a, b, &MathF.Min);

    public static ScalarLanes FastMax(ScalarLanes a, ScalarLanes b) => Each(a, b, &MathF.Max);

    public static ScalarLanes FastMin(ScalarLanes a, ScalarLanes b) => Each(a, b, &MathF.Min);

    public static ScalarLanes AddExponent(ScalarLanes value, ScalarLanes shifted) => Each(value, shifted, &AddExponent);

    public static ScalarLanes Where(ScalarLanes mask, ScalarLanes value, ScalarLanes other)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            value._lane[i] = mask._lane[i] > 0f ? value._lane[i] : other._lane[i];
        }

        return value;
    }

    public static ScalarLanes BroadcastBits(int bits) => Broadcast(BitConverter.Int32BitsToSingle(bits));

    public static ScalarLanes LoadBFloat16(ushort* source)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Lanes.Count; i++)
        {
            result._lane[i] = BitConverter.Int32BitsToSingle(source[i] << 16);
        }

        return result;
    }

    public static ScalarLanes LoadBytePairs(sbyte* source)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Lanes.Count; i++)
        {
            result._lane[i] = BitConverter.Int32BitsToSingle(Join(source[2 * i], source[(2 * i) + 1]));
        }

        return result;
    }

    public static ScalarLanes JoinPairs(ScalarLanes low, ScalarLanes high) => EachBits(low, high, &Join);

    public static ScalarLanes MultiplyAddPairs(ScalarLanes a, ScalarLanes b, ScalarLanes sum) =>
        EachBits(EachBits(a, b, &Products), sum, &AddIntegers);

    public static ScalarLanes FromIntegers(ScalarLanes integers)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            integers._lane[i] = BitConverter.SingleToInt32Bits(integers._lane[i]);
        }

        return integers;
    }

    public readonly float Sum()
    {
        Sixteen sums = _lane;
        for (int half = Lanes.Count / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                sums[i] += sums[i + half];
            }
        }

        return sums[0];
    }

    public readonly float Largest()
    {
        float largest = _lane[0];
        for (int i = 1; i < Lanes.Count; i++)
        {
            largest = MathF.Max(largest, _lane[i]);
        }

        return largest;
    }

    private static ScalarLanes Each(ScalarLanes a, ScalarLanes b, delegate*<float, float, float> operation)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            a._lane[i] = operation(a._lane[i], b._lane[i]);
        }

        return a;
    }

    private static ScalarLanes EachBits(ScalarLanes a, ScalarLanes b, delegate*<int, int, int> operation)
    {
        for (int i = 0; i < Lanes.Count; i++)
        {
            a._lane[i] = BitConverter.Int32BitsToSingle(operation(
                BitConverter.SingleToInt32Bits(a._lane[i]), BitConverter.SingleToInt32Bits(b._lane[i])));
        }

        return a;
    }

    private static float Add(float a, float b) => a + b;

    private static float Subtract(float a, float b) => a - b;

    private static float Multiply(float a, float b) => a * b;

    private static float Divide(float a, float b) => a / b;

    private static float AddExponent(float value, float shifted) => BitConverter.Int32BitsToSingle(
        BitConverter.SingleToInt32Bits(value) + (BitConverter.SingleToInt32Bits(shifted) << 23));

    private static int Join(int low, int high) => (low & Halving.LowHalf) | (high << 16);

    private static int Products(int a, int b) => ((short)a * (short)b) + ((a >> 16) * (b >> 16));

    private static int AddIntegers(int a, int b) => a + b;

    [InlineArray(Lanes.Count)]
    private struct Sixteen
    {
        private float _first;
    }
}
