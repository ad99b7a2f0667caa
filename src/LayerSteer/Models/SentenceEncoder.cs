using LayerSteer.Numerics;
using LayerSteer.Text;
using Microsoft.Extensions.AI;

namespace LayerSteer.Models;

/// <summary>
/// A sentence encoder in sentence-transformers layout: BERT with mean pooling, or a static embedding, whose
/// <c>modules.json</c> says so; a text's vector is
/// <code>
/// e = mean over the tokens of what the network gives for each;   e / ‖e‖
/// </code>
/// Immutable and thread-safe; disposing frees the weights.
/// </summary>
/// <remarks>
/// A text without tokens has two special ones with BERT; with a static embedding, which knows no special ones, its
/// vector is 0, as with sentence-transformers: the one vector that does not have length 1.
/// </remarks>
public sealed class SentenceEncoder : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly SentenceParts _parts;
    private readonly WorkerPool _pool;

    private SentenceEncoder(string path, SentenceParts parts, WorkerPool pool)
    {
        Path = path;
        _parts = parts;
        _pool = pool;
    }

    /// <summary>The folder it was loaded from.</summary>
    public string Path { get; }

    /// <summary>The tokenizer of the folder.</summary>
    public TextTokenizer Tokenizer => _parts.Tokenizer;

    /// <summary>The length of an embedding.</summary>
    public int DEmbedding => _parts.Network.DEmbedding;

    /// <summary>
    /// The longest window in tokens, specials included: <c>max_seq_length</c> of <c>sentence_bert_config.json</c>. A
    /// static embedding takes windows of any length; this is 512 where no file says otherwise.
    /// </summary>
    public int MaxLength => _parts.MaxLength;

    /// <summary>
    /// Where the tokenizer itself cuts a text, specials included: <c>model_max_length</c>, as the seed uses it.
    /// </summary>
    public int TokenizerMaxLength => _parts.TokenizerMaxLength;

    /// <summary>SHA-256 over the config, vocabulary and weight files; computed when first asked for.</summary>
    public string Digest => _parts.Digest.Value;

    /// <summary>Loads a sentence-transformers folder.</summary>
    /// <param name="directory">
    /// The folder: <c>config.json</c>, weights and tokenizer files of a BERT; or <c>modules.json</c>, and in the folder
    /// of its first module, a StaticEmbedding, <c>embedding.weight</c> [vocabulary, d] and tokenizer files.
    /// </param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged.</exception>
    /// <exception cref="NotSupportedException">A module, architecture, pooling or setting is not supported.</exception>
    public static SentenceEncoder Load(string directory, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        options ??= new LoadOptions();
        SentenceModules modules = SentenceModules.Read(directory);
        SentenceParts parts = modules.IsStatic
            ? StaticNetwork.Load(directory, modules.Path, options)
            : BertNetwork.Load(directory, options);
        return new SentenceEncoder(directory, parts, options.Pool ?? WorkerPool.Shared);
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
        int room = maxLength - _parts.Before.Length - _parts.After.Length;
        var windows = new List<int[]>();
        for (int start = 0; start == 0 || start < pieces.Length; start += room)
        {
            windows.Add(Window(pieces.AsSpan(start, Math.Min(room, pieces.Length - start))));
        }

        return windows;
    }

    /// <summary>The window of a text's first tokens.</summary>
    /// <param name="text">The text; what does not fit is left out.</param>
    /// <param name="maxLength">The length of the window, specials included; at least 3.</param>
    /// <returns>The token ids, specials included.</returns>
    public int[] FirstWindow(string text, int maxLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 3);
        int[] pieces = Tokenizer.Encode(text);
        int room = maxLength - _parts.Before.Length - _parts.After.Length;
        return Window(pieces.AsSpan(0, Math.Min(room, pieces.Length)));
    }

    /// <summary>Embeds windows of token ids.</summary>
    /// <param name="windows">
    /// Token ids, specials included; for BERT at most <c>max_position_embeddings</c> each.
    /// </param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>Unit vectors, [windows][dEmbedding]; a window without tokens has the vector 0.</returns>
    /// <exception cref="ArgumentException">A window is too long, or an id is out of range.</exception>
    public float[][] Embed(IReadOnlyList<int[]> windows, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(windows);
        return _parts.Network.Embed(windows, _pool, cancellation);
    }

    /// <summary>
    /// Embeds each text as sentence-transformers does: for BERT cut at <see cref="MaxLength"/>, for a static embedding
    /// whole.
    /// </summary>
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
                int[][] windows = [.. values.Select(text => FirstWindow(text, _parts.GeneratorMaxLength))];
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
    public void Dispose() => _parts.Network.Dispose();

    private int[] Window(ReadOnlySpan<int> pieces) => [.. _parts.Before, .. pieces, .. _parts.After];
}
