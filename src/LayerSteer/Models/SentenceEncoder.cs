using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Text;
using Microsoft.Extensions.AI;

namespace LayerSteer.Models;

/// <summary>
/// A BERT sentence encoder in sentence-transformers layout (Reimers and Gurevych 2019):
/// <code>
/// x = norm(word[token] + type[0] + position[i]);
/// for each layer: x = norm(x + attention(x)); x = norm(x + W_2 gelu(W_1 x))
/// e = mean of x over all tokens of the window, [CLS] and [SEP] included;   e / ‖e‖
/// </code>
/// Immutable and thread-safe; disposing frees the weights.
/// </summary>
public sealed class SentenceEncoder : IEmbeddingGenerator<string, Embedding<float>>
{
    private const int RowsAtOnce = 512;

    private static readonly string[] FilesBesideWeights =
        ["config.json", "sentence_bert_config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt"];

    private readonly WeightStore _store;
    private readonly BertWeights _weights;
    private readonly BertSpec _spec;
    private readonly Lazy<string> _digest;
    private readonly WorkerPool _pool;
    private readonly int[] _before;
    private readonly int[] _after;

    private SentenceEncoder(
        string path,
        BertSpec spec,
        BertWeights weights,
        WeightStore store,
        TextTokenizer tokenizer,
        int maxLength,
        Lazy<string> digest,
        WorkerPool pool)
    {
        _store = store;
        Path = path;
        _spec = spec;
        _weights = weights;
        _pool = pool;
        Tokenizer = tokenizer;
        MaxLength = maxLength;
        TokenizerMaxLength = Math.Min(tokenizer.ModelMaxLength ?? spec.MaxPositions, spec.MaxPositions);
        _digest = digest;
        int[] specials = tokenizer.EncodeWithSpecials(string.Empty, null);
        _before = specials[..1];
        _after = specials[1..];
    }

    /// <summary>The folder it was loaded from.</summary>
    public string Path { get; }

    /// <summary>The tokenizer of the folder.</summary>
    public TextTokenizer Tokenizer { get; }

    /// <summary>The length of an embedding.</summary>
    public int DEmbedding => _spec.DModel;

    /// <summary>
    /// The longest window in tokens, specials included: <c>max_seq_length</c> of <c>sentence_bert_config.json</c>.
    /// </summary>
    public int MaxLength { get; }

    /// <summary>
    /// Where the tokenizer itself cuts a text, specials included: <c>model_max_length</c>, as the seed uses it.
    /// </summary>
    public int TokenizerMaxLength { get; }

    /// <summary>SHA-256 over the config, vocabulary and weight files; computed when first asked for.</summary>
    public string Digest => _digest.Value;

    /// <summary>Loads a sentence-transformers folder.</summary>
    /// <param name="directory">The folder with <c>config.json</c>, weights and tokenizer files.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="NotSupportedException">The architecture, pooling or a setting is not supported.</exception>
    public static SentenceEncoder Load(string directory, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        options ??= new LoadOptions();
        BertSpec spec = BertSpec.Read(directory);
        int maxLength = SentenceConfig.MaxLength(directory);
        SentenceConfig.RequireMeanPooling(directory);
        TextTokenizer tokenizer = TextTokenizer.Load(directory);
        if (tokenizer.VocabularySize > spec.Vocabulary)
        {
            throw new InvalidDataException(
                $"'{directory}': the tokenizer has {tokenizer.VocabularySize} ids, "
                + $"config.json's vocab_size is {spec.Vocabulary}");
        }

        int limit = Math.Min(
            maxLength > 0 ? maxLength : tokenizer.ModelMaxLength ?? spec.MaxPositions, spec.MaxPositions);
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        string[] files =
            [
                .. FilesBesideWeights.Where(name => File.Exists(System.IO.Path.Combine(directory, name))),
                .. checkpoint.Files,
            ];
        var cache = new WeightCache(options, "sentence-encoder", checkpoint.Stamps);
        var digest = new Lazy<string>(() => FileDigest.OfFiles(directory, files, cache.Folder));
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            BertWeights weights = BertWeights.Load(checkpoint, spec, store);
            cache.Save(store);
            var encoder = new SentenceEncoder(
                directory, spec, weights, store, tokenizer, limit, digest, options.Pool ?? WorkerPool.Shared);
            store = null;
            return encoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>
    /// Splits a text into windows that cover all of it: at most <paramref name="maxLength"/> tokens each, no overlap.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="maxLength">The length of a window, specials included; at least 3.</param>
    /// <returns>The token ids of each window, specials included; one window even for an empty text.</returns>
    public IReadOnlyList<int[]> Windows(string text, int maxLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 3);
        int[] pieces = Tokenizer.Encode(text);
        int room = maxLength - _before.Length - _after.Length;
        var windows = new List<int[]>();
        for (int start = 0; start == 0 || start < pieces.Length; start += room)
        {
            windows.Add([.. _before, .. pieces.AsSpan(start, Math.Min(room, pieces.Length - start)), .. _after]);
        }

        return windows;
    }

    /// <summary>Embeds windows of token ids.</summary>
    /// <param name="windows">Token ids, specials included, at most <c>max_position_embeddings</c> each.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>Unit vectors, [windows][dEmbedding].</returns>
    public float[][] Embed(IReadOnlyList<int[]> windows, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(windows);
        int longest = Math.Max(RowsAtOnce, windows.Count == 0 ? 0 : windows.Max(w => w.Length));
        using var pass = new BertPass(_spec, _weights, longest, _pool);
        var embeddings = new float[windows.Count][];
        for (int first = 0; first < windows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = 0;
            int end = first;
            while (end < windows.Count && (end == first || rows + windows[end].Length <= RowsAtOnce))
            {
                rows += windows[end++].Length;
            }

            var group = windows.Skip(first).Take(end - first).ToList();
            pass.Run(group).CopyTo(embeddings, first);
            first = end;
        }

        return embeddings;
    }

    /// <summary>Embeds each text, cut at <see cref="MaxLength"/>.</summary>
    /// <param name="values">The texts.</param>
    /// <param name="options">Ignored.</param>
    /// <param name="cancellationToken">Checked between passes.</param>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Task.Run(
            () =>
            {
                int[][] windows = [.. values.Select(text => Tokenizer.EncodeWithSpecials(text, MaxLength))];
                return new GeneratedEmbeddings<Embedding<float>>(
                    Embed(windows, cancellationToken).Select(vector => new Embedding<float>(vector)));
            },
            cancellationToken);

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is null && serviceType.IsInstanceOfType(this) ? this
            : serviceKey is null && serviceType == typeof(EmbeddingGeneratorMetadata)
                ? new EmbeddingGeneratorMetadata("layersteer", null, System.IO.Path.GetFileName(Path), DEmbedding)
            : null;
    }

    /// <inheritdoc/>
    public void Dispose() => _store.Dispose();
}
