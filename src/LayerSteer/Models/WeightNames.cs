namespace LayerSteer.Models;

/// <summary>
/// The names of a family's tensors, all of <c>nn.Linear</c> layers: matrices are [outputs, inputs], biases beside them.
/// Names in a block follow <c>layers.N.</c>
/// </summary>
internal sealed record WeightNames
{
    /// <summary>Prefixes that a file may put before the names, the longer first.</summary>
    public required string[] Prefixes { get; init; }

    public required string Embedding { get; init; }

    public required string FinalNorm { get; init; }

    /// <summary>Where the output head may be, if it is not the embedding; no prefix is stripped from it.</summary>
    public required string[] Unembeddings { get; init; }

    public required string Norm1 { get; init; }

    public required string Norm2 { get; init; }

    public string? PostNorm1 { get; init; }

    public string? PostNorm2 { get; init; }

    /// <summary>Queries, keys and values: three matrices, or one whose rows are theirs head by head.</summary>
    public required string[] QueryKeyValue { get; init; }

    public required string AttentionOut { get; init; }

    public string QueryNorm { get; init; } = "self_attn.q_norm";

    public string KeyNorm { get; init; } = "self_attn.k_norm";

    public required string MlpIn { get; init; }

    public string? MlpUp { get; init; }

    public required string MlpOut { get; init; }

    /// <summary>Buffers in a block that are no weights.</summary>
    public required string[] Buffers { get; init; }

    private static readonly WeightNames Llama = new()
    {
        Prefixes = ["model."],
        Embedding = "embed_tokens",
        FinalNorm = "norm",
        Unembeddings = ["lm_head"],
        Norm1 = "input_layernorm",
        Norm2 = "post_attention_layernorm",
        QueryKeyValue = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        AttentionOut = "self_attn.o_proj",
        MlpIn = "mlp.gate_proj",
        MlpUp = "mlp.up_proj",
        MlpOut = "mlp.down_proj",
        Buffers = ["self_attn.rotary_emb.inv_freq"],
    };

    /// <summary>What Llama calls the norm before the feed-forward layer comes after attention here.</summary>
    private static readonly WeightNames Gemma = Llama with
    {
        Prefixes = ["language_model.model.", "model.language_model.", "model."],
        Unembeddings = ["lm_head", "language_model.lm_head"],
        PostNorm1 = "post_attention_layernorm",
        Norm2 = "pre_feedforward_layernorm",
        PostNorm2 = "post_feedforward_layernorm",
    };

    private static readonly WeightNames NeoX = new()
    {
        Prefixes = ["gpt_neox."],
        Embedding = "embed_in",
        FinalNorm = "final_layer_norm",
        Unembeddings = ["embed_out"],
        Norm1 = "input_layernorm",
        Norm2 = "post_attention_layernorm",
        QueryKeyValue = ["attention.query_key_value"],
        AttentionOut = "attention.dense",
        MlpIn = "mlp.dense_h_to_4h",
        MlpOut = "mlp.dense_4h_to_h",
        Buffers = ["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"],
    };

    /// <summary>The names of a family.</summary>
    public static WeightNames Of(ArchitectureSpec spec) => spec.Family switch
    {
        "gpt_neox" => NeoX,
        "gemma2" or "gemma3_text" => Gemma,
        "llama" or "mistral" or "qwen2" or "qwen3" => Llama,
        _ => throw new NotSupportedException($"no weight names are known for '{spec.Family}'"),
    };
}
