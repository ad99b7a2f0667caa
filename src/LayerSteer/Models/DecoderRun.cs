using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>The next tokens of one sequence.</summary>
/// <param name="Cache">The sequence so far; the pass appends to it.</param>
/// <param name="Tokens">The token ids that follow, at least one.</param>
public readonly record struct SequenceBlock(KvCache Cache, ReadOnlyMemory<int> Tokens);

/// <summary>Which rows of a pass get logits.</summary>
public enum LogitRows
{
    /// <summary>None: the unembedding is not run.</summary>
    None,

    /// <summary>The last row of each sequence.</summary>
    Last,

    /// <summary>Every row.</summary>
    All,
}

/// <summary>
/// Passes of a <see cref="Decoder"/>, with their working memory. A pass takes the next tokens of one or more sequences,
/// of any lengths, without padding; each row's result is the same to the bit alone or beside others, in one block or
/// several. Sequences that are the same so far can go through the first layers together, at the cost of one. Not
/// thread-safe: one run for each thread. In steady state a pass allocates nothing.
/// </summary>
public sealed class DecoderRun : IDisposable
{
    /// <summary>The usual number of rows: enough for matrix products to run at full speed.</summary>
    public const int DefaultRows = 256;

    private readonly Decoder _decoder;
    private readonly ArchitectureSpec _spec;
    private readonly WorkerPool _pool;
    private readonly NativeBuffer _residual;
    private readonly NativeBuffer _normed;
    private readonly NativeBuffer _qkv;
    private readonly NativeBuffer _q;
    private readonly NativeBuffer _z;
    private readonly NativeBuffer _out;
    private readonly NativeBuffer _mlp;
    private readonly NativeBuffer _scratch;
    private readonly AttentionRow[] _attention;
    private readonly KvCache[] _caches;
    private readonly int[] _sequences;
    private readonly int[] _positions;
    private readonly int[] _tokens;
    private readonly int[] _logitRows;
    private NativeBuffer? _logits;
    private HookSet? _hooks;
    private int _rows; // that run
    private int _allRows; // of all sequences; more than run in shared layers

    internal DecoderRun(Decoder decoder, int maxRows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        _decoder = decoder;
        _spec = decoder.Spec;
        _pool = decoder.Pool;
        MaxRows = maxRows;
        int d = _spec.DModel;
        int heads = _spec.NHeads;
        _residual = new NativeBuffer((long)maxRows * d);
        _normed = new NativeBuffer((long)maxRows * d);
        _qkv = new NativeBuffer((long)maxRows * (heads + (2 * _spec.NKeyValueHeads)) * _spec.DHead);
        _q = new NativeBuffer((long)maxRows * heads * AttentionKernel.Padded(_spec.DHead));
        _z = new NativeBuffer((long)maxRows * heads * _spec.DHead);
        _out = new NativeBuffer((long)maxRows * d);
        _mlp = new NativeBuffer((long)maxRows * _spec.DMlp);
        _scratch = new NativeBuffer(AttentionKernel.ScratchLength(heads, _spec.ContextLength));
        _attention = new AttentionRow[maxRows];
        _caches = new KvCache[maxRows];
        _sequences = new int[maxRows];
        _positions = new int[maxRows];
        _tokens = new int[maxRows];
        _logitRows = new int[maxRows];
    }

    /// <summary>The largest number of tokens of one pass, over all its sequences.</summary>
    public int MaxRows { get; }

    /// <summary>The number of rows of logits that the last pass made.</summary>
    public int LogitCount { get; private set; }

