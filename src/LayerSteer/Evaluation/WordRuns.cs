namespace LayerSteer.Evaluation;

/// <summary>Runs of words, by their hashes. Words are what white space divides; case and punctuation count.</summary>
internal static class WordRuns
{
    /// <summary>The words of a text.</summary>
    public static string[] Words(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>64-bit hashes (FNV-1a) of the runs of n words, in order; a million runs meet by chance once in 10^7.</summary>
    public static IEnumerable<ulong> Of(string[] words, int n)
    {
        for (int first = 0; first + n <= words.Length; first++)
        {
            ulong hash = 14695981039346656037UL;
            for (int i = first; i < first + n; i++)
            {
                foreach (char c in words[i])
                {
                    hash = unchecked((hash ^ c) * 1099511628211UL);
                }

                hash = unchecked((hash ^ ' ') * 1099511628211UL);
            }

            yield return hash;
        }
    }
}
