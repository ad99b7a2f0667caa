using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// What a decoder is made of, read from a checkpoint's <c>config.json</c>. One <see cref="Decoder"/> follows it, so an
/// architecture is data: this record and a map of its weight names (<see cref="Checkpoint"/>).
/// </summary>
public sealed record ArchitectureSpec
{
    /// <summary>The family as <c>model_type</c> spells it: <c>gpt2</c>.</summary>
    public required string Family { get; init; }

    /// <summary>The number of blocks.</summary>
    public required int NLayers { get; init; }

    /// <summary>The width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>The number of query heads.</summary>
    public required int NHeads { get; init; }

    /// <summary>The number of key-value heads; divides <see cref="NHeads"/>.</summary>
    public required int NKeyValueHeads { get; init; }

    /// <summary>The width of a head.</summary>
    public required int DHead { get; init; }

    /// <summary>The width of the feed-forward layer.</summary>
    public required int DMlp { get; init; }

    /// <summary>The number of rows of the embedding, so of logits.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The largest number of positions.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Added to the variance in every norm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>The element-wise function of the feed-forward layer.</summary>
    public required Activation Activation { get; init; }

    /// <summary>
    /// Scores are multiplied by this before softmax: 1/√dHead, or 1 if the checkpoint does not scale.
    /// </summary>
    public required float AttentionScale { get; init; }

    /// <summary>Whether layer i divides its scores by i + 1 as well.</summary>
    public bool ScaleAttentionByInverseLayer { get; init; }

    /// <summary>Whether the unembedding is the token embedding.</summary>
    public bool TiedUnembedding { get; init; }

    /// <summary>The id that begins a text, if the config names one.</summary>
    public int? BosId { get; init; }

    /// <summary>The id that ends a text, if the config names one.</summary>
    public int? EosId { get; init; }

    /// <summary>Reads <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">
    /// The file is missing, is not JSON, or a field is missing or out of range.
    /// </exception>
    /// <exception cref="NotSupportedException">The architecture or one of its settings is not supported.</exception>
    public static ArchitectureSpec Read(string path)
    {
        using var config = ConfigFile.Read(path);
        string family = config.String("model_type");
        return family switch
        {
            "gpt2" => Gpt2(config),
            _ => throw new NotSupportedException($"'{path}': model_type is '{Display.Name(family)}'; supported: gpt2"),
        };
    }

    /// <summary>The factor on the scores of a layer.</summary>
    /// <param name="layer">The layer, from 0.</param>
    public float AttentionScaleOf(int layer) =>
        ScaleAttentionByInverseLayer ? AttentionScale / (layer + 1) : AttentionScale;

    private static ArchitectureSpec Gpt2(ConfigFile config)
    {
        int dModel = config.Size("n_embd");
        int heads = config.Size("n_head");
        if (dModel % heads != 0)
        {
            throw new InvalidDataException(
                $"'{config.Path}': n_embd is {dModel}, expected a multiple of n_head = {heads}");
        }

        int dHead = dModel / heads;
        return new ArchitectureSpec
        {
            Family = "gpt2",
            NLayers = config.Size("n_layer"),
            DModel = dModel,
            NHeads = heads,
            NKeyValueHeads = heads,
            DHead = dHead,
            DMlp = config.OptionalSize("n_inner") ?? 4 * dModel,
            Vocabulary = config.Size("vocab_size"),
            ContextLength = config.OptionalSize("n_positions") ?? config.Size("n_ctx"),
            NormEpsilon = config.Epsilon("layer_norm_epsilon", 1e-5f),
            Activation = config.Activation("activation_function", "gelu_new"),
            AttentionScale = config.Flag("scale_attn_weights", true) ? 1f / MathF.Sqrt(dHead) : 1f,
            ScaleAttentionByInverseLayer = config.Flag("scale_attn_by_inverse_layer_idx", false),
            TiedUnembedding = config.Flag("tie_word_embeddings", true),
            BosId = config.OptionalId("bos_token_id"),
            EosId = config.OptionalId("eos_token_id"),
        };
    }
}
