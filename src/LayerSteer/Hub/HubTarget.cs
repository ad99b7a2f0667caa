using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>What a name stands for: where a hub keeps it, and what is known of it.</summary>
public sealed record HubTarget
{
    /// <summary>The name as it was given.</summary>
    public required string Name { get; init; }

    /// <summary>What it is; null if only the files themselves can tell.</summary>
    public HubKind? Kind { get; init; }

    /// <summary>The repository to fetch it from.</summary>
    public required HubRepository Repository { get; init; }

    /// <summary>Other names of the same repository, under which other tools may have fetched it.</summary>
    public IReadOnlyList<HubRepository> Aliases { get; init; } = [];

    /// <summary>The file or folder within the repository, with '/' between folders; empty for all of it.</summary>
    public string Path { get; init; } = string.Empty;

    /// <summary>The hook point of an autoencoder, where its name says it.</summary>
    public HookPoint? HookPoint { get; init; }

    /// <summary>The model of an autoencoder, where it is known.</summary>
    public string? ModelName { get; init; }

    /// <summary>The repository under each of its names, the one to fetch from first.</summary>
    internal IEnumerable<HubRepository> Repositories => [Repository, .. Aliases];
}
