using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>The numbers of one step of AdamW.</summary>
/// <param name="LearningRate">lr.</param>
/// <param name="Beta1">The decay of the mean of the gradients.</param>
/// <param name="Beta2">The decay of the mean of their squares.</param>
/// <param name="Epsilon">Added to the root.</param>
/// <param name="WeightDecay">wd.</param>
/// <param name="GradientScale">Each gradient is multiplied by this first: clipping, or an average.</param>
/// <param name="Step">t, from 1.</param>
internal readonly record struct AdamStep(
    float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, float GradientScale, long Step);

/// <summary>
/// One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) on each element:
/// <code>
/// m ← β1·m + (1 − β1)·g;  v ← β2·v + (1 − β2)·g²
/// w ← w − lr·wd·w − lr·(m / (1 − β1^t)) / (√(v / (1 − β2^t)) + eps)
/// </code>
/// Items: groups of 16 elements.
/// </summary>
internal readonly unsafe struct AdamKernel : IKernel
{
    private readonly float* _weights;
    private readonly float* _gradients;
    private readonly float* _means;
    private readonly float* _squares;
    private readonly int _length;
    private readonly AdamStep _step;

    private AdamKernel(float* weights, float* gradients, float* means, float* squares, int length, AdamStep step)
    {
        _weights = weights;
        _gradients = gradients;
        _means = means;
        _squares = squares;
        _length = length;
        _step = step;
    }

    /// <summary>Changes the weights and the moments.</summary>
    public static void Run(
        WorkerPool pool,
        Span<float> weights,
        ReadOnlySpan<float> gradients,
        Span<float> means,
        Span<float> squares,
        AdamStep step)
    {
        Shape.Require(weights.Length == gradients.Length);
        Shape.Require(weights.Length == means.Length && weights.Length == squares.Length);
        fixed (float* w = weights, g = gradients, m = means, v = squares)
        {
            var kernel = new AdamKernel(w, g, m, v, weights.Length, step);
            pool.Run(ref kernel, Lanes.Groups(weights.Length), weights.Length * 8L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        float correction1 = (float)(1 - Math.Pow(_step.Beta1, _step.Step));
        float correction2 = (float)(1 - Math.Pow(_step.Beta2, _step.Step));
        float keep = 1f - (_step.LearningRate * _step.WeightDecay);
        float rate = _step.LearningRate / correction1;
        int last = (int)Math.Min((long)end * Lanes.Count, _length);
        int i = begin * Lanes.Count;
        T beta1 = T.Broadcast(_step.Beta1);
        T beta2 = T.Broadcast(_step.Beta2);
        T rest1 = T.Broadcast(1f - _step.Beta1);
        T rest2 = T.Broadcast(1f - _step.Beta2);
        for (; i + Lanes.Count <= last; i += Lanes.Count)
        {
            T g = T.Load(_gradients + i) * T.Broadcast(_step.GradientScale);
            T m = T.Fma(beta1, T.Load(_means + i), rest1 * g);
            T v = T.Fma(beta2, T.Load(_squares + i), rest2 * g * g);
            m.Store(_means + i);
            v.Store(_squares + i);
            T root = T.Sqrt(v / T.Broadcast(correction2)) + T.Broadcast(_step.Epsilon);
            T change = T.Broadcast(rate) * m / root;
            ((T.Load(_weights + i) * T.Broadcast(keep)) - change).Store(_weights + i);
        }

        for (; i < last; i++)
        {
            float g = _gradients[i] * _step.GradientScale;
            float m = MathF.FusedMultiplyAdd(_step.Beta1, _means[i], (1f - _step.Beta1) * g);
            float v = MathF.FusedMultiplyAdd(_step.Beta2, _squares[i], (1f - _step.Beta2) * g * g);
            _means[i] = m;
            _squares[i] = v;
            _weights[i] = (_weights[i] * keep) - (rate * m / (MathF.Sqrt(v / correction2) + _step.Epsilon));
        }
    }
}
