using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LayerSteer.Numerics;

/// <summary>Sixteen lanes in four 128-bit registers.</summary>
internal readonly unsafe struct Lanes128 : ILanes<Lanes128>
{
    private readonly Vector128<float> _a;
    private readonly Vector128<float> _b;
    private readonly Vector128<float> _c;
    private readonly Vector128<float> _d;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes128(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        _a = a;
        _b = b;
        _c = c;
        _d = d;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Broadcast(float value)
    {
        Vector128<float> v = Vector128.Create(value);
        return new(v, v, v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(
        Vector128.Load(source), Vector128.Load(source + 4), Vector128.Load(source + 8), Vector128.Load(source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination)
    {
        _a.Store(destination);
        _b.Store(destination + 4);
        _c.Store(destination + 8);
        _d.Store(destination + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Fma(Lanes128 x, Lanes128 y, Lanes128 z) => new(
        Vector128.FusedMultiplyAdd(x._a, y._a, z._a),
        Vector128.FusedMultiplyAdd(x._b, y._b, z._b),
        Vector128.FusedMultiplyAdd(x._c, y._c, z._c),
        Vector128.FusedMultiplyAdd(x._d, y._d, z._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator +(Lanes128 x, Lanes128 y) =>
        new(x._a + y._a, x._b + y._b, x._c + y._c, x._d + y._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 x, Lanes128 y) =>
        new(x._a - y._a, x._b - y._b, x._c - y._c, x._d - y._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator *(Lanes128 x, Lanes128 y) =>
        new(x._a * y._a, x._b * y._b, x._c * y._c, x._d * y._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator /(Lanes128 x, Lanes128 y) =>
        new(x._a / y._a, x._b / y._b, x._c / y._c, x._d / y._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Sqrt(Lanes128 x) =>
        new(Vector128.Sqrt(x._a), Vector128.Sqrt(x._b), Vector128.Sqrt(x._c), Vector128.Sqrt(x._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Max(Lanes128 x, Lanes128 y) => new(
        Vector128.Max(x._a, y._a), Vector128.Max(x._b, y._b), Vector128.Max(x._c, y._c), Vector128.Max(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Min(Lanes128 x, Lanes128 y) => new(
        Vector128.Min(x._a, y._a), Vector128.Min(x._b, y._b), Vector128.Min(x._c, y._c), Vector128.Min(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 FastMax(Lanes128 x, Lanes128 y) => new(
        Vector128.MaxNative(x._a, y._a),
        Vector128.MaxNative(x._b, y._b),
        Vector128.MaxNative(x._c, y._c),
        Vector128.MaxNative(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 FastMin(Lanes128 x, Lanes128 y) => new(
        Vector128.MinNative(x._a, y._a),
        Vector128.MinNative(x._b, y._b),
        Vector128.MinNative(x._c, y._c),
        Vector128.MinNative(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AddExponent(Lanes128 value, Lanes128 shifted) => new(
        (value._a.AsInt32() + (shifted._a.AsInt32() << 23)).AsSingle(),
        (value._b.AsInt32() + (shifted._b.AsInt32() << 23)).AsSingle(),
        (value._c.AsInt32() + (shifted._c.AsInt32() << 23)).AsSingle(),
        (value._d.AsInt32() + (shifted._d.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Where(Lanes128 mask, Lanes128 value, Lanes128 other) => new(
        Where(mask._a, value._a, other._a),
        Where(mask._b, value._b, other._b),
        Where(mask._c, value._c, other._c),
        Where(mask._d, value._d, other._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 BroadcastBits(int bits)
    {
        Vector128<float> v = Vector128.Create(bits).AsSingle();
        return new(v, v, v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBFloat16(ushort* source)
    {
        (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(Vector128.Load(source));
        (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(Vector128.Load(source + 8));
        return new((a << 16).AsSingle(), (b << 16).AsSingle(), (c << 16).AsSingle(), (d << 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBytePairs(sbyte* source)
    {
        (Vector128<short> a, Vector128<short> b) = Vector128.Widen(Vector128.Load(source));
        (Vector128<short> c, Vector128<short> d) = Vector128.Widen(Vector128.Load(source + 16));
        return new(a.AsSingle(), b.AsSingle(), c.AsSingle(), d.AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 JoinPairs(Lanes128 low, Lanes128 high) => new(
        Join(low._a.AsInt32(), high._a.AsInt32()).AsSingle(),
        Join(low._b.AsInt32(), high._b.AsInt32()).AsSingle(),
        Join(low._c.AsInt32(), high._c.AsInt32()).AsSingle(),
        Join(low._d.AsInt32(), high._d.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAddPairs(Lanes128 x, Lanes128 y, Lanes128 sum) => new(
        (Products(x._a.AsInt32(), y._a.AsInt32()) + sum._a.AsInt32()).AsSingle(),
        (Products(x._b.AsInt32(), y._b.AsInt32()) + sum._b.AsInt32()).AsSingle(),
        (Products(x._c.AsInt32(), y._c.AsInt32()) + sum._c.AsInt32()).AsSingle(),
        (Products(x._d.AsInt32(), y._d.AsInt32()) + sum._d.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 FromIntegers(Lanes128 integers) => new(
        Vector128.ConvertToSingle(integers._a.AsInt32()),
        Vector128.ConvertToSingle(integers._b.AsInt32()),
        Vector128.ConvertToSingle(integers._c.AsInt32()),
        Vector128.ConvertToSingle(integers._d.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Halving.Sum((_a + _c) + (_b + _d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Largest() => Halving.Largest(Vector128.Max(Vector128.Max(_a, _c), Vector128.Max(_b, _d)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Where(Vector128<float> mask, Vector128<float> value, Vector128<float> other) =>
        Vector128.ConditionalSelect(Vector128.GreaterThan(mask, Vector128<float>.Zero), value, other);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Join(Vector128<int> low, Vector128<int> high) =>
        (low & Vector128.Create(Halving.LowHalf)) | (high << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Products(Vector128<int> x, Vector128<int> y) => Sse2.IsSupported
        ? Sse2.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16())
        : ((x << 16 >> 16) * (y << 16 >> 16)) + ((x >> 16) * (y >> 16));
}
