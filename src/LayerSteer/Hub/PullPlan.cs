namespace LayerSteer.Hub;

/// <summary>What a pull would fetch.</summary>
public sealed record PullPlan
{
    /// <summary>What was asked for.</summary>
    public required HubTarget Target { get; init; }

    /// <summary>What it is, as its files say if its name does not.</summary>
    public required HubKind Kind { get; init; }

    /// <summary>The commit that the revision is at.</summary>
    public required string Commit { get; init; }

    /// <summary>The files.</summary>
    public required IReadOnlyList<HubFile> Files { get; init; }

    /// <summary>The licence that its owner names; null if none is named.</summary>
    public string? Licence { get; init; }

    /// <summary>Whether its owner asks to agree to terms first.</summary>
    public bool IsGated { get; init; }

    /// <summary>The bytes of its files that are already here.</summary>
    public long BytesHere { get; init; }

    /// <summary>The bytes of all its files.</summary>
    public long Bytes => Files.Sum(file => file.Bytes);
}
