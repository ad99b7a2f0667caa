using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>What a screening knows of the outputs of one row of inputs.</summary>
/// <param name="approximate">Approximate outputs, [count].</param>
/// <param name="errors">e, [count].</param>
/// <param name="norms">n, [count].</param>
/// <param name="count">The number of outputs.</param>
/// <param name="errorFactor">What e is multiplied by.</param>
/// <param name="normFactor">What n is multiplied by.</param>
internal readonly unsafe struct ScreenedOutputs(
    float* approximate, float* errors, float* norms, int count, float errorFactor, float normFactor)
{
    public float* Approximate { get; } = approximate;

    public float* Errors { get; } = errors;

    public float* Norms { get; } = norms;

    public int Count { get; } = count;

    public float ErrorFactor { get; } = errorFactor;

    public float NormFactor { get; } = normFactor;
}

/// <summary>Where bounds of keys go.</summary>
/// <param name="lower">The largest lower bound of each group, [groups].</param>
/// <param name="upper">The largest upper bound of each group, [groups].</param>
/// <param name="magnitude">The largest |â| + B of each group, [groups].</param>
/// <param name="uppers">The upper bound of each output, [count].</param>
internal readonly unsafe struct ScreenedKeys(float* lower, float* upper, float* magnitude, float* uppers)
{
    public float* Lower { get; } = lower;

    public float* Upper { get; } = upper;

    public float* Magnitude { get; } = magnitude;

    public float* Uppers { get; } = uppers;
}

/// <summary>How an output becomes the key by which it is ranked; a function that never falls as the output rises.</summary>
internal enum KeyKind
{
    /// <summary>The output itself.</summary>
    Plain,

    /// <summary>a·w where a > 0, a elsewhere; −∞ where w is 0.</summary>
    PositiveScaled,

    /// <summary>a·w for either sign, known within some roundings; 0 where w is 0.</summary>
    Scaled,
}

/// <summary>
/// Bounds of keys from approximate outputs: the exact output lies within B of the approximate one,
/// <code>B = e·errorFactor + n·normFactor + 2⁻²¹·|â| + 2⁻¹¹⁰;   key(â − B) ≤ key(a) ≤ key(â + B)</code>
/// Written for each output: the upper bound; and for each group of 16 outputs: the largest lower bound, the largest
/// upper bound and the largest |â| + B, which is NaN if any is. Output i of a block of 256 belongs to group i % 16 of
/// that block, so that maxima need no horizontal step. Items: blocks.
/// </summary>
internal unsafe struct ScreenKernel : IKernel
{
    /// <summary>Outputs of a block, which has 16 groups.</summary>
    public const int Block = Lanes.Count * Lanes.Count;

    /// <summary>Above this a bound says nothing: the exact output might be infinite.</summary>
    public const float LargestMagnitude = 1e37f;

    private const float Slack = 4.7683716e-7f; // 2⁻²¹: the roundings of bias, bound and key
    private const float Tiny = 7.703719777548943e-34f; // 2⁻¹¹⁰: more than all that underflows

    private readonly ScreenedOutputs _outputs;
    private readonly KeyKind _kind;
    private readonly float* _weights;
    private readonly ScreenedKeys _keys;

    private ScreenKernel(ScreenedOutputs outputs, KeyKind kind, float* weights, ScreenedKeys keys)
    {
        _outputs = outputs;
        _kind = kind;
        _weights = weights;
        _keys = keys;
    }

    /// <summary>The number of groups of so many outputs; the last may be empty.</summary>
    public static int Groups(int outputs) => (outputs + Block - 1) / Block * Lanes.Count;

