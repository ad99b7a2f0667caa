using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Layer normalisation of rows (Ba et al. 2016):
/// <code>y = (x − mean) / √(var + eps) · w + b,  var with divisor d;  x, y [rows, d], w, b [d]</code>
/// Sums run over 16 lanes by absolute index and one fixed tree. Items: rows.
/// </summary>
internal unsafe struct LayerNormKernel : IKernel
{
    private readonly float* _x;
    private readonly float* _y;
    private readonly float* _weight;
    private readonly float* _bias;
    private readonly int _d;
    private readonly float _eps;

    private LayerNormKernel(float* x, float* y, float* weight, float* bias, int d, float eps)
    {
        _x = x;
        _y = y;
        _weight = weight;
        _bias = bias;
        _d = d;
        _eps = eps;
    }

    /// <summary>
    /// Normalises <paramref name="rows"/> rows of the length of <paramref name="weight"/>; y may be x.
    /// </summary>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> x,
        Span<float> y,
        ReadOnlySpan<float> weight,
        ReadOnlySpan<float> bias,
        int rows,
        float eps)
    {
        int d = weight.Length;
        Shape.Require(bias.Length == d && x.Length >= (long)rows * d && y.Length >= (long)rows * d);
        fixed (float* px = x, py = y, w = weight, b = bias)
        {
            var kernel = new LayerNormKernel(px, py, w, b, d, eps);
            pool.Run(ref kernel, rows, (long)rows * d * 4);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (long row = begin; row < end; row++)
        {
            float* x = _x + (row * _d);
            float* y = _y + (row * _d);
            float mean = Statistics.Mean<T>(x, _d);
            float variance = Statistics.SquaredDeviations<T>(x, _d, mean) / _d;
            float scale = 1f / MathF.Sqrt(variance + _eps);
            T means = T.Broadcast(mean);
            T scales = T.Broadcast(scale);
            int i = 0;
            for (; i + Lanes.Count <= _d; i += Lanes.Count)
            {
                T.Fma((T.Load(x + i) - means) * scales, T.Load(_weight + i), T.Load(_bias + i)).Store(y + i);
            }

            for (; i < _d; i++)
            {
                y[i] = MathF.FusedMultiplyAdd((x[i] - mean) * scale, _weight[i], _bias[i]);
            }
        }
    }
}

/// <summary>
/// Sums over a row by 16 lanes of absolute index: lane i % 16 adds element i; the lanes meet in the fixed tree.
/// </summary>
internal static unsafe class Statistics
{
    [MethodImpl(KernelCode.Loop)]
    public static float Mean<T>(float* x, int d) where T : struct, ILanes<T>
    {
        T sum = T.Broadcast(0f);
        int i = 0;
        for (; i + Lanes.Count <= d; i += Lanes.Count)
        {
            sum += T.Load(x + i);
        }

        if (i < d)
        {
            sum += Lanes.LoadFirst<T>(x + i, d - i);
        }

        return sum.Sum() / d;
    }

    /// <summary>Σ (x − mean)².</summary>
    [MethodImpl(KernelCode.Loop)]
    public static float SquaredDeviations<T>(float* x, int d, float mean) where T : struct, ILanes<T>
    {
        T means = T.Broadcast(mean);
        T sum = T.Broadcast(0f);
        int i = 0;
        for (; i + Lanes.Count <= d; i += Lanes.Count)
        {
            T deviation = T.Load(x + i) - means;
            sum = T.Fma(deviation, deviation, sum);
        }

        if (i < d)
        {
            T deviation = Lanes.KeepFirst(Lanes.LoadFirst<T>(x + i, d - i) - means, d - i);
            sum = T.Fma(deviation, deviation, sum);
        }

        return sum.Sum();
    }

    /// <summary>Whether no element is NaN or infinite: x·0 is 0 exactly when x is finite.</summary>
    [MethodImpl(KernelCode.Loop)]
    public static bool AllFinite<T>(float* x, int d) where T : struct, ILanes<T>
    {
        T sum = T.Broadcast(0f);
        T zero = sum;
        int i = 0;
        for (; i + Lanes.Count <= d; i += Lanes.Count)
        {
            sum = T.Fma(T.Load(x + i), zero, sum);
        }

        if (i < d)
        {
            sum = T.Fma(Lanes.LoadFirst<T>(x + i, d - i), zero, sum);
        }

        return sum.Sum() == 0f;
    }
}
