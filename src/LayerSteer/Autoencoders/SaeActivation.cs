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
}

/// <summary>An activation with its k.</summary>
/// <param name="Kind">The function.</param>
/// <param name="K">The number of latents kept of each token; 0 for ReLU.</param>
public readonly record struct SaeActivation(SaeActivationKind Kind, int K)
{
    /// <summary>As reports print it: <c>TopK(32)</c>.</summary>
    public override string ToString() => Kind switch
    {
        SaeActivationKind.Relu => "ReLU",
        SaeActivationKind.TopK => $"TopK({K})",
        _ => $"TopK({K}, identity)",
    };
}
