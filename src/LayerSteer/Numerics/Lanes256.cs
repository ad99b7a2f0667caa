using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LayerSteer.Numerics;

/// <summary>Sixteen lanes in two 256-bit registers.</summary>
internal readonly unsafe struct Lanes256 : ILanes<Lanes256>
{
    private readonly Vector256<float> _a;
    private readonly Vector256<float> _b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes256(Vector256<float> a, Vector256<float> b)
    {
        _a = a;
        _b = b;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Broadcast(float value)
    {
        Vector256<float> v = Vector256.Create(value);
        return new(v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source), Vector256.Load(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination)
    {
        _a.Store(destination);
        _b.Store(destination + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Fma(Lanes256 a, Lanes256 b, Lanes256 c) =>
        new(Vector256.FusedMultiplyAdd(a._a, b._a, c._a), Vector256.FusedMultiplyAdd(a._b, b._b, c._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator +(Lanes256 a, Lanes256 b) => new(a._a + b._a, a._b + b._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 a, Lanes256 b) => new(a._a - b._a, a._b - b._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator *(Lanes256 a, Lanes256 b) => new(a._a * b._a, a._b * b._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator /(Lanes256 a, Lanes256 b) => new(a._a / b._a, a._b / b._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Sqrt(Lanes256 a) => new(Vector256.Sqrt(a._a), Vector256.Sqrt(a._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Max(Lanes256 a, Lanes256 b) => new(Vector256.Max(a._a, b._a), Vector256.Max(a._b, b._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Min(Lanes256 a, Lanes256 b) => new(Vector256.Min(a._a, b._a), Vector256.Min(a._b, b._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 FastMax(Lanes256 a, Lanes256 b) =>
        new(Vector256.MaxNative(a._a, b._a), Vector256.MaxNative(a._b, b._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 FastMin(Lanes256 a, Lanes256 b) =>
        new(Vector256.MinNative(a._a, b._a), Vector256.MinNative(a._b, b._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AddExponent(Lanes256 value, Lanes256 shifted) => new(
        (value._a.AsInt32() + (shifted._a.AsInt32() << 23)).AsSingle(),
        (value._b.AsInt32() + (shifted._b.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Where(Lanes256 mask, Lanes256 value, Lanes256 other) => new(
        Vector256.ConditionalSelect(Vector256.GreaterThan(mask._a, Vector256<float>.Zero), value._a, other._a),
        Vector256.ConditionalSelect(Vector256.GreaterThan(mask._b, Vector256<float>.Zero), value._b, other._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 BroadcastBits(int bits)
    {
        Vector256<float> v = Vector256.Create(bits).AsSingle();
        return new(v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBFloat16(ushort* source) => new(LoadUpper(source), LoadUpper(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBytePairs(sbyte* source) => new(LoadPairs(source), LoadPairs(source + 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 JoinPairs(Lanes256 low, Lanes256 high)
    {
        Vector256<int> mask = Vector256.Create(Halving.LowHalf);
        return new(
            ((low._a.AsInt32() & mask) | (high._a.AsInt32() << 16)).AsSingle(),
            ((low._b.AsInt32() & mask) | (high._b.AsInt32() << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAddPairs(Lanes256 a, Lanes256 b, Lanes256 sum) => new(
        (Products(a._a.AsInt32(), b._a.AsInt32()) + sum._a.AsInt32()).AsSingle(),
        (Products(a._b.AsInt32(), b._b.AsInt32()) + sum._b.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 FromIntegers(Lanes256 integers) => new(
        Vector256.ConvertToSingle(integers._a.AsInt32()), Vector256.ConvertToSingle(integers._b.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Halving.Sum(_a + _b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Largest() => Halving.Largest(Vector256.Max(_a, _b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LoadUpper(ushort* source)
    {
        if (Avx2.IsSupported)
        {
            return (Avx2.ConvertToVector256Int32(source) << 16).AsSingle();
        }

        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Load(source));
        return (Vector256.Create(low, high) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LoadPairs(sbyte* source)
    {
        if (Avx2.IsSupported)
        {
            return Avx2.ConvertToVector256Int16(source).AsSingle();
        }

        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(source));
        return Vector256.Create(low, high).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Products(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16())
        : ((a << 16 >> 16) * (b << 16 >> 16)) + ((a >> 16) * (b >> 16));
}

/// <summary>The last steps of the fixed tree, shared by the widths so that they cannot differ.</summary>
internal static class Halving
{
    /// <summary>The lower 16 bits of a lane.</summary>
    public const int LowHalf = 0xFFFF;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> eight) => Sum(eight.GetLower() + eight.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> four)
    {
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3));
        return two.ToScalar() + two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<float> eight) => Largest(Vector128.Max(eight.GetLower(), eight.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector128<float> four)
    {
        Vector128<float> two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3)));
        return MathF.Max(two.ToScalar(), two.GetElement(1));
    }
}