    /// <summary>Finds the bounds.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="outputs">What is known of the outputs.</param>
    /// <param name="kind">How keys are made.</param>
    /// <param name="weights">The weight of each output; null for plain keys.</param>
    /// <param name="keys">Receives the bounds.</param>
    public static void Run(
        WorkerPool pool, ScreenedOutputs outputs, KeyKind kind, float* weights, ScreenedKeys keys)
    {
        var kernel = new ScreenKernel(outputs, kind, weights, keys);
        pool.Run(ref kernel, Groups(outputs.Count) / Lanes.Count, outputs.Count * 4L);
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        T none = T.Broadcast(float.NegativeInfinity);
        for (int block = begin; block < end; block++)
        {
            T lower = none;
            T upper = none;
            T magnitude = T.Broadcast(0f);
            int first = block * Block;
            int stop = Math.Min(first + Block, _outputs.Count);
            int i = first;
            for (; i + Lanes.Count <= stop; i += Lanes.Count)
            {
                T approximate = T.Load(_outputs.Approximate + i);
                T size = T.FastMax(approximate, T.Broadcast(0f) - approximate);
                T bound = Bound(size, T.Load(_outputs.Errors + i), T.Load(_outputs.Norms + i));
                T weights = _weights is null ? bound : T.Load(_weights + i);
                T each = Key(approximate + bound, weights, 1f);
                each.Store(_keys.Uppers + i);
                upper = T.FastMax(upper, each);
                lower = T.FastMax(lower, Key(approximate - bound, weights, -1f));

                // A plain maximum might lose a NaN; a sum keeps it.
                magnitude = T.FastMax(magnitude, size + bound) + ((size + bound) * T.Broadcast(0f));
            }

            if (i < stop)
            {
                int count = stop - i;
                T approximate = Lanes.LoadFirst<T>(_outputs.Approximate + i, count);
                T size = T.FastMax(approximate, T.Broadcast(0f) - approximate);
                T bound = Bound(
                    size,
                    Lanes.LoadFirst<T>(_outputs.Errors + i, count),
                    Lanes.LoadFirst<T>(_outputs.Norms + i, count));
                T weights = _weights is null ? bound : Lanes.LoadFirst<T>(_weights + i, count);
                T each = OnlyFirst(Key(approximate + bound, weights, 1f), count);
                Lanes.StoreFirst(each, _keys.Uppers + i, count);
                upper = T.FastMax(upper, each);
                lower = T.FastMax(lower, OnlyFirst(Key(approximate - bound, weights, -1f), count));
                magnitude = T.FastMax(magnitude, size + bound) + ((size + bound) * T.Broadcast(0f));
            }

            lower.Store(_keys.Lower + (block * Lanes.Count));
            upper.Store(_keys.Upper + (block * Lanes.Count));
            magnitude.Store(_keys.Magnitude + (block * Lanes.Count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly T Bound<T>(T size, T errors, T norms) where T : struct, ILanes<T>
    {
        T bound = T.Fma(size, T.Broadcast(Slack), T.Broadcast(Tiny));
        bound = T.Fma(norms, T.Broadcast(_outputs.NormFactor), bound);
        return T.Fma(errors, T.Broadcast(_outputs.ErrorFactor), bound);
    }

    /// <summary>The key of a bound; where it is rounded, moved away from the exact key in the bound's direction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly T Key<T>(T a, T weights, float direction) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        if (_kind == KeyKind.Plain)
        {
            return a;
        }

        if (_kind == KeyKind.PositiveScaled)
        {
            T key = (T.FastMax(a, zero) * weights) + T.FastMin(a, zero);
            return T.Where(weights, key, T.Broadcast(float.NegativeInfinity));
        }

        T product = a * weights;
        T slack = T.Fma(T.FastMax(product, zero - product), T.Broadcast(Slack), T.Broadcast(Tiny));
        return T.Where(weights, T.Fma(slack, T.Broadcast(direction), product), zero);
    }

    /// <summary>The lanes from <paramref name="count"/> on become −∞.</summary>
    private static T OnlyFirst<T>(T value, int count) where T : struct, ILanes<T>
    {
        float* lanes = stackalloc float[Lanes.Count];
        value.Store(lanes);
        new Span<float>(lanes + count, Lanes.Count - count).Fill(float.NegativeInfinity);
        return T.Load(lanes);
    }
}
