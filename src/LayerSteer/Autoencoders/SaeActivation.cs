using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>How an autoencoder turns pre-activations into latents.</summary>
public enum SaeActivationKind
{
    /// <summary>z = max(a, 0).</summary>
    Relu,

    /// <summary>z keeps the k largest a of a token by signed value, ties to the lower latent, then max(·, 0).</summary>
    TopK,

    /// <summary>
    /// z keeps the k largest a of a token as they are, negative ones too (<c>postact_fn</c> Identity).
    /// </summary>
    TopKIdentity,

    /// <summary>
    /// z = a where a is above 0 and above its latent's threshold, else 0 (Rajamanoharan et al. 2024, arXiv 2407.14435).
    /// </summary>
    JumpRelu,

    /// <summary>
    /// z keeps the largest a of each of k groups of neighbouring latents, ties to the lower latent, then max(·, 0)
    /// (EleutherAI/sparsify).
    /// </summary>
    GroupMax,
}

/// <summary>An activation with its k.</summary>
/// <param name="Kind">The function.</param>
/// <param name="K">
/// The number of latents kept of each token, of GroupMax the number of groups; 0 for ReLU and JumpReLU.
/// </param>
public readonly record struct SaeActivation(SaeActivationKind Kind, int K)
{
    /// <summary>The threshold of each latent, [dSae], of JumpReLU; empty otherwise.</summary>
    public ReadOnlyMemory<float> Thresholds { get; init; }

    /// <summary>The latents of a group of GroupMax; 0 otherwise.</summary>
    public int GroupSize { get; init; }

    /// <summary>Whether all latents with a key above 0 may be kept, and not the k first of a ranking.</summary>
    internal bool KeepsByValue => Kind is not (SaeActivationKind.TopK or SaeActivationKind.TopKIdentity);

    /// <summary>As reports print it: <c>TopK(32)</c>.</summary>
    public override string ToString() => Kind switch
    {
        SaeActivationKind.Relu => "ReLU",
        SaeActivationKind.JumpRelu => "JumpReLU",
        SaeActivationKind.TopK => $"TopK({K})",
        SaeActivationKind.GroupMax => $"GroupMax({K})",
        _ => $"TopK({K}, identity)",
    };

    /// <summary>The latents that are kept when they are ranked by keys: nonzero of act(key).</summary>
    /// <param name="latents">Those to choose from, ascending, all others being out of question; empty for all.</param>
    /// <param name="preActivations">Their pre-activations.</param>
    /// <param name="keys">What ranks them; ties go to the lower latent.</param>
    /// <param name="takesKeys">Whether their values are the keys, or the pre-activations.</param>
    /// <param name="keyScratch">As long as <paramref name="preActivations"/>.</param>
    /// <param name="topScratch">At least k long.</param>
    /// <param name="kept">Receives them.</param>
    internal void Select(
        ReadOnlySpan<int> latents,
        ReadOnlySpan<float> preActivations,
        LatentKeys keys,
        bool takesKeys,
        Span<float> keyScratch,
        Span<int> topScratch,
        SparseLatents kept)
    {
        kept.Clear();
        Span<float> ranks = keyScratch[..preActivations.Length];
        for (int i = 0; i < ranks.Length; i++)
        {
            ranks[i] = keys.Of(latents.IsEmpty ? i : latents[i], preActivations[i]);
        }

        if (Kind == SaeActivationKind.GroupMax)
        {
            SelectOfGroups(latents, preActivations, ranks, takesKeys, kept);
            return;
        }

        bool all = KeepsByValue;
        ReadOnlySpan<float> thresholds = Thresholds.Span;
        int count = all ? ranks.Length : TopK.Select(ranks, topScratch[..K]);
        for (int i = 0; i < count; i++)
        {
            int at = all ? i : topScratch[i];
            float key = ranks[at];
            if (!thresholds.IsEmpty && !(key > thresholds[latents.IsEmpty ? at : latents[at]]))
            {
                continue;
            }

            if (key > 0f || (Kind == SaeActivationKind.TopKIdentity && key != 0f && float.IsFinite(key)))
            {
                kept.Add(latents.IsEmpty ? at : latents[at], takesKeys ? key : preActivations[at]);
            }
        }
    }

    private void SelectOfGroups(
        ReadOnlySpan<int> latents,
        ReadOnlySpan<float> preActivations,
        ReadOnlySpan<float> keys,
        bool takesKeys,
        SparseLatents kept)
    {
        int best = -1;
        int bestGroup = -1;
        for (int i = 0; i <= keys.Length; i++)
        {
            int group = i == keys.Length ? int.MaxValue : (latents.IsEmpty ? i : latents[i]) / GroupSize;
            if (group != bestGroup)
            {
                if (best >= 0)
                {
                    kept.Add(latents.IsEmpty ? best : latents[best], takesKeys ? keys[best] : preActivations[best]);
                }

                (best, bestGroup) = (-1, group);
            }

            if (i < keys.Length && keys[i] > (best < 0 ? 0f : keys[best]))
            {
                best = i;
            }
        }
    }
}
