using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LayerSteer.Numerics;

/// <summary>Sixteen lanes in one 512-bit register.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Lanes512>
{
    private readonly Vector512<float> _a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes512(Vector512<float> a) => _a = a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => _a.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Fma(Lanes512 a, Lanes512 b, Lanes512 c) => new(Vector512.FusedMultiplyAdd(a._a, b._a, c._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator +(Lanes512 a, Lanes512 b) => new(a._a + b._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator -(Lanes512 a, Lanes512 b) => new(a._a - b._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator *(Lanes512 a, Lanes512 b) => new(a._a * b._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator /(Lanes512 a, Lanes512 b) => new(a._a / b._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Sqrt(Lanes512 a) => new(Vector512.Sqrt(a._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Max(Lanes512 a, Lanes512 b) => new(Vector512.Max(a._a, b._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Min(Lanes512 a, Lanes512 b) => new(Vector512.Min(a._a, b._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 FastMax(Lanes512 a, Lanes512 b) => new(Vector512.MaxNative(a._a, b._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 FastMin(Lanes512 a, Lanes512 b) => new(Vector512.MinNative(a._a, b._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AddExponent(Lanes512 value, Lanes512 shifted) =>
        new((value._a.AsInt32() + (shifted._a.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Where(Lanes512 mask, Lanes512 value, Lanes512 other) => new(
        Vector512.ConditionalSelect(Vector512.GreaterThan(mask._a, Vector512<float>.Zero), value._a, other._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 BroadcastBits(int bits) => new(Vector512.Create(bits).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBFloat16(ushort* source)
    {
        if (Avx512F.IsSupported)
        {
            return new((Avx512F.ConvertToVector512Int32(Vector256.Load(source)) << 16).AsSingle());
        }

        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(source));
        return new((Vector512.Create(low, high) << 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBytePairs(sbyte* source)
    {
        if (Avx512BW.IsSupported)
        {
            return new(Avx512BW.ConvertToVector512Int16(Vector256.Load(source)).AsSingle());
        }

        (Vector256<short> low, Vector256<short> high) = Vector256.Widen(Vector256.Load(source));
        return new(Vector512.Create(low, high).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 JoinPairs(Lanes512 low, Lanes512 high) =>
        new(((low._a.AsInt32() & Vector512.Create(Halving.LowHalf)) | (high._a.AsInt32() << 16)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAddPairs(Lanes512 a, Lanes512 b, Lanes512 sum)
    {
        Vector512<int> products = Avx512BW.IsSupported
            ? Avx512BW.MultiplyAddAdjacent(a._a.AsInt16(), b._a.AsInt16())
            : ((a._a.AsInt32() << 16 >> 16) * (b._a.AsInt32() << 16 >> 16))
                + ((a._a.AsInt32() >> 16) * (b._a.AsInt32() >> 16));
        return new((products + sum._a.AsInt32()).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 FromIntegers(Lanes512 integers) => new(Vector512.ConvertToSingle(integers._a.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Halving.Sum(_a.GetLower() + _a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Largest() => Halving.Largest(Vector256.Max(_a.GetLower(), _a.GetUpper()));
}
