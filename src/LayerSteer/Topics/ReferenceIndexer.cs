using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Topics;

/// <summary>How far a build is.</summary>
/// <param name="Done">Prompts in the index.</param>
/// <param name="Total">Prompts it is to hold.</param>
/// <param name="Tokens">Tokens run through the model in this build.</param>
public readonly record struct IndexProgress(int Done, int Total, long Tokens);

/// <summary>
/// Runs reference texts through the model to one layer and through the autoencoder, once, into a reference index. No
/// later layer and no unembedding is run. A prompt longer than the context is cut into chunks, each from position 0.
/// <code>
/// corrected: one BOS in front of each chunk; position 0 of each chunk is left out of the summaries
/// seed:      no BOS; position 0 of the first chunk only is left out, as in the published code
/// </code>
/// Does not own what it joins. Not thread-safe.
/// </summary>
public sealed class ReferenceIndexer
{
    private const int PromptsOfPart = 32;
    private const int RowsEncodedAtOnce = 64;

    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;
    private readonly SparseAutoencoder _autoencoder;
    private readonly HookPoint _point;
    private readonly SentenceEncoder _encoder;
    private readonly TextEmbedder _embedder;
    private readonly SteeringMode _mode;
    private readonly BosPolicy _bos;
    private readonly int[] _prefix;
    private readonly float[] _inputs;
    private readonly EncodedRows _encoded;
    private readonly SparseLatents _latents = new();

