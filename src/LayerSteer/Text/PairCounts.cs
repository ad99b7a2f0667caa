using System.Runtime.InteropServices;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// The words of a training as symbols, how often each pair of adjacent symbols occurs in the texts, and which words hold
/// it. A pair is counted wherever it is adjacent, also where it overlaps itself ("aaa" holds two).
/// </summary>
/// <remarks>
/// The symbol that a merge makes is new, so every pair whose count grows is new too, and counts of older pairs only
/// fall. Two things follow. A queue whose entries are checked when they come up is exact: an entry is never below its
/// pair's count. And a pair that is too rare when it first appears stays so, and is forgotten at once.
/// </remarks>
internal sealed class PairCounts
{
    private readonly int[] _symbols;
    private readonly int[] _start;
    private readonly int[] _length;
    private readonly long[] _count;
    private readonly long _minimum;
    private readonly Dictionary<long, Pair> _pairs = [];
    private readonly PriorityQueue<Pair, (long Count, long Key)> _queue =
        new(Comparer<(long Count, long Key)>.Create(
            (a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Key.CompareTo(b.Key)));
    private readonly List<Pair> _new = [];

    /// <summary>Counts the pairs of words.</summary>
    /// <param name="words">Words and how often each occurs.</param>
    /// <param name="minimum">Pairs below this count are of no interest.</param>
    public PairCounts(IReadOnlyCollection<KeyValuePair<string, long>> words, long minimum)
    {
        _minimum = minimum;
        _start = new int[words.Count];
        _length = new int[words.Count];
        _count = new long[words.Count];
        long bytes = words.Sum(word => (long)Encoding.UTF8.GetByteCount(word.Key));
        if (bytes > Array.MaxLength)
        {
            throw new InvalidDataException(
                $"the texts have {words.Count} different words of {bytes} bytes; at most {Array.MaxLength} bytes can "
                + "be trained on; leave out what is not text, or lower the longest word");
        }
        _symbols = new int[bytes];
        byte[] spelled = [];
        int word = 0;
        int at = 0;
        foreach ((string text, long count) in words)
        {
            int length = Encoding.UTF8.GetByteCount(text);
            if (spelled.Length < length)
            {
                spelled = new byte[2 * length];
            }
            Encoding.UTF8.GetBytes(text, spelled);
            (_start[word], _length[word], _count[word]) = (at, length, count);
            for (int i = 0; i < length; i++)
            {
                _symbols[at + i] = ByteLevelAlphabet.IdOf(spelled[i]);
            }
            for (int i = 0; i + 1 < length; i++)
            {
                Add(_symbols[at + i], _symbols[at + i + 1], count, word);
            }
            at += length;
            word++;
        }
        Settle();
    }

    /// <summary>Symbols in all the texts, as merged so far.</summary>
    public long Tokens => _length.Zip(_count, (length, count) => length * count).Sum();

    /// <summary>
    /// Takes out the pair of the highest count, of those the one with the lower left and then the lower right symbol.
    /// </summary>
    /// <returns>Null where no pair reaches the minimum.</returns>
    public Pair? TakeBest()
    {
        while (_queue.TryDequeue(out Pair? pair, out (long Count, long Key) queued))
        {
            if (pair.Count == queued.Count)
            {
                return pair;
            }
            if (pair.Count >= _minimum)
            {
                _queue.Enqueue(pair, (pair.Count, pair.Key));
            }
        }
        return null;
    }

    /// <summary>Replaces a pair by one symbol, left to right in each word that holds it.</summary>
    /// <param name="pair">A pair that <see cref="TakeBest"/> gave.</param>
    /// <param name="merged">The symbol, not in use before.</param>
    public void Merge(Pair pair, int merged)
    {
        _pairs.Remove(pair.Key);
        foreach (int word in pair.Words)
        {
            Span<int> symbols = _symbols.AsSpan(_start[word], _length[word]);
            long count = _count[word];
            int kept = 0;
            for (int i = 0; i < symbols.Length; i++)
            {
                if (symbols[i] != pair.Left || i + 1 == symbols.Length || symbols[i + 1] != pair.Right)
                {
                    symbols[kept++] = symbols[i];
                    continue;
                }
                if (kept > 0)
                {
                    Subtract(symbols[kept - 1], pair.Left, count);
                    Add(symbols[kept - 1], merged, count, word);
                }
                if (i + 2 < symbols.Length)
                {
                    Subtract(pair.Right, symbols[i + 2], count);
                    Add(merged, symbols[i + 2], count, word);
                }
                symbols[kept++] = merged;
                i++;
            }
            _length[word] = kept;
        }
        Settle();
    }

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    private void Add(int left, int right, long count, int word)
    {
        long key = Key(left, right);
        ref Pair? pair = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _);
        if (pair is null)
        {
            pair = new Pair(key);
            _new.Add(pair);
        }
        pair.Count += count;
        if (pair.Words.Count == 0 || pair.Words[^1] != word)
        {
            pair.Words.Add(word);
        }
    }

    // The pair that is being merged and those too rare are no longer there.
    private void Subtract(int left, int right, long count)
    {
        if (_pairs.TryGetValue(Key(left, right), out Pair? pair))
        {
            pair.Count -= count;
        }
    }

    private void Settle()
    {
        foreach (Pair pair in _new)
        {
            if (pair.Count >= _minimum)
            {
                pair.Words.TrimExcess();
                _queue.Enqueue(pair, (pair.Count, pair.Key));
            }
            else
            {
                _pairs.Remove(pair.Key);
            }
        }
        _new.Clear();
    }

    /// <summary>Two adjacent symbols.</summary>
    internal sealed class Pair(long key)
    {
        public long Key => key;

        public int Left => (int)(key >> 32);

        public int Right => (int)key;

        /// <summary>How often the texts hold it.</summary>
        public long Count { get; set; }

        /// <summary>The words that hold it or once did, each once.</summary>
        public List<int> Words { get; } = [];
    }
}
