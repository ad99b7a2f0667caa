using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of <see cref="LayerNormKernel"/>, from the rows that went in:
/// <code>
/// n = (x − mean)·r,  r = 1 / √(var + eps),  g = dy·w
/// dx += r·(g − mean(g) − n·mean(g·n)),  dw += Σ_rows dy·n,  db += Σ_rows dy
/// x, dy, dx [rows, d], w, dw, db [d]
/// </code>
/// Sums over a row as in the forward pass; sums over rows are one chain, ascending.
/// </summary>
internal static unsafe class LayerNormGradientKernel
{
    /// <summary>Adds to dx, dw and db.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="x">The rows that were normalised.</param>
    /// <param name="dy">The gradient of the normalised rows.</param>
    /// <param name="weight">w.</param>
    /// <param name="dx">Receives, added, the gradient of x.</param>
    /// <param name="dWeight">Receives, added, the gradient of w.</param>
    /// <param name="dBias">Receives, added, the gradient of b.</param>
    /// <param name="statistics">Scratch of 2·rows floats.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="eps">Added to the variance.</param>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> x,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> weight,
        Span<float> dx,
        Span<float> dWeight,
        Span<float> dBias,
        Span<float> statistics,
        int rows,
        float eps)
    {
        int d = weight.Length;
        long length = (long)rows * d;
        Shape.Require(x.Length >= length && dy.Length >= length && dx.Length >= length);
        Shape.Require(dWeight.Length == d && dBias.Length == d && statistics.Length >= 2 * rows);
        fixed (float* px = x, pdy = dy, pw = weight, pdx = dx, pdw = dWeight, pdb = dBias, ps = statistics)
        {
            var inputs = new InputKernel(px, pdy, pw, pdx, ps, d, eps);
            pool.Run(ref inputs, rows, length * 8);
            var weights = new WeightKernel(px, pdy, pdw, pdb, ps, d, rows);
            pool.Run(ref weights, Lanes.Groups(d), length * 4);
        }
    }

    /// <summary>dx. Items: rows.</summary>
    private readonly struct InputKernel(
        float* x, float* dy, float* weight, float* dx, float* statistics, int d, float eps) : IKernel
    {
        private readonly float* _x = x;
        private readonly float* _dy = dy;
        private readonly float* _weight = weight;
        private readonly float* _dx = dx;
        private readonly float* _statistics = statistics;
        private readonly int _d = d;
        private readonly float _eps = eps;

        [MethodImpl(KernelCode.Loop)]
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            int whole = _d / Lanes.Count * Lanes.Count;
            for (long row = begin; row < end; row++)
            {
                float* x = _x + (row * _d);
                float* dy = _dy + (row * _d);
                float* dx = _dx + (row * _d);
                float mean = Statistics.Mean<T>(x, _d);
                float r = 1f / MathF.Sqrt((Statistics.SquaredDeviations<T>(x, _d, mean) / _d) + _eps);
                _statistics[2 * row] = mean;
                _statistics[(2 * row) + 1] = r;
                T means = T.Broadcast(mean);
                T scales = T.Broadcast(r);
                T sum = T.Broadcast(0f);
                T product = sum;
                for (int i = 0; i < whole; i += Lanes.Count)
                {
                    T g = T.Load(dy + i) * T.Load(_weight + i);
                    sum += g;
                    product = T.Fma(g, (T.Load(x + i) - means) * scales, product);
                }

                if (whole < _d)
                {
                    int count = _d - whole;
                    T g = Lanes.LoadFirst<T>(dy + whole, count) * Lanes.LoadFirst<T>(_weight + whole, count);
                    sum += g;
                    product = T.Fma(g, (Lanes.LoadFirst<T>(x + whole, count) - means) * scales, product);
                }

                float meanG = sum.Sum() / _d;
                float meanProduct = product.Sum() / _d;
                T meansG = T.Broadcast(meanG);
                T negative = T.Broadcast(-meanProduct);
                for (int i = 0; i < whole; i += Lanes.Count)
                {
                    T n = (T.Load(x + i) - means) * scales;
                    T g = T.Load(dy + i) * T.Load(_weight + i);
                    T.Fma(scales, T.Fma(negative, n, g - meansG), T.Load(dx + i)).Store(dx + i);
                }

                for (int i = whole; i < _d; i++)
                {
                    float n = (x[i] - mean) * r;
                    float g = dy[i] * _weight[i];
                    dx[i] = MathF.FusedMultiplyAdd(r, MathF.FusedMultiplyAdd(-meanProduct, n, g - meanG), dx[i]);
                }
            }
        }
    }

    /// <summary>dw and db. Items: groups of 16 columns.</summary>
    private readonly struct WeightKernel(
        float* x, float* dy, float* dWeight, float* dBias, float* statistics, int d, int rows) : IKernel
    {
        private readonly float* _x = x;
        private readonly float* _dy = dy;
        private readonly float* _dWeight = dWeight;
        private readonly float* _dBias = dBias;
        private readonly float* _statistics = statistics;
        private readonly int _d = d;
        private readonly int _rows = rows;

        [MethodImpl(KernelCode.Loop)]
        public void Run<T>(int begin, int end) where T : struct, ILanes<T>
        {
            for (int group = begin; group < end; group++)
            {
                int column = group * Lanes.Count;
                int count = Math.Min(Lanes.Count, _d - column);
                T weight = Load<T>(_dWeight + column, count);
                T bias = Load<T>(_dBias + column, count);
                for (long row = 0; row < _rows; row++)
                {
                    T dy = Load<T>(_dy + (row * _d) + column, count);
                    T x = Load<T>(_x + (row * _d) + column, count);
                    T n = (x - T.Broadcast(_statistics[2 * row])) * T.Broadcast(_statistics[(2 * row) + 1]);
                    weight = T.Fma(dy, n, weight);
                    bias += dy;
                }

                Store(weight, _dWeight + column, count);
                Store(bias, _dBias + column, count);
            }
        }

        private static T Load<T>(float* source, int count) where T : struct, ILanes<T> =>
            count == Lanes.Count ? T.Load(source) : Lanes.LoadFirst<T>(source, count);

        private static void Store<T>(T value, float* destination, int count) where T : struct, ILanes<T>
        {
            if (count == Lanes.Count)
            {
                value.Store(destination);
            }
            else
            {
                Lanes.StoreFirst(value, destination, count);
            }
        }
    }
}
