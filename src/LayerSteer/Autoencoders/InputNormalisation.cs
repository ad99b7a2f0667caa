namespace LayerSteer.Autoencoders;

/// <summary>
/// How an autoencoder brings its input to the scale that it was trained at, and its reconstruction back:
/// <code>x̃ = (x − mean) / divisor        x̂ = decoded·scale + mean</code>
/// A scale that is the same for all inputs is folded into the weights when they are loaded and is none of these.
/// </summary>
public enum InputNormalisation
{
    /// <summary>x̃ = x.</summary>
    None,

    /// <summary>
    /// Mean 0 and standard deviation 1 (OpenAI's TopK releases; <c>layer_norm</c> of SAELens): mean = mean(x), scale =
    /// the sample standard deviation, divisor d − 1; divisor = scale + 1e-5.
    /// </summary>
    LayerNorm,

    /// <summary>
    /// Norm √d (<c>constant_norm_rescale</c> of SAELens): mean = 0, scale = divisor = ‖x‖ / √d. An input of zeros has
    /// no scale and is refused when it is encoded.
    /// </summary>
    ConstantNorm,

    /// <summary>
    /// Mean 0: mean = mean(x), scale = divisor = 1. What an autoencoder needs that was trained on a model with centred
    /// writing weights (TransformerLens' <c>center_writing_weights</c>), whose residual stream is that of the model itself
    /// less each token's mean.
    /// </summary>
    Centred,
}
