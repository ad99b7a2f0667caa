namespace LayerSteer.Models;

/// <summary>The <c>config.json</c> of GPT-NeoX and Pythia as an <see cref="ArchitectureSpec"/>.</summary>
internal static class NeoXConfig
{
    public static ArchitectureSpec Read(ConfigFile config)
    {
        ConfigLimits.RequireSupported(config, ConfigLimits.Plain);
        int dModel = config.Size("hidden_size");
        int heads = config.Size("num_attention_heads");
        int dHead = ConfigLimits.HeadWidth(config, "hidden_size", "num_attention_heads");
        bool biases = config.Flag("attention_bias", true);
        return new ArchitectureSpec
        {
            Family = "gpt_neox",
            NLayers = config.Size("num_hidden_layers"),
            DModel = dModel,
            NHeads = heads,
            NKeyValueHeads = heads,
            DHead = dHead,
            DMlp = config.Size("intermediate_size"),
            Vocabulary = config.Size("vocab_size"),
            ContextLength = config.Size("max_position_embeddings"),
            NormEpsilon = config.Epsilon("layer_norm_eps", 1e-5f),
            Activation = config.Activation("hidden_act", "gelu"),
            AttentionScale = 1f / MathF.Sqrt(dHead),
            TiedUnembedding = config.Flag("tie_word_embeddings", false),
            ParallelResidual = config.Flag("use_parallel_residual", true),
            Rotary = RotaryConfig.Read(
                config,
                (int)(dHead * TurningShare(config)),
                config.Positive("rope_theta", 10000),
                thetaField: "rotary_emb_base"),
            QueryKeyValueBias = biases,
            AttentionOutBias = biases,
            BosId = config.OptionalId("bos_token_id"),
            EosId = config.OptionalId("eos_token_id"),
        };
    }

    /// <summary>The share of a head's dimensions that turn.</summary>
    private static double TurningShare(ConfigFile config)
    {
        using ConfigFile? parameters = config.Part("rope_parameters");
        double share = parameters is not null && parameters.Has("partial_rotary_factor")
            ? parameters.Positive("partial_rotary_factor")
            : config.Positive("rotary_pct", config.Positive("partial_rotary_factor", 0.25));
        return share <= 1 ? share : throw config.Wrong("rotary_pct", "a number above 0 and at most 1");
    }
}
