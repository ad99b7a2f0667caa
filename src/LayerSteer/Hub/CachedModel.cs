namespace LayerSteer.Hub;

/// <summary>A model or sentence encoder in the cache.</summary>
public sealed record CachedModel
{
    /// <summary>Model or encoder.</summary>
    public required HubKind Kind { get; init; }

    /// <summary>The repository.</summary>
    public required string Repository { get; init; }

    /// <summary>The shortest name that means it.</summary>
    public required string Name { get; init; }

    /// <summary>The snapshot's folder.</summary>
    public required string Path { get; init; }

    /// <summary>Its commit.</summary>
    public required string Commit { get; init; }

    /// <summary>The bytes of the snapshot's files.</summary>
    public required long Bytes { get; init; }

    /// <summary>The width of its residual stream; 0 if its config does not say.</summary>
    public int DModel { get; init; }

    /// <summary>The width of all its attention heads together; 0 if its config does not say.</summary>
    public int DHeads { get; init; }

    /// <summary>The width of its feed-forward layers; 0 if its config does not say.</summary>
    public int DMlp { get; init; }

    /// <summary>How many layers it has; 0 if its config does not say.</summary>
    public int Layers { get; init; }
}
