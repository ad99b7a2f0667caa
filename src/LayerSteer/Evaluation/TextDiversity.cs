namespace LayerSteer.Evaluation;

/// <summary>
/// How varied a sequence of tokens is:
/// <code>
/// distinct-n   = different n-grams / n-grams           (Li et al. 2016)
/// repetition-n = 1 − distinct-n                        (Welleck et al. 2020)
/// </code>
/// Over token ids, so that text without a single word counts, too.
/// </summary>
public static class TextDiversity
{
    /// <summary>The share of n-grams that are different, above 0 and at most 1.</summary>
    /// <param name="ids">The token ids.</param>
    /// <param name="n">The length of an n-gram, at least 1.</param>
    /// <returns>Null if there are fewer than <paramref name="n"/> ids: no n-gram, so nothing to tell.</returns>
    public static double? Distinct(ReadOnlySpan<int> ids, int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        int count = ids.Length - n + 1;
        if (count < 1)
        {
            return null;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int first = 0; first < count; first++)
        {
            seen.Add(string.Join(' ', ids.Slice(first, n).ToArray()));
        }

        return (double)seen.Count / count;
    }

    /// <summary>The share of n-grams that were there before, from 0 up, below 1.</summary>
    /// <param name="ids">The token ids.</param>
    /// <param name="n">The length of an n-gram, at least 1.</param>
    /// <returns>Null if there are fewer than <paramref name="n"/> ids.</returns>
    public static double? Repetition(ReadOnlySpan<int> ids, int n) => 1 - Distinct(ids, n);
}
