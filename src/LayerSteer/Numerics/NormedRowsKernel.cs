using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Keeps the rows of a matrix at norm 1 while it is trained:
/// <code>
/// project:    G[r] ← G[r] − (G[r]·W[r])·W[r],  so that a step does not lengthen the row
/// normalise:  W[r] ← W[r] / ‖W[r]‖;  a row of norm 0 stays
/// </code>
/// Items: rows.
/// </summary>
internal readonly unsafe struct NormedRowsKernel : IKernel
{
    private readonly float* _weights;
    private readonly float* _gradients;
    private readonly int _width;

    private NormedRowsKernel(float* weights, float* gradients, int width)
    {
        _weights = weights;
        _gradients = gradients;
        _width = width;
    }

    /// <summary>Takes from the gradients what is parallel to the rows, whose norm is 1.</summary>
    public static void Project(WorkerPool pool, ReadOnlySpan<float> weights, Span<float> gradients, int width)
    {
        Shape.Require(weights.Length == gradients.Length && weights.Length % width == 0);
        fixed (float* w = weights, g = gradients)
        {
            var kernel = new NormedRowsKernel(w, g, width);
            pool.Run(ref kernel, weights.Length / width, weights.Length * 2L);
        }
    }

    /// <summary>Brings the rows to norm 1.</summary>
    public static void Normalise(WorkerPool pool, Span<float> weights, int width)
    {
        Shape.Require(weights.Length % width == 0);
        fixed (float* w = weights)
        {
            var kernel = new NormedRowsKernel(w, null, width);
            pool.Run(ref kernel, weights.Length / width, weights.Length * 2L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            float* w = _weights + ((long)row * _width);
            float* g = _gradients is null ? null : _gradients + ((long)row * _width);
            float product = Dot.Of<T>(w, g is null ? w : g, _width);
            if (g is null && product > 0f)
            {
                float norm = MathF.Sqrt(product);
                for (int i = 0; i < _width; i++)
                {
                    w[i] /= norm;
                }
            }
            else if (g is not null)
            {
                for (int i = 0; i < _width; i++)
                {
                    g[i] = MathF.FusedMultiplyAdd(-product, w[i], g[i]);
                }
            }
        }
    }
}
