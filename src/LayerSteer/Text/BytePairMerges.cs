namespace LayerSteer.Text;

/// <summary>
/// Byte-pair encoding's merge table and loop: the adjacent pair of lowest rank, leftmost on ties, is merged until none
/// applies. A linked list and a heap make it O(n log n), so that a piece may be a whole text. About 40 bytes of working
/// memory a symbol of the longest piece.
/// </summary>
/// <param name="expected">About how many merges there will be.</param>
internal sealed class BytePairMerges(int expected)
{
    private readonly Dictionary<long, (int Rank, int Result)> _merges = new(expected);

    /// <summary>Working memory of one caller; not shared between threads.</summary>
    internal sealed class Workspace
    {
        internal readonly PriorityQueue<int, long> Queue = new();
        internal int[] Previous = [];
        internal int[] Next = [];
    }

    /// <summary>Adds a merge; where a pair is listed twice, the later rank holds.</summary>
    public void Add(int left, int right, int rank, int result) => _merges[Key(left, right)] = (rank, result);

    /// <summary>All merges by rank.</summary>
    /// <returns>Left, right and result of each, one after the other.</returns>
    public int[] ByRank()
    {
        long[] keys = [.. _merges.Keys];
        int[] ranks = [.. _merges.Values.Select(merge => merge.Rank)];
        Array.Sort(ranks, keys);
        int[] merges = new int[3 * keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            merges[3 * i] = (int)(keys[i] >> 32);
            merges[(3 * i) + 1] = (int)keys[i];
            merges[(3 * i) + 2] = _merges[keys[i]].Result;
        }

        return merges;
    }

    /// <summary>Merges the symbols in place.</summary>
    /// <returns>How many are left, at the front of <paramref name="symbols"/>.</returns>
    public int Apply(Span<int> symbols, Workspace workspace)
    {
        int count = symbols.Length;
        if (count < 2)
        {
            return count;
        }
        if (workspace.Next.Length < count)
        {
            int capacity = (int)Math.Min(Array.MaxLength, Math.Max(64, 2L * count));
            workspace.Previous = new int[capacity];
            workspace.Next = new int[capacity];
        }
        Span<int> previous = workspace.Previous.AsSpan(0, count);
        Span<int> next = workspace.Next.AsSpan(0, count);
        PriorityQueue<int, long> queue = workspace.Queue;
        for (int i = 0; i < count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1;
        }
        for (int i = 0; i + 1 < count; i++)
        {
            Enqueue(queue, symbols, i, i + 1);
        }
        const int Gone = -1;
        while (queue.TryDequeue(out int left, out long priority))
        {
            int right = next[left];
            // The pair may have changed since it was queued: its left part gone, or a part grown.
            if (symbols[left] == Gone || right == count
                || !_merges.TryGetValue(Key(symbols[left], symbols[right]), out (int Rank, int Result) merge)
                || merge.Rank != (int)(priority >> 32))
            {
                continue;
            }
            symbols[left] = merge.Result;
            symbols[right] = Gone;
            int after = next[left] = next[right];
            if (after < count)
            {
                previous[after] = left;
                Enqueue(queue, symbols, left, after);
            }
            if (previous[left] >= 0)
            {
                Enqueue(queue, symbols, previous[left], left);
            }
        }
        int kept = 0;
        for (int i = 0; i < count; i = next[i])
        {
            symbols[kept++] = symbols[i];
        }
        return kept;
    }

    private void Enqueue(PriorityQueue<int, long> queue, ReadOnlySpan<int> symbols, int left, int right)
    {
        if (_merges.TryGetValue(Key(symbols[left], symbols[right]), out (int Rank, int Result) merge))
        {
            queue.Enqueue(left, ((long)merge.Rank << 32) | (uint)left);
        }
    }

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;
}