    /// <summary>Joins what an index is made with.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="autoencoder">The autoencoder for the hook point.</param>
    /// <param name="point">Where latents are read.</param>
    /// <param name="encoder">The sentence encoder.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="bos">The BOS policy; the mode's own if null: one in corrected mode, none in seed mode.</param>
    /// <exception cref="ArgumentException">
    /// BOS is wanted and unknown, or the autoencoder does not fit the hook point.
    /// </exception>
    public ReferenceIndexer(
        Decoder decoder,
        TextTokenizer tokenizer,
        SparseAutoencoder autoencoder,
        HookPoint point,
        SentenceEncoder encoder,
        SteeringMode mode,
        BosPolicy? bos = null)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(autoencoder);
        autoencoder.RequireFits(decoder.Spec, point);
        _decoder = decoder;
        _tokenizer = tokenizer;
        _autoencoder = autoencoder;
        _point = point;
        _encoder = encoder;
        _embedder = new TextEmbedder(encoder, mode);
        _mode = mode;
        _bos = bos ?? (mode == SteeringMode.Seed ? BosPolicy.None : BosPolicy.One);
        _prefix = _bos.Prefix(decoder.Spec, tokenizer);
        _inputs = new float[RowsEncodedAtOnce * autoencoder.DIn];
        _encoded = autoencoder.CreateRows(RowsEncodedAtOnce);
    }

    /// <summary>What an index of a reference list, or of one shard of it, is made with.</summary>
    /// <param name="references">The whole list.</param>
    /// <param name="shard">The shard, from 1.</param>
    /// <param name="of">The number of shards.</param>
    public IndexManifest Manifest(TextTable references, int shard = 1, int of = 1)
    {
        ArgumentNullException.ThrowIfNull(references);
        string digest = ReferenceSource.DigestOf(references.Texts.Select(ReferenceSource.DigestOfText));
        return new IndexManifest
        {
            Created = DateTimeOffset.UtcNow,
            Mode = _mode,
            Model = new Artefact(_decoder.Path, _decoder.Digest),
            Dtype = WeightTypes.NameOf(_decoder.Type),
            Sae = new Artefact(_autoencoder.Path, _autoencoder.Digest),
            Encoder = new Artefact(_encoder.Path, _encoder.Digest),
            TokenizerDigest = _tokenizer.Digest,
            Layer = _point.Layer,
            HookPoint = _point.ToString(),
            BosPolicy = BosPolicies.NameOf(_bos),
            DModel = _decoder.Spec.DModel,
            DSae = _autoencoder.DSae,
            DEmbedding = _encoder.DEmbedding,
            EncoderMaxLength = _embedder.MaxLength,
            Reference = new ReferenceSource(references.Source, digest, references.Count),
            Ids = [IdRange.OfShard(shard, of, references.Count)],
        };
    }

    /// <summary>Builds an index, or finishes one that was interrupted.</summary>
    /// <param name="folder">The folder of the index.</param>
    /// <param name="manifest">From <see cref="Manifest"/>, for the same list.</param>
    /// <param name="references">The whole list.</param>
    /// <param name="progress">Told after each part; null for nobody.</param>
    /// <param name="cancellation">Checked between passes; what is on disk stays and is used by the next build.</param>
    /// <returns>The ids of prompts of which no token was kept: they take no part in scores.</returns>
    /// <exception cref="InvalidDataException">The folder holds something else.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<int> Build(
        string folder,
        IndexManifest manifest,
        TextTable references,
        IProgress<IndexProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(references);
        using ReferenceIndexWriter writer = ReferenceIndexWriter.Open(folder, manifest);
        using var run = _decoder.CreateRun();
        var accumulator = new PromptAccumulator(_autoencoder.DSae);
        var silent = new List<int>();
        long tokens = 0;
        progress?.Report(new IndexProgress(writer.CompletedPrompts.Count, manifest.PromptCount, 0));
        foreach (int[] part in writer.RemainingPrompts.ToArray().Chunk(PromptsOfPart))
        {
            string[] texts = [.. part.Select(id => references.Texts[id])];
            float[][] embeddings = _embedder.Embed(texts, cancellation);
            var summaries = new List<PromptSummary>();
            tokens += Run(run, texts, accumulator, i =>
            {
                summaries.Add(accumulator.Take(part[i], ReferenceSource.DigestOfText(texts[i]), embeddings[i]));
                if (summaries[^1].Tokens == 0)
                {
                    silent.Add(part[i]);
                }
            }, cancellation);
            writer.Append(summaries);
            progress?.Report(new IndexProgress(writer.CompletedPrompts.Count, manifest.PromptCount, tokens));
        }

        return silent;
    }

    /// <summary>What <see cref="Build"/> keeps of one text, but for its sentence vectors; nothing is written.</summary>
    /// <param name="run">Working memory of the decoder.</param>
    /// <param name="text">The text.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>The summary, as prompt 0, and the number of tokens that ran through the model.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public (PromptSummary Summary, long Tokens) Summarise(
        DecoderRun run, string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(text);
        var accumulator = new PromptAccumulator(_autoencoder.DSae);
        long tokens = Run(run, [text], accumulator, _ => { }, cancellation);
        return (accumulator.Take(0, ReferenceSource.DigestOfText(text), []), tokens);
    }

    /// <summary>Runs texts side by side, as many rows at once as a pass holds; returns the number of tokens.</summary>
    private long Run(
        DecoderRun run,
        string[] texts,
        PromptAccumulator accumulator,
        Action<int> finished,
        CancellationToken cancellation)
    {
        var chunks = new Queue<Chunk>();
        for (int i = 0; i < texts.Length; i++)
        {
            AddChunks(chunks, i, _tokenizer.Encode(texts[i]));
        }

        long tokens = chunks.Sum(chunk => (long)chunk.Ids.Length);
        while (chunks.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            List<Chunk> pass = TakePass(chunks, run.MaxRows);
            RunPass(run, pass, accumulator, finished);
        }

        return tokens;
    }

    /// <summary>Whole chunks that fit a pass together; one that fits no pass comes alone.</summary>
    private static List<Chunk> TakePass(Queue<Chunk> chunks, int maxRows)
    {
        var pass = new List<Chunk> { chunks.Dequeue() };
        int rows = pass[0].Ids.Length;
        while (chunks.TryPeek(out Chunk? next) && rows + next.Ids.Length <= maxRows)
        {
            rows += next.Ids.Length;
            pass.Add(chunks.Dequeue());
        }

        return pass;
    }

    private void RunPass(DecoderRun run, List<Chunk> pass, PromptAccumulator accumulator, Action<int> finished)
    {
        // A chunk without tokens has nothing to run, but its prompt still ends here.
        Chunk[] filled = [.. pass.Where(chunk => chunk.Ids.Length > 0)];
        KvCache[] caches = [.. filled.Select(chunk => _decoder.CreateCache(chunk.Ids.Length, _point.Layer))];
        int current = 0;
        void FinishUpTo(Chunk? next)
        {
            for (; current < pass.Count && pass[current] != next; current++)
            {
                if (pass[current].IsLast)
                {
                    finished(pass[current].Prompt);
                }
            }
        }

        try
        {
            var hooks = new HookSet().Add(_point, rows =>
            {
                int[] kept = [.. KeptRows(rows, filled)];
                foreach (int[] block in kept.Chunk(RowsEncodedAtOnce))
                {
                    Encode(rows, block);
                    for (int i = 0; i < block.Length; i++)
                    {
                        FinishUpTo(filled[rows.Sequences[block[i]]]);
                        _encoded.Activate(i, _latents);
                        accumulator.Add(_latents);
                    }
                }
            });
            int longest = filled.Length == 0 ? 0 : filled.Max(chunk => chunk.Ids.Length);
            for (int start = 0; start < longest; start += run.MaxRows)
            {
                SequenceBlock[] blocks = [.. filled.Select((chunk, i) => new SequenceBlock(
                    caches[i], chunk.Ids.AsMemory(start, Math.Min(run.MaxRows, chunk.Ids.Length - start))))];
                run.Forward(blocks, hooks, LogitRows.None);
            }

            FinishUpTo(null);
        }
        finally
        {
            Array.ForEach(caches, cache => cache.Dispose());
        }
    }

    private static List<int> KeptRows(HookRows rows, Chunk[] chunks)
    {
        var kept = new List<int>();
        for (int row = 0; row < rows.Count; row++)
        {
            if (rows.Positions[row] > 0 || !chunks[rows.Sequences[row]].DropsFirst)
            {
                kept.Add(row);
            }
        }

        return kept;
    }

    private void Encode(HookRows rows, int[] block)
    {
        for (int i = 0; i < block.Length; i++)
        {
            rows[block[i]].CopyTo(_inputs.AsSpan(i * _autoencoder.DIn));
        }

        _autoencoder.Encode(_inputs, block.Length, _encoded);
    }

    private void AddChunks(Queue<Chunk> chunks, int prompt, int[] ids)
    {
        int room = _decoder.Spec.ContextLength - _prefix.Length;
        for (int start = 0; start == 0 || start < ids.Length; start += room)
        {
            int[] part = ids[start..Math.Min(ids.Length, start + room)];
            bool drops = _mode == SteeringMode.Corrected || _prefix.Length > 0 || start == 0;
            chunks.Enqueue(new Chunk(
                prompt, part.Length == 0 ? [] : [.. _prefix, .. part], drops, start + room >= ids.Length));
        }
    }

    /// <summary>Some tokens of a prompt that run from position 0.</summary>
    private sealed record Chunk(int Prompt, int[] Ids, bool DropsFirst, bool IsLast);
}
