using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Evaluation;

/// <summary>In a word, whether a model and an autoencoder belong together.</summary>
public enum SaeVerdict
{
    /// <summary>The figures are those of an autoencoder that is loaded and placed as it was trained.</summary>
    Healthy,

    /// <summary>It reconstructs, but loses much.</summary>
    Weak,

    /// <summary>It is loaded wrongly, sits in the wrong place, or was made for another model.</summary>
    Wrong,
}

/// <summary>What a check has found to be wrong.</summary>
public enum SaeFault
{
    /// <summary>Another activation on the same weights fits better.</summary>
    Activation,

    /// <summary>Normalised inputs fit better.</summary>
    Normalisation,

    /// <summary>Another layer or hook point is reconstructed better.</summary>
    HookPoint,

    /// <summary>Encoder and decoder do not belong together; one may be transposed.</summary>
    Orientation,

    /// <summary>No place in this model is reconstructed: another model, or weights that are damaged.</summary>
    OtherModel,

    /// <summary>The tokens begin with BOS twice.</summary>
    DoubleBos,

    /// <summary>The texts should begin with BOS, or should not.</summary>
    BosPolicy,

    /// <summary>L0 is far from what the file promises.</summary>
    Sparsity,

    /// <summary>Much of the variance, or of the model's loss, is lost, for none of the reasons above.</summary>
    Reconstruction,
}

/// <summary>A fault with its figures and what to change.</summary>
/// <param name="Fault">What is wrong.</param>
/// <param name="Evidence">The figures that say so.</param>
/// <param name="Advice">What to change.</param>
public sealed record SaeFinding(SaeFault Fault, string Evidence, string Advice);

/// <summary>Another way to use the autoencoder, and how it reconstructs.</summary>
/// <param name="Name">The way, such as <c>TopK(32)</c>, <c>layer_norm</c> or <c>blocks.8.hook_resid_post</c>.</param>
/// <param name="Quality">How it reconstructs.</param>
public sealed record SaeVariant(string Name, ReconstructionQuality Quality);

/// <summary>What a check of a model and an autoencoder at a hook point measured, and its verdict.</summary>
public sealed record SaeHealthCard
{
    /// <summary>Where the autoencoder sits.</summary>
    public required HookPoint Point { get; init; }

    /// <summary>Its activation as loaded.</summary>
    public required SaeActivation Activation { get; init; }

    /// <summary>Whether the texts began with BOS.</summary>
    public required bool Bos { get; init; }

    /// <summary>All positions but the first of each window.</summary>
    public required ReconstructionQuality Quality { get; init; }

    /// <summary>The first positions of the windows: BOS, or the first token.</summary>
    public required ReconstructionQuality First { get; init; }

    /// <summary>Mean norm of the first positions over that of the others.</summary>
    public required double FirstNormRatio { get; init; }

    /// <summary>The same tokens under the other BOS policy; null for a model without BOS.</summary>
    public required ReconstructionQuality? OtherBos { get; init; }

    /// <summary>What L0 the file promises: the k of TopK; null if it says nothing.</summary>
    public required double? PromisedL0 { get; init; }

    /// <summary>The share of latents that no token read here makes active.</summary>
    public required double SilentShare { get; init; }

    /// <summary>The model's loss as it is, spliced and with zeros in place, in nats a token.</summary>
    public required SpliceQuality Splice { get; init; }

    /// <summary>Mean cosine of a latent's encoder and decoder rows.</summary>
    public required double Alignment { get; init; }

    /// <summary>The same weights with other activations.</summary>
    public required IReadOnlyList<SaeVariant> Activations { get; init; }

    /// <summary>The same weights on inputs normalised in other ways.</summary>
    public required IReadOnlyList<SaeVariant> Normalisations { get; init; }

    /// <summary>The autoencoder at every hook point of its width, its own among them, best first.</summary>
    public required IReadOnlyList<SaeVariant> HookPoints { get; init; }

    /// <summary>What is wrong, the likeliest cause first; empty if nothing is.</summary>
    public required IReadOnlyList<SaeFinding> Findings { get; init; }

    /// <summary>The verdict.</summary>
    public required SaeVerdict Verdict { get; init; }
}
