namespace LayerSteer.Topics;

/// <summary>How <see cref="DatasetBuilder"/> makes the three sets of a topic.</summary>
public sealed record DatasetOptions
{
    /// <summary>How many texts train_N.csv has, the seed's larger alignment set.</summary>
    public int Train { get; init; } = 20;

    /// <summary>How many texts the smaller alignment set has.</summary>
    public int SmallTrain { get; init; } = 6;

    /// <summary>How many texts test.csv has.</summary>
    public int Test { get; init; } = 20;

    /// <summary>The seed of the shuffle (SplitMix64, Fisher and Yates from the end).</summary>
    public ulong Seed { get; init; }
}
