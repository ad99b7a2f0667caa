using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Root-mean-square normalisation (Zhang and Sennrich 2019) of rows, or of neighbouring parts of rows, such as heads:
/// <code>y = x / √(mean(x²) + eps) · w;  x, y [rows, parts, d], w [d]</code>
/// The sum runs over 16 lanes by absolute index and one fixed tree; the product with 1/√ is rounded before that with w, so
/// normalising first and multiplying by w later gives the same bits. Items: parts of rows.
/// </summary>
internal unsafe struct RmsNormKernel : IKernel
{
    private readonly float* _x;
    private readonly float* _y;
    private readonly float* _weight;
    private readonly int _d;
    private readonly int _parts;
    private readonly int _stride;
    private readonly float _eps;

    private RmsNormKernel(float* x, float* y, float* weight, int d, int parts, int stride, float eps)
    {
        _x = x;
        _y = y;
        _weight = weight;
        _d = d;
        _parts = parts;
        _stride = stride;
        _eps = eps;
    }

    /// <summary>
    /// Normalises <paramref name="rows"/> rows of <paramref name="d"/> elements; y may be x. An empty
    /// <paramref name="weight"/> is 1.
    /// </summary>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> x,
        Span<float> y,
        ReadOnlySpan<float> weight,
        int d,
        int rows,
        float eps)
    {
        Shape.Require(weight.IsEmpty || weight.Length == d);
        Shape.Require(x.Length >= (long)rows * d && y.Length >= (long)rows * d);
        fixed (float* px = x, py = y, w = weight)
        {
            var kernel = new RmsNormKernel(px, py, w, d, 1, d, eps);
            pool.Run(ref kernel, rows, (long)rows * d * 4);
        }
    }

    /// <summary>Normalises in place the first parts of rows, each of the length of the weight.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="x">From the first part of the first row on.</param>
    /// <param name="stride">The elements from one row to the next.</param>
    /// <param name="parts">The parts of a row.</param>
    /// <param name="weight">w, [d].</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="eps">eps.</param>
    public static void RunParts(
        WorkerPool pool, Span<float> x, int stride, int parts, ReadOnlySpan<float> weight, int rows, float eps)
    {
        int d = weight.Length;
        Shape.Require(parts * d <= stride && x.Length >= ((long)(rows - 1) * stride) + (parts * d));
        fixed (float* px = x, w = weight)
        {
            var kernel = new RmsNormKernel(px, px, w, d, parts, stride, eps);
            pool.Run(ref kernel, rows * parts, (long)rows * parts * d * 4);
        }
    }

    /// <summary>Multiplies rows by the weight in place: what <see cref="Run"/> leaves out without one.</summary>
    public static void Weigh(Span<float> y, ReadOnlySpan<float> weight, int rows)
    {
        Shape.Require(y.Length >= (long)rows * weight.Length);
        for (int row = 0; row < rows; row++)
        {
            Span<float> values = y.Slice(row * weight.Length, weight.Length);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] *= weight[i];
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int item = begin; item < end; item++)
        {
            long at = ((long)(item / _parts) * _stride) + ((item % _parts) * _d);
            float* x = _x + at;
            float* y = _y + at;
            float mean = Statistics.SquaredDeviations<T>(x, _d, 0f) / _d;
            float scale = 1f / MathF.Sqrt(mean + _eps);
            T scales = T.Broadcast(scale);
            int i = 0;
            for (; i + Lanes.Count <= _d; i += Lanes.Count)
            {
                T normed = T.Load(x + i) * scales;
                (_weight is null ? normed : normed * T.Load(_weight + i)).Store(y + i);
            }

            for (; i < _d; i++)
            {
                float normed = x[i] * scale;
                y[i] = _weight is null ? normed : normed * _weight[i];
            }
        }
    }
}
