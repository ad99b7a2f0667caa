using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// An activation in place, element by element, or a gate: <code>x ← act(x);  x ← act(x)·up</code> Items: groups of 16
/// elements.
/// </summary>
internal unsafe struct ActivationKernel : IKernel
{
    private readonly float* _x;
    private readonly float* _up;
    private readonly long _length;
    private readonly Activation _activation;

    private ActivationKernel(float* x, float* up, long length, Activation activation)
    {
        _x = x;
        _up = up;
        _length = length;
        _activation = activation;
    }

    /// <summary>Replaces each element by its activation.</summary>
    public static void Run(WorkerPool pool, Activation activation, Span<float> x)
    {
        fixed (float* px = x)
        {
            var kernel = new ActivationKernel(px, null, x.Length, activation);
            pool.Run(ref kernel, Lanes.Groups(x.Length), x.Length * 32L);
        }
    }

    /// <summary>Replaces each element by its activation times the element of <paramref name="up"/>.</summary>
    public static void RunGated(WorkerPool pool, Activation activation, Span<float> x, ReadOnlySpan<float> up)
    {
        Shape.Require(up.Length == x.Length);
        fixed (float* px = x, pu = up)
        {
            var kernel = new ActivationKernel(px, pu, x.Length, activation);
            pool.Run(ref kernel, Lanes.Groups(x.Length), x.Length * 32L);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (long group = begin; group < end; group++)
        {
            float* x = _x + (group * Lanes.Count);
            long left = _length - (group * Lanes.Count);
            if (left >= Lanes.Count)
            {
                T y = Apply(T.Load(x));
                (_up is null ? y : y * T.Load(_up + (group * Lanes.Count))).Store(x);
                continue;
            }

            T last = Apply(Lanes.LoadFirst<T>(x, (int)left));
            if (_up is not null)
            {
                last *= Lanes.LoadFirst<T>(_up + (group * Lanes.Count), (int)left);
            }

            Lanes.StoreFirst(last, x, (int)left);
        }
    }

    private readonly T Apply<T>(T x) where T : struct, ILanes<T> => _activation switch
    {
        Activation.Relu => T.Max(x, T.Broadcast(0f)),
        Activation.GeluErf => GeluErf(x),
        Activation.GeluTanh => GeluTanh(x),
        Activation.Silu => TimesSigmoid(x, x),
        _ => throw new NotSupportedException($"activation {_activation}"),
    };

    /// <summary>0.5·(1 + tanh u) = σ(2u), which keeps its precision where 1 + tanh u would cancel.</summary>
    private static T GeluTanh<T>(T x) where T : struct, ILanes<T>
    {
        T cubic = T.Fma(T.Broadcast(0.044715f) * x, x * x, x);
        return TimesSigmoid(x, cubic * T.Broadcast(1.5957691216f)); // 2·√(2/π)
    }

    private static T TimesSigmoid<T>(T x, T u) where T : struct, ILanes<T> =>
        x / (T.Broadcast(1f) + Lanes.Exp(T.Broadcast(0f) - u));

    /// <summary>x·Φ(x) = max(x, 0) − |x|·erfc(|x|/√2)/2.</summary>
    private static T GeluErf<T>(T x) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        T magnitude = T.Max(x, zero - x);
        T erfc = Erfc(magnitude * T.Broadcast(0.70710678f));
        return T.Max(x, zero) - (magnitude * (T.Broadcast(0.5f) * erfc));
    }

    /// <summary>
    /// The complementary error function for z ≥ 0:
    /// <code>erfc(z) = e^(−z²)·t·P(t),  t = 1/(1 + 0.3 z)</code>
    /// P is our Chebyshev fit of degree 8 over z in [0, 10], relative error 2.7e-8 before rounding.
    /// </summary>
    public static T Erfc<T>(T z) where T : struct, ILanes<T>
    {
        T t = T.Broadcast(1f) / T.Fma(z, T.Broadcast(0.3f), T.Broadcast(1f));
        T p = T.Broadcast(-0.12879062410642178f);
        p = T.Fma(p, t, T.Broadcast(0.48203789268560976f));
        p = T.Fma(p, t, T.Broadcast(-0.5050721121950694f));
        p = T.Fma(p, t, T.Broadcast(0.5395721680507437f));
        p = T.Fma(p, t, T.Broadcast(-0.08909078977596968f));
        p = T.Fma(p, t, T.Broadcast(0.2125869734833596f));
        p = T.Fma(p, t, T.Broadcast(0.1489304859891404f));
        p = T.Fma(p, t, T.Broadcast(0.17063320836204396f));
        p = T.Fma(p, t, T.Broadcast(0.16919278256688733f));
        return Lanes.Exp(T.Broadcast(0f) - (z * z)) * (t * p);
    }
}
