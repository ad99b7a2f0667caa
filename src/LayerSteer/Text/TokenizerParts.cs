namespace LayerSteer.Text;

/// <summary>What a tokenizer's files amount to, whichever they are.</summary>
/// <param name="Vocabulary">Every token, added ones too.</param>
/// <param name="Model">How plain text becomes ids.</param>
/// <param name="Spelling">How tokens become text.</param>
/// <param name="Normalizer">Applied before the model; null for none.</param>
/// <param name="AddedTokens">Looked for literally in the text.</param>
/// <param name="Prefix">Ids put before a sequence where special tokens are wanted.</param>
/// <param name="Suffix">Ids put after it.</param>
/// <param name="Usual">Special tokens where tokenizer_config.json does not name them.</param>
/// <param name="VerbatimAddedTokens">Added tokens that are looked for in normalised text are normalised
/// already.</param>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    TokenModel Model,
    TokenSpelling Spelling,
    Normalizer? Normalizer,
    IReadOnlyList<AddedToken> AddedTokens,
    int[] Prefix,
    int[] Suffix,
    SpecialTokens Usual,
    bool VerbatimAddedTokens = false);

/// <summary>The names of special tokens; null for none.</summary>
internal sealed record SpecialTokens(
    string? Bos = null, string? Eos = null, string? Unknown = null, string? Pad = null);
