using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Means of rows of an embedding matrix, one for each passage:
/// <code>
/// y[p, i] = (1 / n_p) · Σ_j E[token_j, i],  one chain over the n_p tokens of passage p, in order
/// E [vocabulary, d], y [passages, d], row-major; d a multiple of 16
/// </code>
/// Items: passages.
/// </summary>
internal readonly unsafe struct TokenMeanKernel : IKernel
{
    private const int GroupsAtOnce = 4;

    private readonly float* _vectors;
    private readonly int* _tokens;
    private readonly int* _starts;
    private readonly int _d;
    private readonly float* _y;

    private TokenMeanKernel(float* vectors, int* tokens, int* starts, int d, float* y)
    {
        _vectors = vectors;
        _tokens = tokens;
        _starts = starts;
        _d = d;
        _y = y;
    }

    /// <summary>Computes the means.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="vectors">E.</param>
    /// <param name="d">The length of a vector.</param>
    /// <param name="tokens">The tokens of all passages, one after another.</param>
    /// <param name="starts">Where each passage begins, and where the last ends: [passages + 1].</param>
    /// <param name="y">Receives [passages, d].</param>
    public static void Run(
        WorkerPool pool,
        ReadOnlySpan<float> vectors,
        int d,
        ReadOnlySpan<int> tokens,
        ReadOnlySpan<int> starts,
        Span<float> y)
    {
        RequirePassages(vectors.Length, d, tokens, starts, y.Length);
        fixed (float* v = vectors, py = y)
        {
            fixed (int* t = tokens, s = starts)
            {
                var kernel = new TokenMeanKernel(v, t, s, d, py);
                pool.Run(ref kernel, starts.Length - 1, (long)tokens.Length * d);
            }
        }
    }

    /// <summary>What this kernel and the one of its gradient trust.</summary>
    public static void RequirePassages(
        int vectorFloats, int d, ReadOnlySpan<int> tokens, ReadOnlySpan<int> starts, int passageFloats)
    {
        Shape.Require(d > 0 && d % Lanes.Count == 0 && passageFloats >= (starts.Length - 1) * (long)d);
        Shape.Require(starts.Length > 0 && starts[0] == 0 && starts[^1] == tokens.Length);
        for (int passage = 1; passage < starts.Length; passage++)
        {
            Shape.Require(starts[passage] > starts[passage - 1]);
        }

        foreach (int token in tokens)
        {
            Shape.Require(token >= 0 && ((long)token + 1) * d <= vectorFloats);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        int groups = _d / Lanes.Count;
        for (int passage = begin; passage < end; passage++)
        {
            int first = _starts[passage];
            int last = _starts[passage + 1];
            T scale = T.Broadcast(1f / (last - first));
            float* y = _y + ((long)passage * _d);
            int group = 0;
            for (; group + GroupsAtOnce <= groups; group += GroupsAtOnce)
            {
                float* vectors = _vectors + (group * Lanes.Count);
                T sum0 = T.Broadcast(0f);
                T sum1 = sum0;
                T sum2 = sum0;
                T sum3 = sum0;
                for (int j = first; j < last; j++)
                {
                    float* row = vectors + ((long)_tokens[j] * _d);
                    sum0 += T.Load(row);
                    sum1 += T.Load(row + Lanes.Count);
                    sum2 += T.Load(row + (2 * Lanes.Count));
                    sum3 += T.Load(row + (3 * Lanes.Count));
                }

                float* to = y + (group * Lanes.Count);
                (sum0 * scale).Store(to);
                (sum1 * scale).Store(to + Lanes.Count);
                (sum2 * scale).Store(to + (2 * Lanes.Count));
                (sum3 * scale).Store(to + (3 * Lanes.Count));
            }

            for (; group < groups; group++)
            {
                float* vectors = _vectors + (group * Lanes.Count);
                T sum = T.Broadcast(0f);
                for (int j = first; j < last; j++)
                {
                    sum += T.Load(vectors + ((long)_tokens[j] * _d));
                }

                (sum * scale).Store(y + (group * Lanes.Count));
            }
        }
    }
}
