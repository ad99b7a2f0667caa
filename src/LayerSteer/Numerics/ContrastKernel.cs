using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The symmetric contrastive loss of a batch of pairs (InfoNCE, van den Oord et al. 2018; both directions as Radford et
/// al. 2021) and its gradient, from the cosines of all a with all b:
/// <code>
/// w_ij = exp((s_ij − 1) / τ);  R_i = Σ_j w_ij;  C_j = Σ_i w_ij
/// loss = 1 / (2n) · Σ_i (log R_i + log C_i − 2 (s_ii − 1) / τ)
/// ds_ij = (w_ij (1 / R_i + 1 / C_j) − 2 δ_ij) / (2 n τ)
/// s [n, n], cosines, row-major; n a multiple of 16; τ at least <see cref="LeastTemperature"/>
/// </code>
/// Since no cosine is above 1, the shift by 1 serves rows and columns alike, and every w is a normal number.
/// </summary>
internal static class ContrastKernel
{
    /// <summary>Below it exp(−2 / τ) would leave the range of <see cref="Lanes.Exp"/>.</summary>
    public const float LeastTemperature = 0.025f;

    /// <summary>Turns the cosines into the gradient of the loss.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="s">The cosines; overwritten by their gradient.</param>
    /// <param name="scratch">Room for 4 n floats.</param>
    /// <param name="n">The number of pairs.</param>
    /// <param name="temperature">τ.</param>
    /// <returns>The loss, and how many a have their own b nearer than every other.</returns>
    public static unsafe (double Loss, int Nearest) Run(
        WorkerPool pool, Span<float> s, Span<float> scratch, int n, float temperature)
    {
        Shape.Require(n > 0 && n % Lanes.Count == 0 && s.Length == (long)n * n && scratch.Length >= 4 * n);
        Shape.Require(temperature >= LeastTemperature);
        Span<float> rows = scratch[..n];
        Span<float> columns = scratch.Slice(n, n);
        Span<float> own = scratch.Slice(2 * n, n);
        Span<float> nearest = scratch.Slice(3 * n, n);
        for (int i = 0; i < n; i++)
        {
            own[i] = s[(i * n) + i];
        }

        fixed (float* ps = s, pr = rows, pc = columns, pn = nearest)
        {
            var exponentials = new ContrastRows(ps, pr, pc, pn, n, temperature, isGradient: false);
            pool.Run(ref exponentials, n, (long)n * n * 16);
            columns.Clear();
            ColumnSumKernel.Run(pool, s, n, columns);
            var gradient = new ContrastRows(ps, pr, pc, pn, n, temperature, isGradient: true);
            pool.Run(ref gradient, n, (long)n * n * 2);
        }

        double loss = 0;
        int hits = 0;
        for (int i = 0; i < n; i++)
        {
            loss += Math.Log(rows[i]) + Math.Log(columns[i]) - (2 * ((double)own[i] - 1) / temperature);
            hits += nearest[i] > 0 ? 1 : 0;
        }

        return (loss / (2 * n), hits);
    }
}

/// <summary>The two passes over the rows of <see cref="ContrastKernel"/>. Items: rows.</summary>
internal readonly unsafe struct ContrastRows(
    float* s, float* rows, float* columns, float* nearest, int n, float temperature, bool isGradient) : IKernel
{
    private readonly float* _s = s;
    private readonly float* _rows = rows;
    private readonly float* _columns = columns;
    private readonly float* _nearest = nearest;
    private readonly int _n = n;
    private readonly float _temperature = temperature;
    private readonly bool _isGradient = isGradient;

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            float* s = _s + ((long)row * _n);
            if (_isGradient)
            {
                Gradient<T>(s, row);
            }
            else
            {
                Exponentials<T>(s, row);
            }
        }
    }

    private void Exponentials<T>(float* s, int row) where T : struct, ILanes<T>
    {
        T one = T.Broadcast(1f);
        T scale = T.Broadcast(1f / _temperature);
        T sum = T.Broadcast(0f);
        T largest = T.Broadcast(-2f);
        float own = s[row];
        float* others = stackalloc float[Lanes.Count];
        for (int j = 0; j < _n; j += Lanes.Count)
        {
            T cosine = T.Load(s + j);
            T w = Lanes.Exp((cosine - one) * scale);
            w.Store(s + j);
            sum += w;
            if ((uint)(row - j) < Lanes.Count)
            {
                // The pair itself does not compete with itself.
                cosine.Store(others);
                others[row - j] = -2f;
                cosine = T.Load(others);
            }

            largest = T.Max(largest, cosine);
        }

        _rows[row] = sum.Sum();
        _nearest[row] = own > largest.Largest() ? 1f : 0f;
    }

    private void Gradient<T>(float* s, int row) where T : struct, ILanes<T>
    {
        float share = 1f / (2f * _n * _temperature);
        T ofRow = T.Broadcast(1f / _rows[row]);
        T one = T.Broadcast(1f);
        T scale = T.Broadcast(share);
        for (int j = 0; j < _n; j += Lanes.Count)
        {
            (T.Load(s + j) * (ofRow + (one / T.Load(_columns + j))) * scale).Store(s + j);
        }

        s[row] -= 2f * share;
    }
}
