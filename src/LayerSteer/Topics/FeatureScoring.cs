namespace LayerSteer.Topics;

/// <summary>The result of scoring every latent against a topic. The arrays belong to whoever holds it.</summary>
public sealed record FeatureScoring
{
    /// <summary>The score of each latent; one without support has none.</summary>
    public required LatentScores Scores { get; init; }

    /// <summary>[dSae]: Σ_r s_rf d_r², 0 without support.</summary>
    public required double[] Numerator { get; init; }

    /// <summary>[dSae]: Σ_r s_rf, 0 without support.</summary>
    public required double[] Denominator { get; init; }

    /// <summary>
    /// [dSae]: m_f, the mean squared distance to the topic; 0 without support, where it means nothing.
    /// </summary>
    public required double[] MeanSquaredDistance { get; init; }

    /// <summary>[dSae]: k_f, the number of prompts on which the latent is positive.</summary>
    public required int[] Support { get; init; }

    /// <summary>[prompts]: the distance of each prompt to its nearest alignment text, 0 to 2.</summary>
    public required double[] MinDistances { get; init; }

    /// <summary>Which summary of the prompts was used.</summary>
    public required SummaryKind Summary { get; init; }

    /// <summary>The share of latents with support, 0 to 1.</summary>
    public required double Coverage { get; init; }

    /// <summary>How many prompts took part: those on which something fired.</summary>
    public required int PromptsUsed { get; init; }

    /// <summary>How many sentence vectors stood for the topic.</summary>
    public required int AlignmentWindows { get; init; }

    /// <summary>Whether the seed's all-zero defect was asked for.</summary>
    public required bool PublishedBug { get; init; }

    /// <summary>"scored", or "not steerable" when these scores cannot prefer one latent to another.</summary>
    public required string Verdict { get; init; }

    /// <summary>Why it is not steerable; empty when it is scored.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }
}
