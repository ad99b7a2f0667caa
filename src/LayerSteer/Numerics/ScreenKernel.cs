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
/// For each group of 16 outputs it writes the largest lower bound, the largest upper bound and the largest |â| + B; or,
/// for chosen groups, the upper bound of each output. Items: groups.
/// </summary>
internal unsafe struct ScreenKernel : IKernel
{
    /// <summary>Above this a bound says nothing: the exact output might be infinite.</summary>
    public const float LargestMagnitude = 1e37f;

    private const float Slack = 4.7683716e-7f; // 2⁻²¹: the roundings of bias, bound and key
    private const float Tiny = 7.703719777548943e-34f; // 2⁻¹¹⁰: more than all that underflows

    private readonly ScreenedOutputs _outputs;
    private readonly KeyKind _kind;
    private readonly float* _weights;
    private readonly float* _lower;
    private readonly float* _upper;
    private readonly float* _magnitude;
    private readonly int* _groups;
    private readonly float* _each;

    /// <summary>Bounds of every group; <paramref name="weights"/> is null for plain keys.</summary>
    public ScreenKernel(
        ScreenedOutputs outputs, KeyKind kind, float* weights, float* lower, float* upper, float* magnitude)
    {
        _outputs = outputs;
        _kind = kind;
        _weights = weights;
        _lower = lower;
        _upper = upper;
        _magnitude = magnitude;
    }

    /// <summary>The upper bound of each output of chosen groups, [groups, 16]; −∞ where there is no output.</summary>
    public ScreenKernel(ScreenedOutputs outputs, KeyKind kind, float* weights, int* groups, float* each)
    {
        _outputs = outputs;
        _kind = kind;
        _weights = weights;
        _groups = groups;
        _each = each;
    }

    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int item = begin; item < end; item++)
        {
            int group = _groups is null ? item : _groups[item];
            int first = group * Lanes.Count;
            int count = Math.Min(Lanes.Count, _outputs.Count - first);
            T approximate = Load<T>(_outputs.Approximate + first, count);
            T size = T.Max(approximate, T.Broadcast(0f) - approximate);
            T bound = T.Fma(size, T.Broadcast(Slack), T.Broadcast(Tiny));
            bound = T.Fma(Load<T>(_outputs.Norms + first, count), T.Broadcast(_outputs.NormFactor), bound);
            bound = T.Fma(Load<T>(_outputs.Errors + first, count), T.Broadcast(_outputs.ErrorFactor), bound);
            T weights = _weights is null ? bound : Load<T>(_weights + first, count);
            T upper = Key(approximate + bound, weights, 1f);
            if (_each is not null)
            {
                KeepFirst(upper, count).Store(_each + ((long)item * Lanes.Count));
                continue;
            }

            _lower[group] = KeepFirst(Key(approximate - bound, weights, -1f), count).Largest();
            _upper[group] = KeepFirst(upper, count).Largest();
            _magnitude[group] = KeepFirst(size + bound, count).Largest();
        }
    }

    /// <summary>The key of a bound; where it is rounded, moved away from the exact key in the bound's direction.</summary>
    private readonly T Key<T>(T a, T weights, float direction) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        if (_kind == KeyKind.Plain)
        {
            return a;
        }

        if (_kind == KeyKind.PositiveScaled)
        {
            T key = (T.Max(a, zero) * weights) + T.Min(a, zero);
            return T.Where(weights, key, T.Broadcast(float.NegativeInfinity));
        }

        T product = a * weights;
        T slack = T.Fma(T.Max(product, zero - product), T.Broadcast(Slack), T.Broadcast(Tiny));
        return T.Where(weights, T.Fma(slack, T.Broadcast(direction), product), zero);
    }

    private static T Load<T>(float* source, int count) where T : struct, ILanes<T> =>
        count == Lanes.Count ? T.Load(source) : Lanes.LoadFirst<T>(source, count);

    /// <summary>The lanes from <paramref name="count"/> on become −∞.</summary>
    private static T KeepFirst<T>(T value, int count) where T : struct, ILanes<T>
    {
        if (count == Lanes.Count)
        {
            return value;
        }

        float* lanes = stackalloc float[Lanes.Count];
        value.Store(lanes);
        new Span<float>(lanes + count, Lanes.Count - count).Fill(float.NegativeInfinity);
        return T.Load(lanes);
    }
}
