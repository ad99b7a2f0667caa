using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// The gradient of an activation: <code>dy ← dy·f'(x), element by element</code> Items: groups of 16 elements.
/// </summary>
internal readonly unsafe struct ActivationGradientKernel : IKernel
{
    private readonly float* _x;
    private readonly float* _dy;
    private readonly long _length;
    private readonly Activation _activation;

    private ActivationGradientKernel(float* x, float* dy, long length, Activation activation)
    {
        _x = x;
        _dy = dy;
        _length = length;
        _activation = activation;
    }

    /// <summary>Multiplies each element of dy by the derivative at x.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="activation">f.</param>
    /// <param name="x">What f was applied to.</param>
    /// <param name="dy">The gradient of f(x); becomes that of x.</param>
    public static void Run(WorkerPool pool, Activation activation, ReadOnlySpan<float> x, Span<float> dy)
    {
        Shape.Require(x.Length == dy.Length);
        fixed (float* px = x, pdy = dy)
        {
            var kernel = new ActivationGradientKernel(px, pdy, x.Length, activation);
            pool.Run(ref kernel, Lanes.Groups(x.Length), x.Length * 32L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (long group = begin; group < end; group++)
        {
            float* x = _x + (group * Lanes.Count);
            float* dy = _dy + (group * Lanes.Count);
            int left = (int)Math.Min(Lanes.Count, _length - (group * Lanes.Count));
            if (left == Lanes.Count)
            {
                (T.Load(dy) * Derivative(T.Load(x))).Store(dy);
            }
            else
            {
                T product = Lanes.LoadFirst<T>(dy, left) * Derivative(Lanes.LoadFirst<T>(x, left));
                Lanes.StoreFirst(product, dy, left);
            }
        }
    }

    private T Derivative<T>(T x) where T : struct, ILanes<T> => _activation switch
    {
        Activation.Relu => T.Where(x, T.Broadcast(1f), T.Broadcast(0f)),
        Activation.GeluErf => GeluErf(x),
        Activation.GeluTanh => GeluTanh(x),
        Activation.Silu => Gated(x, x, T.Broadcast(1f)),
        _ => throw new NotSupportedException($"activation {_activation}"),
    };

    /// <summary>d/dx x·σ(u) = σ + x·σ·(1 − σ)·u'.</summary>
    private static T Gated<T>(T x, T u, T derivative) where T : struct, ILanes<T>
    {
        T one = T.Broadcast(1f);
        T sigmoid = one / (one + Lanes.Exp(T.Broadcast(0f) - u));
        return T.Fma(x * sigmoid * (one - sigmoid), derivative, sigmoid);
    }

    private static T GeluTanh<T>(T x) where T : struct, ILanes<T>
    {
        T square = x * x;
        T cubic = T.Fma(T.Broadcast(0.044715f) * x, square, x);
        T scale = T.Broadcast(1.5957691216f); // 2·√(2/π), as in the forward pass
        return Gated(x, cubic * scale, T.Fma(T.Broadcast(0.134145f), square, T.Broadcast(1f)) * scale);
    }

    /// <summary>Φ(x) + x·φ(x).</summary>
    private static T GeluErf<T>(T x) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        T half = T.Broadcast(0.5f) * ActivationKernel.Erfc(T.Max(x, zero - x) * T.Broadcast(0.70710678f));
        T below = T.Where(x, T.Broadcast(1f) - half, half);
        T density = T.Broadcast(0.39894228f) * Lanes.Exp(T.Broadcast(-0.5f) * x * x);
        return T.Fma(x, density, below);
    }
}
