using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>What a command steers by, read once.</summary>
/// <param name="Topic">The topic's name; null if it has none, or there are several.</param>
/// <param name="Plan">
/// The plan of options; the second argument says whether the strength is to be found where --strength is auto.
/// </param>
/// <param name="Missing">What a method needs that is not there, in words; null if nothing.</param>
internal sealed record SteeringSource(
    string? Topic, Func<SteeringOptions, bool, SteeringPlan> Plan, Func<SteeringMethod, string?> Missing);
