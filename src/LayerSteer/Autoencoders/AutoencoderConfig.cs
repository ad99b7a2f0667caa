using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// What an autoencoder is, beside its weights: the one form that every format is brought to. Settings that fold into the
/// weights, such as an average norm of the dataset, do not appear here.
/// </summary>
public sealed record AutoencoderConfig
{
    /// <summary>The width of its input.</summary>
    public required int DIn { get; init; }

    /// <summary>The number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>The activation; JumpReLU for a gated one, since it computes the same.</summary>
    public required SaeActivationKind Kind { get; init; }

    /// <summary>The k of TopK, the groups of GroupMax; 0 otherwise.</summary>
    public int K { get; init; }

    /// <summary>Whether its files hold a gated encoder: b_gate, r_mag and b_mag (arXiv 2404.16014).</summary>
    public bool IsGated { get; init; }

    /// <summary>Whether b_dec is taken off the input.</summary>
    public bool TakesOffBias { get; init; } = true;

    /// <summary>How inputs are brought to the scale that it was trained at.</summary>
    public InputNormalisation Normalisation { get; init; }

    /// <summary>
    /// Whether pre-activations are multiplied by the norms of the decoder's rows before they are ranked, and latents
    /// divided by them before they are decoded (<c>rescale_acts_by_decoder_norm</c> of SAELens; TopK only).
    /// </summary>
    public bool RescalesByDecoderNorm { get; init; }

    /// <summary>The hook point; null if the file names none.</summary>
    public HookPoint? HookPoint { get; init; }

    /// <summary>The model that it was trained on, as the file calls it; null if it does not.</summary>
    public string? ModelName { get; init; }

    /// <summary>Whether its training texts began with BOS; null if the file does not say.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>The tokens of a training context; null if the file does not say.</summary>
    public int? ContextSize { get; init; }

    /// <summary>What it was trained on, as the file calls it; null if it does not.</summary>
    public string? DatasetPath { get; init; }
}
