namespace LayerSteer.Autoencoders;

/// <summary>The weights of an autoencoder, all row-major.</summary>
public readonly ref struct AutoencoderTensors
{
    /// <summary>The encoder, one row a latent, [dSae, dIn].</summary>
    public required ReadOnlySpan<float> Encoder { get; init; }

    /// <summary>b_enc, [dSae].</summary>
    public required ReadOnlySpan<float> EncoderBias { get; init; }

    /// <summary>The decoder, one row a latent, [dSae, dIn].</summary>
    public required ReadOnlySpan<float> Decoder { get; init; }

    /// <summary>b_dec, [dIn].</summary>
    public required ReadOnlySpan<float> DecoderBias { get; init; }

    /// <summary>The threshold of each latent, [dSae]; empty but for a JumpReLU that is not gated.</summary>
    public ReadOnlySpan<float> Thresholds { get; init; }
}
