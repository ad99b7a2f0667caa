namespace LayerSteer.Evaluation;

/// <summary>
/// How much of generated text stands in a corpus word for word: the share of its runs of n words that the corpus has,
/// and the longest run that is there without a break. Words are what white space divides; case and punctuation count.
/// Not thread-safe.
/// </summary>
public sealed class VerbatimOverlap
{
    private readonly int _n;
    private readonly List<string[]> _texts = [];
    private readonly HashSet<ulong> _wanted = [];
    private readonly HashSet<ulong> _found = [];

    /// <summary>Prepares texts to be looked for.</summary>
    /// <param name="texts">The generated texts.</param>
    /// <param name="n">The words of a run, at least 1.</param>
    public VerbatimOverlap(IEnumerable<string> texts, int n)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        _n = n;
        foreach (string text in texts)
        {
            string[] words = WordRuns.Words(text);
            _texts.Add(words);
            foreach (ulong run in WordRuns.Of(words, _n))
            {
                _wanted.Add(run);
            }
        }
    }

    /// <summary>The runs of all texts.</summary>
    public int Count => _texts.Sum(words => Math.Max(0, words.Length - _n + 1));

    /// <summary>The share of the runs that were found; NaN if there is none.</summary>
    public double Share =>
        Count == 0 ? double.NaN : (double)_texts.Sum(words => WordRuns.Of(words, _n).Count(_found.Contains)) / Count;

    /// <summary>The most words in a row of which every run was found; 0 if none was.</summary>
    public int Longest
    {
        get
        {
            int longest = 0;
            foreach (string[] words in _texts)
            {
                int inRow = 0;
                foreach (ulong run in WordRuns.Of(words, _n))
                {
                    inRow = _found.Contains(run) ? inRow + 1 : 0;
                    longest = Math.Max(longest, inRow == 0 ? 0 : inRow + _n - 1);
                }
            }

            return longest;
        }
    }

    /// <summary>Looks for the runs in a document of the corpus.</summary>
    /// <param name="document">Its text.</param>
    public void Look(string document)
    {
        foreach (ulong run in WordRuns.Of(WordRuns.Words(document), _n))
        {
            if (_wanted.Contains(run))
            {
                _found.Add(run);
            }
        }
    }
}
