using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of <see cref="TokenMeanKernel"/> with respect to the embedding matrix:
/// <code>
/// G[token_j, i] += (1 / n_p) · dy[p, i]  for each token j of each passage p, in order
/// G [vocabulary, d], dy [passages, d], row-major; d a multiple of 16
/// </code>
/// Items: groups of 16 columns, so that each element is one chain over all tokens whatever the number of threads.
/// </summary>
internal readonly unsafe struct TokenMeanGradientKernel : IKernel
{
    private readonly float* _dy;
    private readonly int* _tokens;
    private readonly int* _starts;
    private readonly int _passages;
    private readonly int _d;
    private readonly float* _gradient;

    private TokenMeanGradientKernel(float* dy, int* tokens, int* starts, int passages, int d, float* gradient)
    {
        _dy = dy;
        _tokens = tokens;
        _starts = starts;
        _passages = passages;
        _d = d;
        _gradient = gradient;
    }

    /// <summary>Adds to the gradient.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="dy">The gradient of the means, [passages, d].</param>
    /// <param name="d">The length of a vector.</param>
    /// <param name="tokens">The tokens of all passages, one after another.</param>
    /// <param name="starts">Where each passage begins, and where the last ends: [passages + 1].</param>
    /// <param name="gradient">G.</param>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> dy,
        int d,
        ReadOnlySpan<int> tokens,
        ReadOnlySpan<int> starts,
        Span<float> gradient)
    {
        TokenMeanKernel.RequirePassages(gradient.Length, d, tokens, starts, dy.Length);
        fixed (float* py = dy, g = gradient)
        {
            fixed (int* t = tokens, s = starts)
            {
                var kernel = new TokenMeanGradientKernel(py, t, s, starts.Length - 1, d, g);
                pool.Run(ref kernel, d / Lanes.Count, (long)tokens.Length * d);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int passage = 0; passage < _passages; passage++)
        {
            int first = _starts[passage];
            int last = _starts[passage + 1];
            T scale = T.Broadcast(1f / (last - first));
            float* dy = _dy + ((long)passage * _d);
            for (int j = first; j < last; j++)
            {
                float* row = _gradient + ((long)_tokens[j] * _d);
                for (int i = begin * Lanes.Count; i < end * Lanes.Count; i += Lanes.Count)
                {
                    T.Fma(scale, T.Load(dy + i), T.Load(row + i)).Store(row + i);
                }
            }
        }
    }
}
