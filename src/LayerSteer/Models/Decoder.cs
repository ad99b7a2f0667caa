using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// A causal transformer, driven by its <see cref="ArchitectureSpec"/>:
/// <code>
/// r = embed(token)·scale + embed(position)
/// for each block: r += W_O · attention(norm1(r)); r += W_out · act(W_in · norm2(r))
/// logits = unembed(norm(r))
/// </code>
/// Families differ in their norms (also of what is added), in positions (learned, or rotary in attention), in heads that
/// share keys, windows, soft caps, gates, and in whether both parts of a block read the same r.
/// Weights are in native memory, immutable and shared: any number of <see cref="DecoderRun"/>s may use one
/// decoder at once. Disposing frees the weights; no run may be under way.
/// </summary>
public sealed class Decoder : IDisposable
{
    private readonly WeightStore _store;
    private readonly Lazy<string> _digest;

    internal Decoder(
        string path,
        ArchitectureSpec spec,
        DecoderWeights weights,
        WeightStore store,
        Lazy<string> digest,
        WorkerPool pool)
    {
        _store = store;
        Path = path;
        Spec = spec;
        Weights = weights;
        Pool = pool;
        _digest = digest;
    }

    /// <summary>The folder it was loaded from.</summary>
    public string Path { get; }

    /// <summary>What it is made of.</summary>
    public ArchitectureSpec Spec { get; }

    /// <summary>SHA-256 over <c>config.json</c> and the weight files; computed when first asked for.</summary>
    public string Digest => _digest.Value;

    /// <summary>The type of its weight matrices.</summary>
    public WeightType Type => Weights.Unembedding.Type;

    /// <summary>The threads its passes use.</summary>
    public WorkerPool Pool { get; }

    /// <summary>
    /// The bytes of weights that one decoded token reads: all blocks, the final norm and the unembedding.
    /// </summary>
    public long BytesPerToken
    {
        get
        {
            long bytes = Weights.Unembedding.Bytes + Weights.FinalNorm.Bytes;
            foreach (BlockWeights block in Weights.Blocks)
            {
                bytes += block.Bytes;
            }

            return bytes;
        }
    }

    internal DecoderWeights Weights { get; }

    /// <summary>
    /// Loads a checkpoint: <c>config.json</c> and safetensors (one file or shards) or <c>pytorch_model.bin</c>.
    /// </summary>
    /// <param name="directory">The checkpoint's folder.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <exception cref="InvalidDataException">
    /// A file is missing or damaged, or a tensor is missing or of another shape.
    /// </exception>
    /// <exception cref="NotSupportedException">The architecture is not supported.</exception>
    public static Decoder Load(string directory, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        options ??= new LoadOptions();
        string config = System.IO.Path.Combine(directory, "config.json");
        ArchitectureSpec spec = ArchitectureSpec.Read(config);
        if (options.Adapter is not null && spec.Family != "gpt2")
        {
            throw new NotSupportedException($"'{config}': adapters are known for gpt2, not for '{spec.Family}'");
        }

        using Checkpoint checkpoint = Checkpoint.Open(directory);
        LinearCheckpoint? linear = spec.Family == "gpt2" ? null : new LinearCheckpoint(checkpoint, spec);
        WeightType type = linear?.Check(options.Type) ?? Gpt2Checkpoint.Check(checkpoint, spec, options.Type);
        var cache = new WeightCache(
            options.Adapter is null ? options : options with { CacheFolder = null }, "model", checkpoint.Stamps);
        string[] files = ["config.json", .. checkpoint.Files];
        var digest = new Lazy<string>(() => FileDigest.OfFiles(directory, files, cache.Folder));
        LoraCheckpoint? adapter = null;
        if (options.Adapter is { } folder)
        {
            Lazy<string> baseDigest = digest;
            adapter = LoraCheckpoint.Read(folder, baseDigest);
            type = options.Type ?? WeightType.F32;
            digest = new Lazy<string>(() => LoraCheckpoint.DigestOf(baseDigest.Value, folder));
        }

        WeightStore? store = cache.Open(type, digest);
        try
        {
            DecoderWeights weights =
                linear?.Load(type, store) ?? Gpt2Checkpoint.Load(checkpoint, spec, type, store, adapter);
            cache.Save(store);
            var decoder = new Decoder(directory, spec, weights, store, digest, options.Pool ?? WorkerPool.Shared);
            store = null;
            return decoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>An empty cache for one sequence. The caller disposes it.</summary>
    /// <param name="capacity">The number of positions; at most the context length.</param>
    /// <param name="lastLayer">
    /// The last layer that passes over this cache run, from 0; the model's last if null.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range for this model.</exception>
    public KvCache CreateCache(int capacity, int? lastLayer = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, Spec.ContextLength);
        int last = lastLayer ?? Spec.NLayers - 1;
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)last, (uint)Spec.NLayers, nameof(lastLayer));
        return new KvCache(Spec, last + 1, capacity);
    }

    /// <summary>
    /// The working memory of passes over up to <paramref name="maxRows"/> tokens at once. The caller disposes it.
    /// </summary>
    /// <param name="maxRows">The largest number of tokens of one pass, over all its sequences; at least 1.</param>
    public DecoderRun CreateRun(int maxRows = DecoderRun.DefaultRows) => new(this, maxRows);

    /// <inheritdoc/>
    public void Dispose() => _store.Dispose();
}
