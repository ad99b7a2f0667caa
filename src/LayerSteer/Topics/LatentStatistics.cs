namespace LayerSteer.Topics;

/// <summary>What a set of reference prompts says about one latent.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="TokensActive">On how many kept tokens it was positive.</param>
/// <param name="Sum">The sum of its positive activations.</param>
/// <param name="SumOfSquares">The sum of their squares.</param>
/// <param name="Max">The largest.</param>
/// <param name="PromptsActive">On how many prompts it was positive: its support.</param>
public readonly record struct LatentStatistics(
    int Latent, long TokensActive, double Sum, double SumOfSquares, float Max, int PromptsActive)
{
    /// <summary>The same latent over both sets of prompts.</summary>
    internal LatentStatistics Plus(LatentStatistics other) => new(
        Latent,
        TokensActive + other.TokensActive,
        Sum + other.Sum,
        SumOfSquares + other.SumOfSquares,
        Math.Max(Max, other.Max),
        PromptsActive + other.PromptsActive);
}
