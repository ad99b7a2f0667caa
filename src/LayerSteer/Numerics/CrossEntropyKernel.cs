using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The loss of next-token prediction and its gradient, row by row:
/// <code>
/// loss[r] = log Σ_v e^(l[r, v]) − l[r, target];  l[r, v] ← (softmax(l[r])[v] − [v = target])·scale
/// l [rows, vocabulary], loss [rows] in nats
/// </code>
/// Items: rows.
/// </summary>
internal readonly unsafe struct CrossEntropyKernel : IKernel
{
    private readonly float* _logits;
    private readonly int* _targets;
    private readonly double* _losses;
    private readonly int _vocabulary;
    private readonly float _scale;

    private CrossEntropyKernel(float* logits, int* targets, double* losses, int vocabulary, float scale)
    {
        _logits = logits;
        _targets = targets;
        _losses = losses;
        _vocabulary = vocabulary;
        _scale = scale;
    }

    /// <summary>Replaces the logits by the gradient, and writes the losses.</summary>
    public static void Run(
        WorkerPool pool,
        Span<float> logits,
        ReadOnlySpan<int> targets,
        Span<double> losses,
        int vocabulary,
        float scale)
    {
        int rows = targets.Length;
        Shape.Require(logits.Length >= (long)rows * vocabulary && losses.Length >= rows);
        fixed (float* l = logits)
        {
            fixed (int* t = targets)
            {
                fixed (double* s = losses)
                {
                    var kernel = new CrossEntropyKernel(l, t, s, vocabulary, scale);
                    pool.Run(ref kernel, rows, (long)rows * vocabulary * 16);
                }
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        int whole = _vocabulary / Lanes.Count * Lanes.Count;
        int rest = _vocabulary - whole;
        for (long row = begin; row < end; row++)
        {
            float* l = _logits + (row * _vocabulary);
            float target = l[_targets[row]];
            T most = T.Broadcast(float.NegativeInfinity);
            for (int v = 0; v < whole; v += Lanes.Count)
            {
                most = T.FastMax(most, T.Load(l + v));
            }

            float largest = most.Largest();
            for (int v = whole; v < _vocabulary; v++)
            {
                largest = MathF.Max(largest, l[v]);
            }

            T shift = T.Broadcast(largest);
            T sum = T.Broadcast(0f);
            for (int v = 0; v < whole; v += Lanes.Count)
            {
                T e = Lanes.Exp(T.Load(l + v) - shift);
                e.Store(l + v);
                sum += e;
            }

            if (rest > 0)
            {
                T e = Lanes.KeepFirst(Lanes.Exp(Lanes.LoadFirst<T>(l + whole, rest) - shift), rest);
                Lanes.StoreFirst(e, l + whole, rest);
                sum += e;
            }

            float total = sum.Sum();
            _losses[row] = Math.Log(total) + ((double)largest - target);
            float scale = _scale / total;
            T scales = T.Broadcast(scale);
            for (int v = 0; v < whole; v += Lanes.Count)
            {
                (T.Load(l + v) * scales).Store(l + v);
            }

            for (int v = whole; v < _vocabulary; v++)
            {
                l[v] *= scale;
            }

            l[_targets[row]] -= _scale;
        }
    }
}
