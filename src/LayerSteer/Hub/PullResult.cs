namespace LayerSteer.Hub;

/// <summary>What a pull left in the cache.</summary>
/// <param name="Plan">What was planned.</param>
/// <param name="Path">The folder or file to give as --model, --sae or --encoder.</param>
/// <param name="Fetched">How many of the files had to be fetched.</param>
public sealed record PullResult(PullPlan Plan, string Path, int Fetched);
