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
        for (int i = begin * Lanes.Count; i < last; i++)
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
