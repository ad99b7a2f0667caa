using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>How a decoder's norms are computed.</summary>
public enum NormKind
{
    /// <summary>Mean and variance, with weight and bias (Ba et al. 2016).</summary>
    Layer,

    /// <summary>Root mean square, with a weight (Zhang and Sennrich 2019).</summary>
    Rms,
}

/// <summary>
/// What a decoder is made of, read from a checkpoint's <c>config.json</c>. One <see cref="Decoder"/> follows it, so an
/// architecture is data: this record and a map of its weight names (<see cref="Checkpoint"/>).
/// </summary>
public sealed record ArchitectureSpec
{
    /// <summary>
    /// The family as <c>model_type</c> spells it, such as <c>gpt2</c>; <c>gemma3_text</c> for the text part of Gemma 3.
    /// </summary>
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

    /// <summary>The element-wise function of the feed-forward layer, or of its gate.</summary>
    public required Activation Activation { get; init; }

    /// <summary>
    /// Scores are multiplied by this before softmax: 1/√dHead, or 1/√ of another number that the config names, or 1 if the
    /// checkpoint does not scale.
    /// </summary>
    public required float AttentionScale { get; init; }

    /// <summary>Whether layer i divides its scores by i + 1 as well.</summary>
    public bool ScaleAttentionByInverseLayer { get; init; }

    /// <summary>Whether the unembedding is the token embedding.</summary>
    public bool TiedUnembedding { get; init; }

    /// <summary>The kind of every norm.</summary>
    public NormKind Norm { get; init; }

    /// <summary>Whether checkpoints store a norm's weight less 1, as Gemma's do.</summary>
    public bool UnitOffsetNorms { get; init; }

    /// <summary>Whether a norm follows attention and feed-forward layer too, before each is added.</summary>
    public bool PostNorms { get; init; }

    /// <summary>
    /// Whether attention and feed-forward layer both read what enters the block; otherwise the latter reads the sum.
    /// </summary>
    public bool ParallelResidual { get; init; }

    /// <summary>The rotary position embedding; null if positions are a learned embedding.</summary>
    public RotarySpec? Rotary { get; init; }

    /// <summary>The rotary position embedding of <see cref="SlidingLayers"/>; null if theirs is the others'.</summary>
    public RotarySpec? SlidingRotary { get; init; }

    /// <summary>
    /// How many keys a query of <see cref="SlidingLayers"/> sees at most, its own included; null if there are none.
    /// </summary>
    public int? SlidingWindow { get; init; }

    /// <summary>The layers whose attention is limited to <see cref="SlidingWindow"/>.</summary>
    public NumberSet SlidingLayers { get; init; } = NumberSet.Empty;

    /// <summary>Whether queries and keys are normalised, head by head, before their positions are put in.</summary>
    public bool QueryKeyNorms { get; init; }

    /// <summary>Scores s become cap·tanh(s / cap) after scaling; null if they are not capped.</summary>
    public float? AttentionSoftCap { get; init; }

    /// <summary>Logits l become cap·tanh(l / cap); null if they are not capped.</summary>
    public float? LogitSoftCap { get; init; }

    /// <summary>
    /// Whether the feed-forward layer is act(gate)·up: three matrices, not two.
    /// </summary>
    public bool GatedMlp { get; init; }

    /// <summary>Whether queries, keys and values have biases.</summary>
    public bool QueryKeyValueBias { get; init; } = true;

    /// <summary>Whether the output projection of attention has a bias.</summary>
    public bool AttentionOutBias { get; init; } = true;

    /// <summary>Whether the matrices of the feed-forward layer have biases.</summary>
    public bool MlpBias { get; init; } = true;

    /// <summary>Token embeddings are multiplied by this where they enter the residual stream, in float32.</summary>
    public float EmbeddingScale { get; init; } = 1f;

    /// <summary>The id that begins a text, if the config names one.</summary>
    public int? BosId { get; init; }

    /// <summary>The id that ends a text, if the config names one.</summary>
    public int? EosId { get; init; }

    /// <summary>Further ids that end a text, if the config names several.</summary>
    public NumberSet OtherEosIds { get; init; } = NumberSet.Empty;

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
            "gpt2" => Gpt2Config.Read(config),
            "gpt_neox" => NeoXConfig.Read(config),
            "llama" => LlamaConfig.Llama(config),
            "mistral" => LlamaConfig.Mistral(config),
            "qwen2" => LlamaConfig.Qwen2(config),
            "qwen3" => LlamaConfig.Qwen3(config),
            "gemma2" => GemmaConfig.Gemma2(config),
            "gemma3_text" => GemmaConfig.Gemma3(config, config),
            "gemma3" => GemmaConfig.Multimodal(config),
            _ => throw new NotSupportedException(
                $"'{path}': model_type is '{Display.Name(family)}'; "
                + "supported: gpt2, gpt_neox, llama, mistral, qwen2, qwen3, gemma2, gemma3_text, gemma3"),
        };
    }

    /// <summary>The factor on the scores of a layer.</summary>
    /// <param name="layer">The layer, from 0.</param>
    public float AttentionScaleOf(int layer) =>
        ScaleAttentionByInverseLayer ? AttentionScale / (layer + 1) : AttentionScale;

    /// <summary>The rotary position embedding of a layer; null if it has none.</summary>
    /// <param name="layer">The layer, from 0.</param>
    public RotarySpec? RotaryOf(int layer) =>
        SlidingRotary is not null && SlidingLayers.Contains(layer) ? SlidingRotary : Rotary;

    /// <summary>The first position that a query of a layer sees; the last is its own.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="position">The query's position, from 0.</param>
    public int FirstVisible(int layer, int position) =>
        SlidingWindow is { } window && SlidingLayers.Contains(layer) ? Math.Max(0, position - window + 1) : 0;
}
