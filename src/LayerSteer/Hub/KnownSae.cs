using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>An autoencoder of a public release.</summary>
public sealed record KnownSae
{
    /// <summary>The release, as SAELens calls it: <c>gpt2-small-resid-post-v5-32k</c>.</summary>
    public required string Release { get; init; }

    /// <summary>Its id within the release: <c>blocks.9.hook_resid_post</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The model, as the release calls it.</summary>
    public required string Model { get; init; }

    /// <summary>The hub repository.</summary>
    public required string Repository { get; init; }

    /// <summary>The file or folder in it, with '/' between folders.</summary>
    public required string Path { get; init; }

    /// <summary>The layout of its files: saelens, gemma_scope, llama_scope, transcoder, …</summary>
    public required string Format { get; init; }

    /// <summary>The hook point that it was trained at; null if it is not at one.</summary>
    public HookPoint? HookPoint { get; init; }

    /// <summary>Its id on Neuronpedia, <c>gpt2-small/9-res_post_32k-oai</c>; null if it has none.</summary>
    public string? NeuronpediaId { get; init; }

    /// <summary>Release and id.</summary>
    public string Name => $"{Release}/{Id}";

    /// <summary>
    /// Whether it reads at one place and writes at another, so that it cannot be used at one hook point.
    /// </summary>
    public bool IsTranscoder => Format == "transcoder";
}
