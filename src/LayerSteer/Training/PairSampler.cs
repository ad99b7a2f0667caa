using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>
/// Draws pairs of passages: a source by its weight, a document by its length, two passages near each other that do not
/// overlap. No document is in a batch twice while there are others. The batch of a step depends on the seed and the
/// step alone, so that a run that is resumed draws what it would have drawn.
/// </summary>
internal sealed class PairSampler
{
    /// <summary>How often another document is tried for one that is in the batch already.</summary>
    private const int Tries = 32;

    private readonly ContrastiveOptions _options;
    private readonly List<ArraySegment<int>>[] _documents;
    private readonly long[][] _ends;
    private readonly double[] _sourceEnds;
    private readonly ulong _seed;
    private readonly HashSet<ArraySegment<int>> _drawn = [];

    /// <summary>Finds the documents that are long enough for a pair.</summary>
    /// <param name="sources">The texts.</param>
    /// <param name="end">The token after each document.</param>
    /// <param name="options">How to draw.</param>
    /// <exception cref="InvalidDataException">No document is long enough.</exception>
    public PairSampler(IReadOnlyList<TokenSource> sources, int end, ContrastiveOptions options)
    {
        _options = options;
        _seed = new SplitMix64(options.Seed).Next();
        var usable = sources
            .Select(source => (source.Weight, Documents: Documents(source.Tokens, end, 2 * options.MinTokens)))
            .Where(source => source.Documents.Count > 0 && source.Weight > 0)
            .ToList();
        if (usable.Count == 0)
        {
            throw new InvalidDataException(
                $"no document of the corpus has {2 * options.MinTokens} tokens, which a pair of passages of "
                + $"{options.MinTokens} takes; give longer documents or shorter passages");
        }

        _documents = [.. usable.Select(source => source.Documents)];
        _ends = [.. _documents.Select(documents => Ends(documents))];
        _sourceEnds = new double[usable.Count];
        double sum = 0;
        for (int i = 0; i < _sourceEnds.Length; i++)
        {
            _sourceEnds[i] = sum += usable[i].Weight * Math.Pow(_ends[i][^1], options.Balance);
        }
    }

    /// <summary>Fills a batch with the pairs of a step.</summary>
    public void Draw(long step, PassagePairs batch)
    {
        var random = new SplitMix64(new SplitMix64(unchecked(_seed + (ulong)step)).Next());
        _drawn.Clear();
        batch.Clear();
        var pairs = new (ArraySegment<int> A, ArraySegment<int> B)[_options.Batch];
        foreach (ref (ArraySegment<int> A, ArraySegment<int> B) pair in pairs.AsSpan())
        {
            ArraySegment<int> document = Document(ref random);
            for (int i = 0; i < Tries && !_drawn.Add(document); i++)
            {
                document = Document(ref random);
            }

            pair = Pair(document, ref random);
        }

        foreach ((ArraySegment<int> passage, _) in pairs)
        {
            Add(passage, ref random, batch);
        }

        foreach ((_, ArraySegment<int> passage) in pairs)
        {
            Add(passage, ref random, batch);
        }
    }

    private static List<ArraySegment<int>> Documents(int[] tokens, int end, int least)
    {
        var documents = new List<ArraySegment<int>>();
        for (int start = 0; start < tokens.Length;)
        {
            int found = Array.IndexOf(tokens, end, start);
            int stop = found < 0 ? tokens.Length : found;
            if (stop - start >= least)
            {
                documents.Add(new ArraySegment<int>(tokens, start, stop - start));
            }

            start = stop + 1;
        }

        return documents;
    }

    private static long[] Ends(List<ArraySegment<int>> documents)
    {
        long[] ends = new long[documents.Count];
        long end = 0;
        for (int i = 0; i < ends.Length; i++)
        {
            ends[i] = end += documents[i].Count;
        }

        return ends;
    }

    private ArraySegment<int> Document(ref SplitMix64 random)
    {
        int source = After(_sourceEnds, random.NextDouble() * _sourceEnds[^1]);
        return _documents[source][After(_ends[source], (long)(random.NextDouble() * _ends[source][^1]))];
    }

    /// <summary>The first of ascending ends that lies after a place.</summary>
    private static int After<T>(T[] ends, T place) where T : IComparable<T>
    {
        int low = 0;
        int high = ends.Length - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = ends[middle].CompareTo(place) > 0 ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private (ArraySegment<int> A, ArraySegment<int> B) Pair(ArraySegment<int> document, ref SplitMix64 random)
    {
        int a = Length(ref random);
        int b = Length(ref random);
        int gap = random.NextInt(_options.MaxGap + 1);
        if (a + b > document.Count)
        {
            a = Math.Clamp((int)((long)document.Count * a / (a + b)), 1, document.Count - 1);
            b = document.Count - a;
        }

        gap = Math.Min(gap, document.Count - a - b);
        int start = random.NextInt(document.Count - a - gap - b + 1);
        return (document.Slice(start, a), document.Slice(start + a + gap, b));
    }

    private int Length(ref SplitMix64 random)
    {
        double ratio = (double)(_options.MaxTokens + 1) / _options.MinTokens;
        return Math.Min((int)(_options.MinTokens * Math.Pow(ratio, random.NextDouble())), _options.MaxTokens);
    }

    private void Add(ArraySegment<int> passage, ref SplitMix64 random, PassagePairs batch)
    {
        foreach (int token in passage)
        {
            if (_options.TokenDropout == 0 || random.NextDouble() >= _options.TokenDropout)
            {
                batch.Add(token);
            }
        }

        if (batch.Open == 0)
        {
            batch.Add(passage[random.NextInt(passage.Count)]);
        }

        batch.EndPassage();
    }
}
