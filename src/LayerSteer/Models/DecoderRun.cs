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
    private readonly NativeBuffer _up;
    private readonly NativeBuffer _scratch;
    private readonly RotaryTurns _turns;
    private readonly AttentionRow[] _attention;
    private readonly PassRows _pass;
    private NativeBuffer? _logits;
    private HookSet? _hooks;
    private int _rows; // that run; fewer than all in shared layers

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
        _up = new NativeBuffer(_spec.GatedMlp ? (long)maxRows * _spec.DMlp : 0);
        _scratch = new NativeBuffer(AttentionKernel.ScratchLength(heads, _spec.ContextLength));
        _turns = new RotaryTurns(_spec, maxRows);
        _attention = new AttentionRow[maxRows];
        _pass = new PassRows(_spec, maxRows);
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
        LogitCount = 0;
        int layers = _pass.Admit(blocks, hooks, logits, sharedLayers);
        LogitCount = _pass.LogitCount;
        _hooks = hooks;
        _rows = sharedLayers > 0 ? blocks[0].Tokens.Length : _pass.Count;
        _turns.Prepare(_pass.Positions.AsSpan(0, _pass.Count));
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
        _up.Dispose();
        _turns.Dispose();
        _scratch.Dispose();
        _logits?.Dispose();
    }

    private void Embed()
    {
        int d = _spec.DModel;
        Span<float> residual = _residual.Span(0, _rows * d);
        for (int row = 0; row < _rows; row++)
        {
            _decoder.Weights.Embedding.CopyRow(_pass.Tokens[row], residual.Slice(row * d, d));
        }

        if (_spec.EmbeddingScale != 1f)
        {
            foreach (ref float value in residual)
            {
                value *= _spec.EmbeddingScale;
            }
        }

        Hook(HookKind.Embed, -1, residual, d);
        if (_decoder.Weights.PositionEmbedding is { } table)
        {
            Span<float> positions = _out.Span(0, _rows * d);
            for (int row = 0; row < _rows; row++)
            {
                table.AsSpan(_pass.Positions[row] * d, d).CopyTo(positions.Slice(row * d, d));
            }

            Hook(HookKind.PositionEmbed, -1, positions, d);
            AddKernel.Run(_pool, residual, positions);
        }
    }

    private void RunBlock(int layer)
    {
        BlockWeights block = _decoder.Weights.Blocks[layer];
        int d = _spec.DModel;
        Span<float> residual = _residual.Span(0, _rows * d);
        Span<float> normed = _normed.Span(0, _rows * d);
        Span<float> output = _out.Span(0, _rows * d);
        Hook(HookKind.ResidualPre, layer, residual, d);

        RunNorm(block.Norm1, HookKind.Norm1, layer, residual, normed);
        Span<float> z = Attend(block, layer, normed);
        block.AttentionOut.Run(_pool, z, output, _rows);
        block.PostNorm1?.Run(_pool, output, output, _rows);
        Hook(HookKind.AttentionOut, layer, output, d);
        if (_spec.ParallelResidual)
        {
            RunNorm(block.Norm2, HookKind.Norm2, layer, residual, normed); // of what attention has not changed
            AddKernel.Run(_pool, residual, output);
        }
        else
        {
            AddKernel.Run(_pool, residual, output);
            Hook(HookKind.ResidualMid, layer, residual, d);
            RunNorm(block.Norm2, HookKind.Norm2, layer, residual, normed);
        }

        Span<float> mlp = FeedForward(block, layer, normed);
        block.MlpOut.Run(_pool, mlp, output, _rows);
        block.PostNorm2?.Run(_pool, output, output, _rows);
        Hook(HookKind.MlpOut, layer, output, d);
        AddKernel.Run(_pool, residual, output);
    }

    /// <summary>A norm with its hook, which for a root-mean-square norm comes before the weight.</summary>
    private void RunNorm(Norm norm, HookKind kind, int layer, ReadOnlySpan<float> x, Span<float> y)
    {
        int d = norm.Weight.Length;
        if (norm.Bias is not null || _hooks is null || !_hooks.Has(new HookPoint(kind, layer)))
        {
            norm.Run(_pool, x, y, _rows);
            Hook(kind, layer, y, d);
            return;
        }

        RmsNormKernel.Run(_pool, x, y, [], d, _rows, norm.Epsilon);
        Hook(kind, layer, y, d);
        RmsNormKernel.Weigh(y, norm.Weight, _rows);
    }

    /// <summary>The feed-forward layer up to its output matrix, [rows, dMlp].</summary>
    private Span<float> FeedForward(BlockWeights block, int layer, ReadOnlySpan<float> normed)
    {
        int width = _spec.DMlp;
        Span<float> mlp = _mlp.Span(0, _rows * width);
        block.MlpIn.Run(_pool, normed, mlp, _rows);
        Hook(HookKind.MlpPre, layer, mlp, width);
        if (block.MlpUp is { } linear)
        {
            Span<float> up = _up.Span(0, _rows * width);
            linear.Run(_pool, normed, up, _rows);
            Hook(HookKind.MlpPreLinear, layer, up, width);
            ActivationKernel.RunGated(_pool, _spec.Activation, mlp, up);
        }
        else
        {
            ActivationKernel.Run(_pool, _spec.Activation, mlp);
        }

        Hook(HookKind.MlpPost, layer, mlp, width);
        return mlp;
    }

    /// <summary>Ends the shared layers: what the first sequence's rows have come to, the others begin with.</summary>
    private void GiveEachSequenceItsRows()
    {
        int d = _spec.DModel;
        Span<float> shared = _residual.Span(0, _rows * d);
        for (int row = _rows; row < _pass.Count; row += _rows)
        {
            shared.CopyTo(_residual.Span((long)row * d, shared.Length));
        }

        _rows = _pass.Count;
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
        Place(block, layer, qkv, width);

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
                for (int same = row; same < _pass.Count; same += _rows)
                {
                    _pass.Caches[same].Write(
                        layer,
                        head,
                        _pass.Positions[row],
                        source.Slice((heads + head) * dHead, dHead),
                        source.Slice((heads + keyValueHeads + head) * dHead, dHead));
                }
            }

            int position = _pass.Positions[row];
            _attention[row] = _pass.Caches[row].Row(layer, position + 1, _spec.FirstVisible(layer, position));
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
            _spec.AttentionScaleOf(layer),
            _spec.AttentionSoftCap ?? 0f);
        Hook(HookKind.Z, layer, z, heads * dHead);
        return z;
    }

    /// <summary>Normalises queries and keys and puts their positions in, as far as the model does.</summary>
    private void Place(BlockWeights block, int layer, Span<float> qkv, int width)
    {
        int queries = _spec.NHeads * _spec.DHead;
        if (block is { QueryNorm: { } queryNorm, KeyNorm: { } keyNorm })
        {
            RmsNormKernel.RunParts(_pool, qkv, width, _spec.NHeads, queryNorm.Weight, _rows, queryNorm.Epsilon);
            RmsNormKernel.RunParts(
                _pool, qkv[queries..], width, _spec.NKeyValueHeads, keyNorm.Weight, _rows, keyNorm.Epsilon);
        }

        _turns.Turn(_pool, layer, qkv, width, _spec.NHeads + _spec.NKeyValueHeads, _rows);
        HookPart(HookKind.RotatedQuery, layer, qkv, width, 0, queries);
        HookPart(HookKind.RotatedKey, layer, qkv, width, queries, _spec.NKeyValueHeads * _spec.DHead);
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
            _residual.Span((long)_pass.WithLogits[i] * d, d).CopyTo(_residual.Span((long)i * d, d));
            _pass.Sequences[i] = _pass.Sequences[_pass.WithLogits[i]];
            _pass.Positions[i] = _pass.Positions[_pass.WithLogits[i]];
            _pass.Tokens[i] = _pass.Tokens[_pass.WithLogits[i]];
        }

        _rows = LogitCount;
        Span<float> normed = _normed.Span(0, _rows * d);
        RunNorm(_decoder.Weights.FinalNorm, HookKind.FinalNorm, -1, _residual.Span(0, _rows * d), normed);
        Span<float> logits = _logits.Span(0, checked((int)needed));
        MatrixKernel.Run(_pool, _decoder.Weights.Unembedding, [], normed, logits, _rows);
        if (_spec.LogitSoftCap is { } cap)
        {
            SoftCapKernel.Run(_pool, logits, cap);
        }
    }

    private void Hook(HookKind kind, int layer, Span<float> values, int width) =>
        _hooks?.Run(new HookPoint(kind, layer), new HookRows
        {
            Values = values,
            Width = width,
            Sequences = _pass.Sequences.AsSpan(0, _rows),
            Positions = _pass.Positions.AsSpan(0, _rows),
            Tokens = _pass.Tokens.AsSpan(0, _rows),
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
