namespace LayerSteer.Models;

/// <summary>
/// The <c>config.json</c> of Gemma 2 and of the text part of Gemma 3 as an <see cref="ArchitectureSpec"/>. Published files
/// leave out fields that have their class's default, so those defaults are here.
/// </summary>
internal static class GemmaConfig
{
    public static ArchitectureSpec Gemma2(ConfigFile config)
    {
        ArchitectureSpec spec = Read(config, config, "gemma2", theta: 10000);
        return spec with
        {
            AttentionSoftCap = Cap(config, "attn_logit_softcapping", 50f),
            LogitSoftCap = Cap(config, "final_logit_softcapping", 30f),
            SlidingLayers = Sliding(config, spec, layer => layer % 2 == 0),
        };
    }

    /// <summary>The text part of a model that also sees.</summary>
    public static ArchitectureSpec Multimodal(ConfigFile config)
    {
        using ConfigFile text = config.Part("text_config")
            ?? throw new InvalidDataException($"'{config.Path}': text_config is nothing, expected an object");
        return Gemma3(text, config);
    }

    /// <summary>Reads the text part; ids and what concerns the whole model are in <paramref name="whole"/>.</summary>
    public static ArchitectureSpec Gemma3(ConfigFile config, ConfigFile whole)
    {
        ArchitectureSpec spec = Read(config, whole, "gemma3_text", theta: 1e6);
        int pattern = config.OptionalSize("sliding_window_pattern")
            ?? config.OptionalSize("_sliding_window_pattern") ?? 6;
        return spec with
        {
            AttentionSoftCap = Cap(config, "attn_logit_softcapping", null),
            LogitSoftCap = Cap(config, "final_logit_softcapping", null),
            QueryKeyNorms = true,
            SlidingLayers = Sliding(config, spec, layer => (layer + 1) % pattern != 0),
            SlidingRotary = RotaryConfig.Read(
                config, spec.DHead, theta: 10000, "sliding_attention", "rope_local_base_freq", scaled: false),
        };
    }

    private static ArchitectureSpec Read(ConfigFile config, ConfigFile whole, string family, double theta)
    {
        ConfigLimits.RequireSupported(config, ConfigLimits.Everywhere);
        ConfigLimits.RequireSupported(whole, ConfigLimits.Everywhere);
        int dModel = config.Size("hidden_size");
        int heads = config.OptionalSize("num_attention_heads") ?? 8;
        int dHead = config.OptionalSize("head_dim") ?? 256;
        bool biases = config.Flag("attention_bias", false);
        IReadOnlyList<int> ends = config.Ids("eos_token_id") is { Count: > 0 } own ? own : whole.Ids("eos_token_id");
        return new ArchitectureSpec
        {
            Family = family,
            NLayers = config.Size("num_hidden_layers"),
            DModel = dModel,
            NHeads = heads,
            NKeyValueHeads = ConfigLimits.KeyValueHeads(config, heads, fallback: 4),
            DHead = dHead,
            DMlp = config.Size("intermediate_size"),
            Vocabulary = config.OptionalSize("vocab_size") ?? (family == "gemma2" ? 256000 : 262208),
            ContextLength = config.OptionalSize("max_position_embeddings") ?? (family == "gemma2" ? 8192 : 131072),
            NormEpsilon = config.Epsilon("rms_norm_eps", 1e-6f),
            Activation = config.Activation("hidden_activation", "gelu_pytorch_tanh"),
            AttentionScale = (float)(1 / Math.Sqrt(config.Positive("query_pre_attn_scalar", 256))),
            TiedUnembedding = config.Flag("tie_word_embeddings", whole.Flag("tie_word_embeddings", true)),
            Norm = NormKind.Rms,
            UnitOffsetNorms = true,
            PostNorms = true,
            Rotary = RotaryConfig.Read(config, dHead, theta, "full_attention"),
            SlidingWindow = config.OptionalSize("sliding_window") ?? 4096,
            GatedMlp = true,
            QueryKeyValueBias = biases,
            AttentionOutBias = biases,
            MlpBias = false,
            EmbeddingScale = (float)Math.Sqrt(dModel),
            BosId = config.OptionalId("bos_token_id") ?? whole.OptionalId("bos_token_id") ?? 2,
            EosId = ends.Count > 0 ? ends[0] : 1,
            OtherEosIds = NumberSet.Of(ends.Skip(1)),
        };
    }

    /// <summary>A cap: the default where it is not written, none where it is null.</summary>
    private static float? Cap(ConfigFile config, string field, float? fallback) =>
        config.Has(field) ? (float)config.Positive(field)
        : config.Mentions(field) ? null
        : fallback;

    private static NumberSet Sliding(ConfigFile config, ArchitectureSpec spec, Func<int, bool> isSliding) =>
        ConfigLimits.SlidingLayers(config, spec.NLayers)
        ?? NumberSet.Of(Enumerable.Range(0, spec.NLayers).Where(isSliding));
}
