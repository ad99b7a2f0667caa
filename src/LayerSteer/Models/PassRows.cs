namespace LayerSteer.Models;

/// <summary>The rows of a pass, one a token, sequence after sequence: whose they are and where they stand.</summary>
/// <param name="spec">The model.</param>
/// <param name="maxRows">The largest number of rows.</param>
internal sealed class PassRows(ArchitectureSpec spec, int maxRows)
{
    /// <summary>The cache of each row's sequence, [maxRows].</summary>
    public KvCache[] Caches { get; } = new KvCache[maxRows];

    /// <summary>The index of each row's sequence, [maxRows].</summary>
    public int[] Sequences { get; } = new int[maxRows];

    /// <summary>The position of each row in its sequence, [maxRows].</summary>
    public int[] Positions { get; } = new int[maxRows];

    /// <summary>The token id of each row, [maxRows].</summary>
    public int[] Tokens { get; } = new int[maxRows];

    /// <summary>The rows that get logits, [maxRows].</summary>
    public int[] WithLogits { get; } = new int[maxRows];

    /// <summary>The number of rows of all sequences.</summary>
    public int Count { get; private set; }

    /// <summary>The number of rows that get logits.</summary>
    public int LogitCount { get; private set; }

    /// <summary>Checks a pass and lays out its rows.</summary>
    /// <returns>The number of layers to run.</returns>
    /// <exception cref="ArgumentException">Something does not fit, as <see cref="DecoderRun.Forward"/> says.</exception>
    public int Admit(ReadOnlySpan<SequenceBlock> blocks, HookSet? hooks, LogitRows logits, int sharedLayers)
    {
        if (blocks.IsEmpty)
        {
            throw new ArgumentException("a pass needs at least one sequence", nameof(blocks));
        }

        int layers = blocks[0].Cache.Layers;
        if (layers < spec.NLayers && logits != LogitRows.None)
        {
            throw new ArgumentException(
                $"logits need all {spec.NLayers} layers; the cache holds {layers}", nameof(logits));
        }

        int rows = 0;
        int logitCount = 0;
        LogitCount = 0;
        ArgumentOutOfRangeException.ThrowIfNegative(sharedLayers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sharedLayers, layers);
        for (int sequence = 0; sequence < blocks.Length; sequence++)
        {
            KvCache cache = blocks[sequence].Cache;
            ReadOnlySpan<int> tokens = blocks[sequence].Tokens.Span;
            if (!ReferenceEquals(cache.Spec, spec))
            {
                throw new ArgumentException(
                    $"the cache of sequence {sequence} was made for another model", nameof(blocks));
            }

            if (Array.IndexOf(Caches, cache, 0, rows) >= 0)
            {
                throw new ArgumentException($"the cache of sequence {sequence} is in the pass twice", nameof(blocks));
            }

            if (cache.Layers != layers)
            {
                throw new ArgumentException(
                    $"caches of {layers} and {cache.Layers} layers in one pass", nameof(blocks));
            }

            if (tokens.IsEmpty || rows + tokens.Length > maxRows)
            {
                throw new ArgumentException(
                    $"a pass takes 1 to {maxRows} tokens; sequence {sequence} brings {tokens.Length} after {rows}",
                    nameof(blocks));
            }

            if (cache.Length + tokens.Length > cache.Capacity)
            {
                throw new ArgumentException(
                    $"{cache.Length} + {tokens.Length} positions, but the cache holds {cache.Capacity}",
                    nameof(blocks));
            }

            if (sharedLayers > 0)
            {
                RequireAlike(blocks, sequence);
            }

            for (int i = 0; i < tokens.Length; i++, rows++)
            {
                if ((uint)tokens[i] >= (uint)spec.Vocabulary)
                {
                    throw new ArgumentException(
                        $"token id {tokens[i]} at position {cache.Length + i}; "
                        + $"the vocabulary has ids 0 to {spec.Vocabulary - 1}",
                        nameof(blocks));
                }

                Caches[rows] = cache;
                Sequences[rows] = sequence;
                Positions[rows] = cache.Length + i;
                Tokens[rows] = tokens[i];
                if (logits == LogitRows.All || (logits == LogitRows.Last && i == tokens.Length - 1))
                {
                    WithLogits[logitCount++] = rows;
                }
            }
        }

        hooks?.RequireReached(spec, layers);
        LogitCount = logitCount;
        Count = rows;
        return layers;
    }

    /// <summary>Refuses a sequence that cannot share layers with the first.</summary>
    private static void RequireAlike(ReadOnlySpan<SequenceBlock> blocks, int sequence)
    {
        SequenceBlock first = blocks[0];
        SequenceBlock other = blocks[sequence];
        if (other.Cache.Length != first.Cache.Length)
        {
            throw new ArgumentException(
                $"sequences 0 and {sequence} cannot share layers: "
                + $"their caches hold {first.Cache.Length} and {other.Cache.Length} positions",
                nameof(blocks));
        }

        if (!other.Tokens.Span.SequenceEqual(first.Tokens.Span))
        {
            throw new ArgumentException(
                $"sequences 0 and {sequence} cannot share layers: they bring different tokens", nameof(blocks));
        }
    }
}
