using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Sixteen float lanes, whatever the width of the machine's registers: one 512-bit, two 256-bit, four 128-bit
/// registers, or sixteen scalars. A kernel is written once over this interface, and every implementation rounds
/// each operation the same way, so its result is the same to the bit at every width.
/// </summary>
/// <typeparam name="T">The implementing struct.</typeparam>
internal unsafe interface ILanes<T> where T : struct, ILanes<T>
{
    static abstract T Broadcast(float value);

    static abstract T Load(float* source);

    void Store(float* destination);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract T Fma(T a, T b, T c);

    static abstract T operator +(T a, T b);

    static abstract T operator -(T a, T b);

    static abstract T operator *(T a, T b);

    static abstract T operator /(T a, T b);

    /// <summary>The square root, rounded once.</summary>
    static abstract T Sqrt(T a);

    static abstract T Max(T a, T b);

    static abstract T Min(T a, T b);

    /// <summary>
    /// The larger, in one instruction: NaN and the sign of 0 may come out either way, so no result may depend on them.
    /// </summary>
    static abstract T FastMax(T a, T b);

    /// <summary>The smaller, likewise.</summary>
    static abstract T FastMin(T a, T b);

    /// <summary>
    /// Adds the integer in the low mantissa bits of <paramref name="shifted"/> to the exponent of
    /// <paramref name="value"/>: value · 2^n where shifted = 1.5·2^23 + n.
    /// </summary>
    static abstract T AddExponent(T value, T shifted);

    /// <summary>Lanes of <paramref name="value"/> where the mask is above 0, of the other elsewhere.</summary>
    static abstract T Where(T mask, T value, T other);

    /// <summary>Every lane with the same 32 bits, whatever they mean.</summary>
    static abstract T BroadcastBits(int bits);

    /// <summary>Sixteen bfloat16 numbers, which are the upper halves of floats.</summary>
    static abstract T LoadBFloat16(ushort* source);

    /// <summary>32 signed bytes as lanes of two 16-bit integers, the earlier byte below.</summary>
    static abstract T LoadBytePairs(sbyte* source);

    /// <summary>
    /// Lanes of two 16-bit integers from the low halves of the bits of <paramref name="low"/> and
    /// <paramref name="high"/>.
    /// </summary>
    static abstract T JoinPairs(T low, T high);

    /// <summary>
    /// In 32-bit integers a_low·b_low + a_high·b_high + sum, where a and b are lanes of two 16-bit integers.
    /// </summary>
    static abstract T MultiplyAddPairs(T a, T b, T sum);

    /// <summary>32-bit integers as the nearest floats.</summary>
    static abstract T FromIntegers(T integers);

    /// <summary>The sum of the lanes by halving: 16 → 8 → 4 → 2 → 1, lane i with lane i + half.</summary>
    float Sum();

    /// <summary>The largest lane; no lane may be NaN.</summary>
    float Largest();
}

/// <summary>Loads, stores and functions that every lane type shares.</summary>
internal static unsafe class Lanes
{
    /// <summary>The number of virtual lanes.</summary>
    public const int Count = 16;

    /// <summary>1.5 · 2^23: adding it leaves round(x), ties to even, in the low mantissa bits.</summary>
    public const float RoundingShift = 12582912f;

    /// <summary>The number of groups of 16 that hold <paramref name="length"/> elements.</summary>
    public static int Groups(int length) => (length + Count - 1) / Count;

    /// <summary>The first <paramref name="count"/> lanes from memory, the others +0.</summary>
    public static T LoadFirst<T>(float* source, int count) where T : struct, ILanes<T>
    {
        float* padded = stackalloc float[Count];
        for (int i = 0; i < Count; i++)
        {
            padded[i] = i < count ? source[i] : 0f;
        }

        return T.Load(padded);
    }

    /// <summary>Writes the first <paramref name="count"/> lanes.</summary>
    public static void StoreFirst<T>(T value, float* destination, int count) where T : struct, ILanes<T>
    {
        float* padded = stackalloc float[Count];
        value.Store(padded);
        for (int i = 0; i < count; i++)
        {
            destination[i] = padded[i];
        }
    }

    /// <summary>The same value with the lanes from <paramref name="count"/> on set to +0.</summary>
    public static T KeepFirst<T>(T value, int count) where T : struct, ILanes<T>
    {
        float* padded = stackalloc float[Count];
        value.Store(padded);
        for (int i = count; i < Count; i++)
        {
            padded[i] = 0f;
        }

        return T.Load(padded);
    }

    /// <summary>
    /// e^x within 2 ulp for x in [−87.3, 88.3]; beyond, the value at that end.
    /// <code>x = n·ln 2 + r, |r| ≤ ln 2 / 2;  e^x = 2^n · Σ r^i / i!, i = 0..7</code>
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x) where T : struct, ILanes<T>
    {
        x = T.Min(T.Max(x, T.Broadcast(-87.3f)), T.Broadcast(88.3f));
        T shift = T.Broadcast(RoundingShift);
        T shifted = T.Fma(x, T.Broadcast(1.44269504f), shift);
        T n = shifted - shift;
        // ln 2 in two parts; the first has few bits, so n·(first part) is exact.
        T r = T.Fma(n, T.Broadcast(-0.693359375f), x);
        r = T.Fma(n, T.Broadcast(2.12194440e-4f), r);
        T p = T.Broadcast(1f / 5040f);
        p = T.Fma(p, r, T.Broadcast(1f / 720f));
        p = T.Fma(p, r, T.Broadcast(1f / 120f));
        p = T.Fma(p, r, T.Broadcast(1f / 24f));
        p = T.Fma(p, r, T.Broadcast(1f / 6f));
        p = T.Fma(p, r, T.Broadcast(0.5f));
        p = T.Fma(p, r, T.Broadcast(1f));
        p = T.Fma(p, r, T.Broadcast(1f));
        return T.AddExponent(p, shifted);
    }

    /// <summary>
    /// The hyperbolic tangent within 3 ulp: near 0 an odd polynomial, our fit of degree 13 with a relative error of 1e-9
    /// before rounding; beyond, by the exponential, which would cancel near 0.
    /// <code>tanh x = x + x³·P(x²), |x| &lt; 0.65;  otherwise ±(1 − 2 / (e^(2|x|) + 1))</code>
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        T one = T.Broadcast(1f);
        T square = x * x;
        T p = T.Broadcast(0.002214902750845937f);
        p = T.Fma(p, square, T.Broadcast(-0.00827245674133873f));
        p = T.Fma(p, square, T.Broadcast(0.021746187092122237f));
        p = T.Fma(p, square, T.Broadcast(-0.053956349397120074f));
        p = T.Fma(p, square, T.Broadcast(0.13333290745795787f));
        p = T.Fma(p, square, T.Broadcast(-0.3333333308402003f));
        T near = T.Fma(x * square, p, x);
        T magnitude = T.Max(x, zero - x);
        T far = one - (T.Broadcast(2f) / (Exp(magnitude + magnitude) + one));
        return T.Where(magnitude - T.Broadcast(0.65f), T.Where(x, far, zero - far), near);
    }
}
