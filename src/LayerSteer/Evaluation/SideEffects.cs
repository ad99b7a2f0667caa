namespace LayerSteer.Evaluation;

/// <summary>What an arm does to language that has nothing to do with the topic, the mean over topics.</summary>
/// <param name="Arm">The arm's name.</param>
/// <param name="Fidelity">What its edits do to neutral text; null for an arm that edits nothing.</param>
/// <param name="Acceptability">
/// The share of minimal pairs of which it finds the acceptable sentence more probable; null where no pairs were given.
/// </param>
/// <param name="Pairs">How many pairs that is of.</param>
public sealed record SideEffect(string Arm, InterventionFidelity? Fidelity, double? Acceptability, int Pairs);
