namespace LayerSteer.Autoencoders;

/// <summary>The formats of autoencoders that are loaded; docs/formats.md says what each may hold.</summary>
public enum SaeFormat
{
    /// <summary>openai/sparse_autoencoder: pre_bias, latent_bias, encoder.weight, decoder.weight in one file.</summary>
    OpenAi,

    /// <summary>SAELens: <c>cfg.json</c> and <c>sae_weights.safetensors</c>.</summary>
    SaeLens,

    /// <summary>Ours: SAELens' tensors in one .safetensors file with the text of cfg.json in its header.</summary>
    LayerSteer,

    /// <summary>Gemma Scope: <c>params.npz</c>.</summary>
    GemmaScope,

    /// <summary>Gemma Scope 2: <c>params.safetensors</c>, and mostly <c>config.json</c>.</summary>
    GemmaScope2,

    /// <summary>EleutherAI/sparsify: <c>cfg.json</c> and <c>sae.safetensors</c>.</summary>
    Sparsify,

    /// <summary>
    /// Llama Scope (OpenMOSS): <c>hyperparams.json</c> and <c>checkpoints/final.safetensors</c>, or <c>config.json</c>
    /// and <c>sae_weights.safetensors</c>.
    /// </summary>
    LlamaScope,

    /// <summary>saprmarks/dictionary_learning: <c>config.json</c> and <c>ae.pt</c>.</summary>
    DictionaryLearning,
}
