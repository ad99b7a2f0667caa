namespace LayerSteer.Training;

/// <summary>Cuts text to measure on from the text to train on, where there is none of its own.</summary>
public static class HeldOutTexts
{
    /// <summary>One in so many tokens at most is held out.</summary>
    private const int LargestPart = 50;

    /// <summary>Cuts windows from the ends of the sources, as their sizes are.</summary>
    /// <param name="sources">The texts.</param>
    /// <param name="length">The tokens of a window that are predicted; a window has one more.</param>
    /// <param name="count">The largest number of windows.</param>
    /// <returns>What is left to train on, and the windows: none if the texts are small.</returns>
    public static (IReadOnlyList<TokenSource> Training, IReadOnlyList<int[]> HeldOut) Cut(
        IReadOnlyList<TokenSource> sources, int length, int count)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        int window = length + 1;
        long all = sources.Sum(source => (long)source.Tokens.Length);
        double wanted = Math.Min(count, (double)all / LargestPart / window);
        var training = new List<TokenSource>();
        var windows = new List<int[]>();
        foreach (TokenSource source in sources)
        {
            int cut = (int)(wanted * source.Tokens.Length / Math.Max(1, all)) * window;
            int kept = source.Tokens.Length - cut;
            training.Add(cut == 0 ? source : source with { Tokens = source.Tokens[..kept] });
            for (int start = kept; start + window <= source.Tokens.Length; start += window)
            {
                if (cut > 0)
                {
                    windows.Add(source.Tokens[start..(start + window)]);
                }
            }
        }

        return (training, windows);
    }
}
