using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Rows of length 1, and back:
/// <code>
/// u = x / max(‖x‖, 1e-12);   dx = (du − (du·u) u) / max(‖x‖, 1e-12)
/// x, u, du [rows, d]; norms [rows]; d a multiple of 16
/// </code>
/// Both in place: u over x, dx over du. Items: rows.
/// </summary>
internal readonly unsafe struct UnitRowsKernel : IKernel
{
    private const float Least = 1e-12f;

    private readonly float* _x;
    private readonly float* _unit;
    private readonly float* _norms;
    private readonly int _d;

    private UnitRowsKernel(float* x, float* unit, float* norms, int d)
    {
        _x = x;
        _unit = unit;
        _norms = norms;
        _d = d;
    }

    /// <summary>Divides each row by its length, which is kept.</summary>
    public static void Run(WorkerPool pool, Span<float> x, int d, Span<float> norms)
    {
        Shape.Require(d % Lanes.Count == 0 && x.Length == (long)norms.Length * d);
        fixed (float* px = x, n = norms)
        {
            var kernel = new UnitRowsKernel(px, null, n, d);
            pool.Run(ref kernel, norms.Length, x.Length * 2L);
        }
    }

    /// <summary>Turns the gradient of the unit rows into that of the rows.</summary>
    public static void RunGradient(
        WorkerPool pool, Span<float> gradient, ReadOnlySpan<float> unit, int d, ReadOnlySpan<float> norms)
    {
        Shape.Require(d % Lanes.Count == 0 && gradient.Length == (long)norms.Length * d);
        Shape.Require(unit.Length == gradient.Length);
        fixed (float* g = gradient, u = unit, n = norms)
        {
            var kernel = new UnitRowsKernel(g, u, n, d);
            pool.Run(ref kernel, norms.Length, gradient.Length * 4L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            float* x = _x + ((long)row * _d);
            if (_unit is null)
            {
                float norm = MathF.Max(MathF.Sqrt(Dot.Of<T>(x, x, _d)), Least);
                _norms[row] = norm;
                Combine<T>(x, x, 0f, 1f / norm);
            }
            else
            {
                float* unit = _unit + ((long)row * _d);
                Combine<T>(x, unit, -Dot.Of<T>(x, unit, _d), 1f / _norms[row]);
            }
        }
    }

    /// <summary>x = (x + factor·u)·scale.</summary>
    private void Combine<T>(float* x, float* u, float factor, float scale) where T : struct, ILanes<T>
    {
        T f = T.Broadcast(factor);
        T s = T.Broadcast(scale);
        for (int i = 0; i < _d; i += Lanes.Count)
        {
            (T.Fma(f, T.Load(u + i), T.Load(x + i)) * s).Store(x + i);
        }
    }
}
