using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// By what latents are ranked: a function of the pre-activation that never falls as it rises, so that bounds of one
/// are bounds of the other.
/// <code>
/// plain:            key = a
/// positive scaled:  key = a·w where a > 0, a elsewhere; −∞ where w is 0
/// scaled:           key = a·s in double, rounded to float
/// </code>
/// Immutable; thread-safe.
/// </summary>
internal sealed class LatentKeys
{
    private readonly float[] _weights = [];
    private readonly double[] _scores = [];

    private LatentKeys()
    {
    }

    private LatentKeys(float[] weights)
    {
        Kind = KeyKind.PositiveScaled;
        _weights = weights;
    }

    private LatentKeys(double[] scores)
    {
        Kind = KeyKind.Scaled;
        _scores = scores;
        _weights = [.. scores.Select(score => (float)score)];

        // Beyond, float32 products of bounds may be rounded by more than their slack.
        CanScreen = Array.TrueForAll(scores, score => score is 0 or (>= 1e-30 and <= 1e30));
    }

    /// <summary>The pre-activations themselves.</summary>
    public static LatentKeys Plain { get; } = new();

    /// <summary>Which function it is.</summary>
    public KeyKind Kind { get; }

    /// <summary>Whether float32 bounds hold for it.</summary>
    public bool CanScreen { get; } = true;

    /// <summary>w or s in float32, [dSae]; empty for plain keys.</summary>
    public ReadOnlySpan<float> Weights => _weights;

    /// <summary>Positive pre-activations times weights, [dSae], finite and from 0 up.</summary>
    public static LatentKeys PositiveScaled(float[] weights) => new(weights);

    /// <summary>Pre-activations times scores, [dSae], from 0 up.</summary>
    public static LatentKeys Scaled(double[] scores) => new(scores);

    /// <summary>The key of a latent with pre-activation a.</summary>
    public float Of(int latent, float a)
    {
        switch (Kind)
        {
            case KeyKind.Plain:
                return a;
            case KeyKind.PositiveScaled:
                float w = _weights[latent];
                return w > 0f ? (a > 0f ? a * w : a) : float.NegativeInfinity;
            default:
                return (float)(a * _scores[latent]);
        }
    }
}
