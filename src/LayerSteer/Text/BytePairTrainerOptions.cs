namespace LayerSteer.Text;

/// <summary>What <see cref="BytePairTrainer"/> is to make.</summary>
public sealed record BytePairTrainerOptions
{
    /// <summary>The smallest vocabulary: 256 bytes and the end of text.</summary>
    public const int SmallestVocabulary = 257;

    /// <summary>
    /// Ids in all: 256 bytes, the merges, and the end of text, which is the last; 257 to 4,194,304. Default 6144.
    /// </summary>
    public int VocabularySize { get; init; } = 6144;

    /// <summary>A pair is merged only if the texts hold it this often; at least 1. Default 2.</summary>
    public long MinPairFrequency { get; init; } = 2;

    /// <summary>
    /// Longer words (in UTF-8 bytes, the space before included) are not counted: rules of dashes, long runs of spaces,
    /// encoded data. At least 1. Default 256.
    /// </summary>
    public int MaxWordBytes { get; init; } = 256;

    internal void Check()
    {
        if (VocabularySize is < SmallestVocabulary or > Vocabulary.MaxId + 1)
        {
            throw new ArgumentException(
                $"a vocabulary of {VocabularySize}; expected {SmallestVocabulary} (256 bytes and the end of text) "
                + $"to {Vocabulary.MaxId + 1}");
        }
        if (MinPairFrequency < 1 || MaxWordBytes < 1)
        {
            throw new ArgumentException(
                $"a minimum pair frequency of {MinPairFrequency} and words of at most {MaxWordBytes} bytes; "
                + "expected at least 1 for both");
        }
    }
}
