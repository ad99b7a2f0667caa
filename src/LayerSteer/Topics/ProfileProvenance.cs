namespace LayerSteer.Topics;

/// <summary>What the index behind a profile was made with, copied from its manifest.</summary>
/// <param name="Model">The language model.</param>
/// <param name="Sae">The autoencoder.</param>
/// <param name="Encoder">The sentence encoder.</param>
/// <param name="TokenizerDigest">The digest of the language model's tokenizer.</param>
/// <param name="BosPolicy">Whether BOS stood in front of a prompt and which positions were left out.</param>
/// <param name="Reference">The list of reference texts.</param>
/// <param name="IndexToolVersion">The version of LayerSteer that built the index.</param>
/// <param name="Dtype">The type of the language model's weights; profiles that do not say are "f32".</param>
public sealed record ProfileProvenance(
    Artefact Model,
    Artefact Sae,
    Artefact Encoder,
    string TokenizerDigest,
    string BosPolicy,
    ReferenceSource Reference,
    string IndexToolVersion,
    string Dtype = "f32");
