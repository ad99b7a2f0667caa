namespace LayerSteer.Text;

/// <summary>
/// Trains a byte-level BPE vocabulary in the manner of GPT-2 (Sennrich et al. 2016, on bytes):
/// <code>
/// split the texts into words as GPT-2 does; each word is the symbols of its UTF-8 bytes
/// until the vocabulary is full: the adjacent pair of highest count becomes one new symbol, in every word
/// </code>
/// Of pairs with equal counts the one with the lower left id goes first, then the one with the lower right id, so the
/// vocabulary depends on the texts and not on their order. Token 256 + i is what merge i makes.
/// </summary>
/// <remarks>
/// No two merges make the same token: whatever stands beside a token had no part in it, so it is what its bytes alone
/// become by the same merges, and these are one token from the first merge on that makes it so. Memory is for the
/// different words of the texts, not for the texts; each merge visits only words that hold its pair.
/// </remarks>
public static class BytePairTrainer
{
    private const long BytesPerReport = 1 << 20;

    /// <summary>Trains a vocabulary.</summary>
    /// <param name="texts">The documents; read once, one after the other.</param>
    /// <param name="options">Size and limits; null takes the defaults.</param>
    /// <param name="progress">Told on this thread, about once a MiB of text and once a merge.</param>
    /// <param name="cancellation">Looked at before each document and each merge.</param>
    /// <exception cref="ArgumentException">An option is out of range; says which.</exception>
    /// <exception cref="InvalidDataException">The texts have no word, or give fewer merges than the vocabulary needs;
    /// says how many.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> asks.</exception>
    public static BytePairVocabulary Train(
        IEnumerable<string> texts,
        BytePairTrainerOptions? options = null,
        IProgress<BytePairProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new BytePairTrainerOptions();
        options.Check();
        int totalMerges = options.VocabularySize - BytePairTrainerOptions.SmallestVocabulary;
        var words = new WordCounts(options.MaxWordBytes);
        long reported = 0;
        foreach (string text in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            words.Add(text);
            if (words.TextBytes - reported >= BytesPerReport)
            {
                reported = words.TextBytes;
                Report(0);
            }
        }
        if (words.Words.Count == 0)
        {
            throw new InvalidDataException(words.LeftOutBytes == 0
                ? "the texts are empty; expected at least one word to train on"
                : $"every word of the texts has more than {options.MaxWordBytes} bytes; allow longer ones");
        }

        var pairs = new PairCounts(words.Words, options.MinPairFrequency);
        var tokens = new List<string>(options.VocabularySize);
        tokens.AddRange(ByteLevelAlphabet.ById());
        var merges = new List<(int Left, int Right)>(totalMerges);
        while (merges.Count < totalMerges)
        {
            cancellation.ThrowIfCancellationRequested();
            if (pairs.TakeBest() is not { } best)
            {
                throw new InvalidDataException(
                    $"the texts give {merges.Count} merges of pairs that occur at least {options.MinPairFrequency} "
                    + $"times, but a vocabulary of {options.VocabularySize} needs {totalMerges}; give more text or "
                    + $"ask for at most {merges.Count + BytePairTrainerOptions.SmallestVocabulary}");
            }
            pairs.Merge(best, tokens.Count);
            tokens.Add(tokens[best.Left] + tokens[best.Right]);
            merges.Add((best.Left, best.Right));
            Report(merges.Count);
        }
        return new BytePairVocabulary(
            tokens,
            merges,
            new BytePairStatistics(
                words.Documents, words.TextBytes, words.Words.Count, words.LeftOutBytes, pairs.Tokens));

        void Report(int done) =>
            progress?.Report(new BytePairProgress(words.Documents, words.TextBytes, done, totalMerges));
    }
}
