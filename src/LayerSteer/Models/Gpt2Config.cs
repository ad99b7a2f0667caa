namespace LayerSteer.Models;

/// <summary>The <c>config.json</c> of GPT-2 as an <see cref="ArchitectureSpec"/>.</summary>
internal static class Gpt2Config
{
    public static ArchitectureSpec Read(ConfigFile config)
    {
        int dModel = config.Size("n_embd");
        int heads = config.Size("n_head");
        int dHead = ConfigLimits.HeadWidth(config, "n_embd", "n_head");
        ConfigLimits.RequireSupported(config, ConfigLimits.Everywhere);
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
