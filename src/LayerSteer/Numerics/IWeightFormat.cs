using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// How a panel of weights lies in memory and is multiplied. A panel holds 16 outputs; it is read in steps of two inputs
/// (one register of weights each, or both in one), so that <see cref="MatrixKernel{TFormat}"/> is written once.
/// </summary>
internal unsafe interface IWeightFormat
{
    /// <summary>Bytes of one step: two inputs by 16 outputs.</summary>
    static abstract int StepBytes { get; }

    /// <summary>32-bit words of a row of X that one step reads.</summary>
    static abstract int StepWords { get; }

    /// <summary>Whether the second input of a step has a register of its own.</summary>
    static abstract bool HasSecond { get; }

    /// <summary>The weights of a step's first input, or of both.</summary>
    static abstract T First<T>(byte* step) where T : struct, ILanes<T>;

    /// <summary>The weights of a step's second input.</summary>
    static abstract T Second<T>(byte* step) where T : struct, ILanes<T>;

    /// <summary>sum + weights·x.</summary>
    static abstract T MultiplyAdd<T>(T weights, float* x, T sum) where T : struct, ILanes<T>;

    /// <summary>The sum as floats, scaled.</summary>
    /// <param name="sum">Of all steps.</param>
    /// <param name="scales">The scales of the 16 outputs.</param>
    /// <param name="scale">The scale of the row of X.</param>
    static abstract T Result<T>(T sum, float* scales, float scale) where T : struct, ILanes<T>;
}

/// <summary>float32: [k][16].</summary>
internal readonly unsafe struct Float32Format : IWeightFormat
{
    public static int StepBytes => 2 * Lanes.Count * sizeof(float);

    public static int StepWords => 2;

    public static bool HasSecond => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T First<T>(byte* step) where T : struct, ILanes<T> => T.Load((float*)step);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Second<T>(byte* step) where T : struct, ILanes<T> => T.Load((float*)step + Lanes.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T MultiplyAdd<T>(T weights, float* x, T sum) where T : struct, ILanes<T> =>
        T.Fma(weights, T.Broadcast(*x), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Result<T>(T sum, float* scales, float scale) where T : struct, ILanes<T> => sum;
}

/// <summary>bfloat16: [k][16]. Products and sums are float32.</summary>
internal readonly unsafe struct BFloat16Format : IWeightFormat
{
    public static int StepBytes => 2 * Lanes.Count * sizeof(ushort);

    public static int StepWords => 2;

    public static bool HasSecond => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T First<T>(byte* step) where T : struct, ILanes<T> => T.LoadBFloat16((ushort*)step);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Second<T>(byte* step) where T : struct, ILanes<T> =>
        T.LoadBFloat16((ushort*)step + Lanes.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T MultiplyAdd<T>(T weights, float* x, T sum) where T : struct, ILanes<T> =>
        T.Fma(weights, T.Broadcast(*x), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Result<T>(T sum, float* scales, float scale) where T : struct, ILanes<T> => sum;
}

/// <summary>
/// int8 with a scale an output, against rows of X as 16-bit integers with a scale a row (<see cref="QuantiseKernel"/>):
/// <code>y = (Σ_k q_w[k]·q_x[k])·(s_w·s_x);  the sum is exact in 32-bit integers</code>
/// Layout [k / 32][16 steps][16 outputs][2]: step s of a group of 32 inputs holds inputs s and s + 16.
/// </summary>
internal readonly unsafe struct Int8Format : IWeightFormat
{
    public static int StepBytes => 2 * Lanes.Count;

    public static int StepWords => 1;

    public static bool HasSecond => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T First<T>(byte* step) where T : struct, ILanes<T> => T.LoadBytePairs((sbyte*)step);

    public static T Second<T>(byte* step) where T : struct, ILanes<T> => throw new NotSupportedException();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T MultiplyAdd<T>(T weights, float* x, T sum) where T : struct, ILanes<T> =>
        T.MultiplyAddPairs(weights, T.BroadcastBits(*(int*)x), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Result<T>(T sum, float* scales, float scale) where T : struct, ILanes<T> =>
        T.FromIntegers(sum) * (T.Load(scales) * T.Broadcast(scale));
}
