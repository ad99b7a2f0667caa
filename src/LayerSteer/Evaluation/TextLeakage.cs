namespace LayerSteer.Evaluation;

/// <summary>
/// How much of a continuation stands word for word in the texts that steered it:
/// <code>leakage = runs of n words that the texts have / runs of n words</code>
/// Immutable; thread-safe.
/// </summary>
public sealed class TextLeakage
{
    /// <summary>The words of a run.</summary>
    public const int RunWords = 5;

    private readonly HashSet<ulong> _known;

    /// <summary>Reads the texts.</summary>
    public TextLeakage(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        _known = [.. texts.SelectMany(text => WordRuns.Of(WordRuns.Words(text), RunWords))];
    }

    /// <summary>The share of the runs of a text that are known; null if it has none.</summary>
    public double? ShareOf(string text)
    {
        ulong[] runs = [.. WordRuns.Of(WordRuns.Words(text), RunWords)];
        return runs.Length == 0 ? null : (double)runs.Count(_known.Contains) / runs.Length;
    }
}
