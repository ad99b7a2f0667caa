namespace LayerSteer.Evaluation;

/// <summary>One measurement under two conditions.</summary>
/// <param name="Stratum">What counts as much as any other of its kind, however many units it has: the topic.</param>
/// <param name="Cluster">
/// What the unit shares with others, so that they are drawn together: the prompt. A cluster reaches over strata.
/// </param>
/// <param name="Difference">The one condition minus the other; finite.</param>
public readonly record struct PairedUnit(string Stratum, string Cluster, double Difference);

/// <summary>A mean difference and what is known of it.</summary>
/// <param name="Mean">The mean over strata of their mean differences.</param>
/// <param name="Low">The lower end of the interval; null with a single cluster, which says nothing of others.</param>
/// <param name="High">The upper end.</param>
/// <param name="P">How often signs that were tossed for each cluster give a mean as far from 0, 0 to 1.</param>
/// <param name="Units">How many units there are.</param>
/// <param name="Clusters">In how many clusters.</param>
public sealed record PairedDifference(double Mean, double? Low, double? High, double P, int Units, int Clusters);
