namespace LayerSteer.Models;

/// <summary>
/// The <c>config.json</c> of Llama 2 and 3, Mistral, Qwen 2.5 and Qwen 3 as an <see cref="ArchitectureSpec"/>: one layout
/// with biases, norms of queries and keys, and windows here and there.
/// </summary>
internal static class LlamaConfig
{
    private static readonly (string Field, string[] Harmless)[] Limits =
        [.. ConfigLimits.Plain, ("partial_rotary_factor", ["1", "1.0"])];

    public static ArchitectureSpec Llama(ConfigFile config)
    {
        ConfigLimits.RequireSupported(config, [("sliding_window", [])]);
        return WithoutWindows(config, Read(config, "llama", biases: config.Flag("attention_bias", false)) with
        {
            MlpBias = config.Flag("mlp_bias", false),
        });
    }

    public static ArchitectureSpec Mistral(ConfigFile config)
    {
        ArchitectureSpec spec = Read(config, "mistral", biases: false);
        return config.OptionalSize("sliding_window") is { } window
            ? WithWindows(config, spec, window, firstLayer: 0)
            : WithoutWindows(config, spec);
    }

    public static ArchitectureSpec Qwen2(ConfigFile config) =>
        Windows(config, Read(config, "qwen2", biases: true) with { AttentionOutBias = false });

    public static ArchitectureSpec Qwen3(ConfigFile config)
    {
        ArchitectureSpec spec = Read(config, "qwen3", biases: config.Flag("attention_bias", false), dHead: 128);
        return Windows(config, spec with { QueryKeyNorms = true });
    }

    private static ArchitectureSpec Read(ConfigFile config, string family, bool biases, int? dHead = null)
    {
        ConfigLimits.RequireSupported(config, Limits);
        int dModel = config.Size("hidden_size");
        int heads = config.Size("num_attention_heads");
        int width = config.OptionalSize("head_dim") ?? dHead
            ?? ConfigLimits.HeadWidth(config, "hidden_size", "num_attention_heads", "or head_dim");
        IReadOnlyList<int> ends = config.Ids("eos_token_id");
        return new ArchitectureSpec
        {
            Family = family,
            NLayers = config.Size("num_hidden_layers"),
            DModel = dModel,
            NHeads = heads,
            NKeyValueHeads = ConfigLimits.KeyValueHeads(config, heads, fallback: heads),
            DHead = width,
            DMlp = config.Size("intermediate_size"),
            Vocabulary = config.Size("vocab_size"),
            ContextLength = config.Size("max_position_embeddings"),
            NormEpsilon = config.Epsilon("rms_norm_eps", 1e-6f),
            Activation = config.Activation("hidden_act", "silu"),
            AttentionScale = 1f / MathF.Sqrt(width),
            TiedUnembedding = config.Flag("tie_word_embeddings", false),
            Norm = NormKind.Rms,
            Rotary = RotaryConfig.Read(config, width, theta: 10000),
            GatedMlp = true,
            QueryKeyValueBias = biases,
            AttentionOutBias = biases,
            MlpBias = false,
            BosId = config.OptionalId("bos_token_id"),
            EosId = ends.Count > 0 ? ends[0] : null,
            OtherEosIds = NumberSet.Of(ends.Skip(1)),
        };
    }

    /// <summary>Qwen's windows, which its released checkpoints leave off.</summary>
    private static ArchitectureSpec Windows(ConfigFile config, ArchitectureSpec spec) =>
        config.Flag("use_sliding_window", false) && config.OptionalSize("sliding_window") is { } window
            ? WithWindows(config, spec, window, config.OptionalSize("max_window_layers") ?? 28)
            : WithoutWindows(config, spec);

    private static ArchitectureSpec WithWindows(ConfigFile config, ArchitectureSpec spec, int window, int firstLayer)
    {
        NumberSet from = NumberSet.Of(Enumerable.Range(firstLayer, Math.Max(0, spec.NLayers - firstLayer)));
        return spec with
        {
            SlidingWindow = window,
            SlidingLayers = ConfigLimits.SlidingLayers(config, spec.NLayers) ?? from,
        };
    }

    private static ArchitectureSpec WithoutWindows(ConfigFile config, ArchitectureSpec spec) =>
        ConfigLimits.SlidingLayers(config, spec.NLayers) is { Numbers.Count: > 0 }
            ? throw new InvalidDataException(
                $"'{config.Path}': layer_types has sliding_attention, but sliding_window names no window")
            : spec;
}
