using LayerSteer.Autoencoders;
using LayerSteer.Numerics;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>
/// Which latents of a token stay active under a topic's scores, and with what value:
/// <code>
/// corrected: key = a·w where a > 0, a elsewhere; only latents with w > 0 take part
///            w = s^g where s > 0; max(0, 1 − g) where s = 0 or there is none
/// seed:      key = a·s in double, rounded to float; a gap is s = 0
/// selected = nonzero of act(key);   swap: z' = a;   weight: z' = key
/// </code>
/// With g = 0 every w is 1 and z' = act(a). Immutable; thread-safe.
/// </summary>
internal sealed class LatentSelection
{
    private readonly SaeActivation _activation;
    private readonly bool _takesKey;
    private readonly float[]? _weights;
    private readonly double[]? _seedScores;

    public LatentSelection(LatentScores scores, SaeActivation activation, SteeringOptions options)
    {
        _activation = activation;
        _takesKey = options.Method == SteeringMethod.Weight;
        if (options.Mode == SteeringMode.Seed)
        {
            _seedScores = scores.Values.ToArray();
            return;
        }

        _weights = new float[scores.Count];
        float unscored = MathF.Max(0f, 1f - options.Strength);
        for (int i = 0; i < _weights.Length; i++)
        {
            double score = scores.Supported[i] ? scores.Values[i] : 0;
            _weights[i] = score > 0 ? (float)Math.Pow(score, options.Strength) : unscored;
            if (!float.IsFinite(_weights[i]))
            {
                throw new ArgumentException(
                    $"strength {options.Strength} takes the score {score} of latent {i} out of range; "
                    + "use a lower strength");
            }
        }
    }

    /// <summary>z' of one token.</summary>
    /// <param name="preActivations">a, [dSae].</param>
    /// <param name="keys">Scratch, [dSae].</param>
    /// <param name="selected">Scratch for top-k, [k] or more.</param>
    /// <param name="latents">Receives z'.</param>
    public void Select(ReadOnlySpan<float> preActivations, Span<float> keys, Span<int> selected, SparseLatents latents)
    {
        latents.Clear();
        WriteKeys(preActivations, keys);
        if (_activation.Kind == SaeActivationKind.Relu)
        {
            for (int i = 0; i < keys.Length; i++)
            {
                Keep(i, preActivations, keys, latents);
            }

            return;
        }

        int count = TopK.Select(keys, selected[.._activation.K]);
        foreach (int latent in selected[..count])
        {
            Keep(latent, preActivations, keys, latents);
        }
    }

    private void Keep(int latent, ReadOnlySpan<float> preActivations, ReadOnlySpan<float> keys, SparseLatents latents)
    {
        float key = keys[latent];
        bool active = key > 0f
            || (_activation.Kind == SaeActivationKind.TopKIdentity && key != 0f && float.IsFinite(key));
        if (active)
        {
            latents.Add(latent, _takesKey ? key : preActivations[latent]);
        }
    }

    private void WriteKeys(ReadOnlySpan<float> a, Span<float> keys)
    {
        if (_seedScores is not null)
        {
            for (int i = 0; i < keys.Length; i++)
            {
                keys[i] = (float)(a[i] * _seedScores[i]);
            }

            return;
        }

        for (int i = 0; i < keys.Length; i++)
        {
            float w = _weights![i];
            keys[i] = w > 0f ? (a[i] > 0f ? a[i] * w : a[i]) : float.NegativeInfinity;
        }
    }
}
