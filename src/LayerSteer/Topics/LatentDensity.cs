namespace LayerSteer.Topics;

/// <summary>
/// On what share of the reference tokens latents are active (Bricken et al. 2023; Karvonen et al. 2025):
/// <code>
/// ρ_f = tokens with z_f > 0 / tokens
/// </code>
/// A latent is dead only relative to a number of tokens, so that stands beside it.
/// </summary>
/// <param name="Tokens">How many tokens of the reference prompts were kept.</param>
/// <param name="Dead">The share of latents with ρ = 0; null without tokens, as the others.</param>
/// <param name="AboveOnePercent">The share of latents with ρ above 0.01.</param>
/// <param name="AboveTenPercent">The share of latents with ρ above 0.1.</param>
public sealed record LatentDensity(long Tokens, double? Dead, double? AboveOnePercent, double? AboveTenPercent)
{
    /// <summary>The densities of an index.</summary>
    /// <param name="index">The index.</param>
    public static LatentDensity Of(ReferenceIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        long tokens = index.Tokens.Sum(count => (long)count);
        return tokens == 0
            ? new LatentDensity(0, null, null, null)
            : new LatentDensity(tokens, Share(l => l.TokensActive == 0), Above(0.01), Above(0.1));

        double Above(double share) => Share(l => l.TokensActive > share * tokens);

        double Share(Func<LatentStatistics, bool> holds) =>
            (double)index.LatentStatistics.Count(holds) / index.LatentStatistics.Count;
    }
}
