namespace LayerSteer.Numerics;

/// <summary>The element-wise function of a feed-forward layer.</summary>
public enum Activation
{
    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>x·Φ(x) = 0.5·x·(1 + erf(x/√2)): <c>gelu</c>.</summary>
    GeluErf,

    /// <summary>0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))): <c>gelu_new</c>, <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,

    /// <summary>x·σ(x): <c>silu</c>, <c>swish</c>.</summary>
    Silu,
}