    /// <summary>
    /// One row of logits of the last pass, [vocabulary], in the order of its rows. Valid until the next pass.
    /// </summary>
    /// <param name="index">From 0; with <see cref="LogitRows.Last"/> the index of the sequence.</param>
    public Span<float> Logits(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)LogitCount, nameof(index));
        return _logits!.Span((long)index * _spec.Vocabulary, _spec.Vocabulary);
    }

    /// <summary>Runs the layers of the caches over the next tokens of each sequence.</summary>
    /// <param name="blocks">
    /// One block a sequence; together at most <see cref="MaxRows"/> tokens; all caches with the same layers.
    /// </param>
    /// <param name="hooks">What to read or edit on the way; null for nothing.</param>
    /// <param name="logits">Which rows get logits; None if the caches end before the model's last layer.</param>
    /// <param name="sharedLayers">
    /// How many of the first layers run for the first sequence only, and count for all: every block must bring the same
    /// tokens, and every cache must hold what the first holds (its length is checked, its contents are trusted). Hooks
    /// before the end of these layers see the rows of the first sequence, and what they write counts for all;
    /// <see cref="HookKind.ResidualPost"/> of the last of them, and all that follows, sees the rows of every sequence.
    /// 0 to share nothing.
    /// </param>
    /// <exception cref="ArgumentException">
    /// Something does not fit: rows, caches, token ids, hook points (one that the pass does not reach, too), the
    /// context length, or sequences that share layers but differ.
    /// </exception>
    public void Forward(
        ReadOnlySpan<SequenceBlock> blocks,
        HookSet? hooks = null,
        LogitRows logits = LogitRows.Last,
        int sharedLayers = 0)
    {
        int layers = Admit(blocks, hooks, logits, sharedLayers);
        _hooks = hooks;
        _rows = sharedLayers > 0 ? blocks[0].Tokens.Length : _allRows;
        Embed();
        for (int layer = 0; layer < layers; layer++)
        {
            RunBlock(layer);
            if (layer == sharedLayers - 1)
            {
                GiveEachSequenceItsRows();
            }

            Hook(HookKind.ResidualPost, layer, _residual.Span(0, _rows * _spec.DModel), _spec.DModel);
        }

        foreach (SequenceBlock block in blocks)
        {
            block.Cache.Length += block.Tokens.Length;
        }

        Unembed(logits);
        _hooks = null;
    }

    /// <summary>
    /// Runs the next ids of one sequence, or of several that go on alike, in as many passes as they need.
    /// </summary>
    /// <param name="caches">The sequences so far; 1 to <see cref="MaxRows"/>.</param>
    /// <param name="ids">The token ids that follow in each, at least one.</param>
    /// <param name="hooks">What to read or edit on the way; null for nothing.</param>
    /// <param name="logits">Which ids get logits: none, the last of all, or each of a pass.</param>
    /// <param name="sharedLayers">How many of the first layers run once for all, as in <see cref="Forward"/>.</param>
    /// <param name="afterPass">Called after each pass, while its logits are there; null for nothing.</param>
    /// <param name="cancellation">Checked before each pass.</param>
    /// <exception cref="ArgumentException">Something does not fit, as in <see cref="Forward"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Prefill(
        ReadOnlySpan<KvCache> caches,
        ReadOnlyMemory<int> ids,
        HookSet? hooks = null,
        LogitRows logits = LogitRows.Last,
        int sharedLayers = 0,
        Action? afterPass = null,
        CancellationToken cancellation = default)
    {
        int most = Math.Max(1, MaxRows / Math.Max(1, caches.Length)); // none, or too many, are refused by the pass
        var blocks = new SequenceBlock[caches.Length];
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(ids.Length, most);
            bool isLast = count == ids.Length;
            LogitRows rows = logits == LogitRows.Last && !isLast ? LogitRows.None : logits;
            for (int i = 0; i < blocks.Length; i++)
            {
                blocks[i] = new SequenceBlock(caches[i], ids[..count]);
            }

            Forward(blocks, hooks, rows, sharedLayers);
            afterPass?.Invoke();
            if (isLast)
            {
                return;
            }

            ids = ids[count..];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _residual.Dispose();
        _normed.Dispose();
        _qkv.Dispose();
        _q.Dispose();
        _z.Dispose();
        _out.Dispose();
        _mlp.Dispose();
        _scratch.Dispose();
        _logits?.Dispose();
    }

    /// <summary>Checks the pass and lays out its rows; returns the number of layers to run.</summary>
    private int Admit(ReadOnlySpan<SequenceBlock> blocks, HookSet? hooks, LogitRows logits, int sharedLayers)
    {
        if (blocks.IsEmpty)
        {
            throw new ArgumentException("a pass needs at least one sequence", nameof(blocks));
        }

        int layers = blocks[0].Cache.Layers;
        if (layers < _spec.NLayers && logits != LogitRows.None)
        {
            throw new ArgumentException(
                $"logits need all {_spec.NLayers} layers; the cache holds {layers}", nameof(logits));
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
            if (!ReferenceEquals(cache.Spec, _spec))
            {
                throw new ArgumentException(
                    $"the cache of sequence {sequence} was made for another model", nameof(blocks));
            }

            if (Array.IndexOf(_caches, cache, 0, rows) >= 0)
            {
                throw new ArgumentException($"the cache of sequence {sequence} is in the pass twice", nameof(blocks));
            }

            if (cache.Layers != layers)
            {
                throw new ArgumentException(
                    $"caches of {layers} and {cache.Layers} layers in one pass", nameof(blocks));
            }

            if (tokens.IsEmpty || rows + tokens.Length > MaxRows)
            {
                throw new ArgumentException(
                    $"a pass takes 1 to {MaxRows} tokens; sequence {sequence} brings {tokens.Length} after {rows}",
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
                if ((uint)tokens[i] >= (uint)_spec.Vocabulary)
                {
                    throw new ArgumentException(
                        $"token id {tokens[i]} at position {cache.Length + i}; "
                        + $"the vocabulary has ids 0 to {_spec.Vocabulary - 1}",
                        nameof(blocks));
                }

                _caches[rows] = cache;
                _sequences[rows] = sequence;
                _positions[rows] = cache.Length + i;
                _tokens[rows] = tokens[i];
                if (logits == LogitRows.All || (logits == LogitRows.Last && i == tokens.Length - 1))
                {
                    _logitRows[logitCount++] = rows;
                }
            }
        }

        hooks?.RequireReached(_spec, layers);
        LogitCount = logitCount;
        _allRows = rows;
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

    private void Embed()
    {
        int d = _spec.DModel;
        Span<float> residual = _residual.Span(0, _rows * d);
        Span<float> positions = _out.Span(0, _rows * d);
        for (int row = 0; row < _rows; row++)
        {
            _decoder.Weights.Embedding.CopyRow(_tokens[row], residual.Slice(row * d, d));
            _decoder.Weights.PositionEmbedding.AsSpan(_positions[row] * d, d).CopyTo(positions.Slice(row * d, d));
        }

        Hook(HookKind.Embed, -1, residual, d);
        Hook(HookKind.PositionEmbed, -1, positions, d);
        AddKernel.Run(_pool, residual, positions);
    }

    private void RunBlock(int layer)
    {
        BlockWeights block = _decoder.Weights.Blocks[layer];
        int d = _spec.DModel;
        Span<float> residual = _residual.Span(0, _rows * d);
        Span<float> normed = _normed.Span(0, _rows * d);
        Span<float> output = _out.Span(0, _rows * d);
        Span<float> mlp = _mlp.Span(0, _rows * _spec.DMlp);
        Hook(HookKind.ResidualPre, layer, residual, d);

        block.Norm1.Run(_pool, residual, normed, _rows);
        Hook(HookKind.Norm1, layer, normed, d);
        Span<float> z = Attend(block, layer, normed);
        block.AttentionOut.Run(_pool, z, output, _rows);
        Hook(HookKind.AttentionOut, layer, output, d);
        AddKernel.Run(_pool, residual, output);
        Hook(HookKind.ResidualMid, layer, residual, d);

        block.Norm2.Run(_pool, residual, normed, _rows);
        Hook(HookKind.Norm2, layer, normed, d);
        block.MlpIn.Run(_pool, normed, mlp, _rows);
        Hook(HookKind.MlpPre, layer, mlp, _spec.DMlp);
        ActivationKernel.Run(_pool, _spec.Activation, mlp);
        Hook(HookKind.MlpPost, layer, mlp, _spec.DMlp);
        block.MlpOut.Run(_pool, mlp, output, _rows);
        Hook(HookKind.MlpOut, layer, output, d);
        AddKernel.Run(_pool, residual, output);
    }

    /// <summary>Ends the shared layers: what the first sequence's rows have come to, the others begin with.</summary>
    private void GiveEachSequenceItsRows()
    {
        int d = _spec.DModel;
        Span<float> shared = _residual.Span(0, _rows * d);
        for (int row = _rows; row < _allRows; row += _rows)
        {
            shared.CopyTo(_residual.Span((long)row * d, shared.Length));
        }

        _rows = _allRows;
    }

    /// <summary>Heads of the rows over their caches; returns z, [rows, nHeads·dHead].</summary>
    private Span<float> Attend(BlockWeights block, int layer, ReadOnlySpan<float> normed)
    {
        int heads = _spec.NHeads;
        int keyValueHeads = _spec.NKeyValueHeads;
        int dHead = _spec.DHead;
        int padded = AttentionKernel.Padded(dHead);
        int width = (heads + (2 * keyValueHeads)) * dHead;
        Span<float> qkv = _qkv.Span(0, _rows * width);
        block.QueryKeyValue.Run(_pool, normed, qkv, _rows);
        HookPart(HookKind.Query, layer, qkv, width, 0, heads * dHead);
        HookPart(HookKind.Key, layer, qkv, width, heads * dHead, keyValueHeads * dHead);
        HookPart(HookKind.Value, layer, qkv, width, (heads + keyValueHeads) * dHead, keyValueHeads * dHead);

        Span<float> q = _q.Span(0, _rows * heads * padded);
        for (int row = 0; row < _rows; row++)
        {
            ReadOnlySpan<float> source = qkv.Slice(row * width, width);
            for (int head = 0; head < heads; head++)
            {
                source.Slice(head * dHead, dHead).CopyTo(q[(((row * heads) + head) * padded)..]);
            }

            for (int head = 0; head < keyValueHeads; head++)
            {
                // In a shared layer a row stands for the same position of every sequence; else for its own alone.
                for (int same = row; same < _allRows; same += _rows)
                {
                    _caches[same].Write(
                        layer,
                        head,
                        _positions[row],
                        source.Slice((heads + head) * dHead, dHead),
                        source.Slice((heads + keyValueHeads + head) * dHead, dHead));
                }
            }

            _attention[row] = _caches[row].Row(layer, _positions[row] + 1);
        }

        Span<float> z = _z.Span(0, _rows * heads * dHead);
        Span<float> scratch = _scratch.Span(0, (int)_scratch.Length);
        AttentionKernel.Run(
            _pool,
            _attention.AsSpan(0, _rows),
            q,
            z,
            scratch,
            heads,
            keyValueHeads,
            dHead,
            _spec.AttentionScaleOf(layer));
        Hook(HookKind.Z, layer, z, heads * dHead);
        return z;
    }

    private void Unembed(LogitRows which)
    {
        if (which == LogitRows.None)
        {
            return;
        }

        int d = _spec.DModel;
        long needed = (long)LogitCount * _spec.Vocabulary;
        if (_logits is null || _logits.Length < needed)
        {
            _logits?.Dispose();
            _logits = new NativeBuffer(needed);
        }

        // The rows that get logits, moved to the front; sources are never behind their targets.
        for (int i = 0; i < LogitCount; i++)
        {
            _residual.Span((long)_logitRows[i] * d, d).CopyTo(_residual.Span((long)i * d, d));
            _sequences[i] = _sequences[_logitRows[i]];
            _positions[i] = _positions[_logitRows[i]];
            _tokens[i] = _tokens[_logitRows[i]];
        }

        _rows = LogitCount;
        Span<float> normed = _normed.Span(0, _rows * d);
        _decoder.Weights.FinalNorm.Run(_pool, _residual.Span(0, _rows * d), normed, _rows);
        Hook(HookKind.FinalNorm, -1, normed, d);
        MatrixKernel.Run(_pool, _decoder.Weights.Unembedding, [], normed, _logits.Span(0, (int)needed), _rows);
    }

    private void Hook(HookKind kind, int layer, Span<float> values, int width) =>
        _hooks?.Run(new HookPoint(kind, layer), new HookRows
        {
            Values = values,
            Width = width,
            Sequences = _sequences.AsSpan(0, _rows),
            Positions = _positions.AsSpan(0, _rows),
            Tokens = _tokens.AsSpan(0, _rows),
        });

    /// <summary>A hook on some columns of wider rows: they are copied out for it and back.</summary>
    private void HookPart(HookKind kind, int layer, Span<float> values, int stride, int first, int width)
    {
        if (_hooks is null || !_hooks.Has(new HookPoint(kind, layer)))
        {
            return;
        }

        float[] part = new float[_rows * width];
        for (int row = 0; row < _rows; row++)
        {
            values.Slice((row * stride) + first, width).CopyTo(part.AsSpan(row * width));
        }

        Hook(kind, layer, part, width);
        for (int row = 0; row < _rows; row++)
        {
            part.AsSpan(row * width, width).CopyTo(values[((row * stride) + first)..]);
        }
    }
}
