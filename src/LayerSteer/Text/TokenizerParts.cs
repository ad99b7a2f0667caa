namespace LayerSteer.Text;

/// <summary>What a tokenizer's files amount to, whichever they are.</summary>
/// <param name="Vocabulary">Every token, added ones too.</param>
/// <param name="Model">How plain text becomes ids.</param>
/// <param name="Normalizer">Applied before the model; null for none.</param>
/// <param name="AddedTokens">Looked for literally in the text.</param>
/// <param name="Prefix">Ids put before a sequence where special tokens are wanted.</param>
/// <param name="Suffix">Ids put after it.</param>
/// <param name="UnknownToken">The model's own unknown token, where its files name one.</param>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    TokenModel Model,
    BertNormalizer? Normalizer,
    IReadOnlyList<AddedToken> AddedTokens,
    int[] Prefix,
    int[] Suffix,
    string? UnknownToken);
