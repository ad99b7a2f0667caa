namespace LayerSteer.Topics;

/// <summary>
/// How an <see cref="UncertaintyCard"/> is measured and judged. The thresholds are choices of this project: a profile
/// keeps those that it was judged by.
/// </summary>
public sealed record UncertaintyOptions
{
    private const int MostReplicates = 1_000_000;

    /// <summary>The seed of the resampling; each purpose has a stream of its own.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Bootstrap replicates, 100 to 1,000,000.</summary>
    public int Replicates { get; init; } = 1000;

    /// <summary>Permutations of the distances, 99 to 1,000,000.</summary>
    public int Permutations { get; init; } = 1000;

    /// <summary>The level of the intervals, above 0 and below 1.</summary>
    public double Level { get; init; } = 0.95;

    /// <summary>The effective number of prompts from which a latent is tested and counts as supported, above 1.</summary>
    public double EffectivePrompts { get; init; } = 5;

    /// <summary>A latent is unstable if more than this share of replicates leaves it without support.</summary>
    public double MissingShare { get; init; } = 0.05;

    /// <summary>A latent is significant below this q-value.</summary>
    public double QValue { get; init; } = 0.1;

    /// <summary>Above this global p-value there is no evidence that the topic separates any latents.</summary>
    public double GlobalP { get; init; } = 0.05;

    /// <summary>Below this share of the topic's windows as near a reference as references are to each other: weak.</summary>
    public double InSupportShare { get; init; } = 0.1;

    /// <summary>Above this p-value of the energy distance the texts are no topic but like the references: weak.</summary>
    public double EnergyP { get; init; } = 0.05;

    /// <summary>With fewer reference prompts as near the topic as its own texts are to each other: weak.</summary>
    public int TopicPrompts { get; init; } = 1;

    /// <summary>Below this share of the topic's activation on supported latents (M_5): weak.</summary>
    public double SupportedMass { get; init; } = 0.5;

    /// <summary>Above this unexplained variance on the topic's texts (FVU): weak.</summary>
    public double UnexplainedVariance { get; init; } = 0.5;

    /// <summary>The first value that cannot be, in words; null if none.</summary>
    internal string? Problem()
    {
        if (Replicates is < 100 or > MostReplicates || Permutations is < 99 or > MostReplicates)
        {
            return $"replicates is {Replicates} and permutations is {Permutations}, expected 100 and 99 to {MostReplicates}";
        }
        if (!(EffectivePrompts > 1 && double.IsFinite(EffectivePrompts)))
        {
            return FormattableString.Invariant($"effective_prompts is {EffectivePrompts}, expected a number above 1");
        }
        if (!(Level is > 0 and < 1))
        {
            return FormattableString.Invariant($"level is {Level}, expected a number between 0 and 1");
        }
        (string Name, double Value)[] shares =
        [
            ("missing_share", MissingShare), ("q_value", QValue), ("global_p", GlobalP),
            ("in_support_share", InSupportShare), ("energy_p", EnergyP), ("supported_mass", SupportedMass),
        ];
        foreach ((string name, double value) in shares)
        {
            if (!(value is >= 0 and <= 1))
            {
                return FormattableString.Invariant($"{name} is {value}, expected 0 to 1");
            }
        }
        if (TopicPrompts < 0)
        {
            return $"topic_prompts is {TopicPrompts}, expected 0 or more";
        }
        return UnexplainedVariance >= 0 && double.IsFinite(UnexplainedVariance) ? null
            : FormattableString.Invariant($"unexplained_variance is {UnexplainedVariance}, expected a number from 0 on");
    }

    /// <summary>Refuses values that cannot be.</summary>
    internal void Require()
    {
        if (Problem() is string problem)
        {
            throw new ArgumentException(problem);
        }
    }
}
