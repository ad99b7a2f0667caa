using System.Text.Json;
using System.Text.Json.Nodes;

namespace LayerSteer.Topics;

/// <summary>
/// Whether an autoencoder can represent a topic: how it reconstructs the model's activations on the topic's own texts, what
/// the model loses by that, and how much of what they activate the references can score.
/// <code>
/// FVU  = Σ_t ‖x_t − x̂_t‖² / Σ_t ‖x_t − x̄‖²                     x̄ the mean over the same tokens
/// ΔCE  = CE(x̂ in place) − CE                                   nats a token
/// LR   = (CE(0 in place) − CE(x̂ in place)) / (CE(0 in place) − CE)
/// M_ν  = Σ_t,f z_tf · 1[N_f ≥ ν] / Σ_t,f z_tf                   N_f the effective prompts of latent f
/// lift = ln (P_topic(f) + ε) / (P_reference(f) + ε),  P the share of tokens on which f is active, ε half a token
/// </code>
/// Nulls are what could not be measured.
/// </summary>
/// <param name="Texts">How many of the topic's texts gave a token.</param>
/// <param name="Tokens">How many tokens were read.</param>
/// <param name="Fvu">FVU on the topic's texts.</param>
/// <param name="FvuLow">The lower end of its 95 % interval, a bootstrap over texts.</param>
/// <param name="FvuHigh">The upper end.</param>
/// <param name="OtherFvu">FVU on other texts: a ratio above 1.25 is out of what the autoencoder was trained for.</param>
/// <param name="Cosine">Mean cosine of x and x̂.</param>
/// <param name="L0">Active latents a token.</param>
/// <param name="NormRatio">Mean ‖x̂‖ / ‖x‖.</param>
/// <param name="LossChange">ΔCE.</param>
/// <param name="LossRecovered">LR.</param>
/// <param name="Divergence">Mean KL of next-token distributions, as they are ‖ with x̂ in place, nats.</param>
/// <param name="SupportedMass1">M_1.</param>
/// <param name="SupportedMass2">M_2.</param>
/// <param name="SupportedMass5">M_5.</param>
/// <param name="TopMass">The share of activation on the 1 % of latents with the highest scores.</param>
/// <param name="TopMassLift">That share over the same on the references.</param>
/// <param name="UseCorrelation">Spearman's ρ of score and lift over the latents active on either side.</param>
/// <param name="UseLow">The lower end of its 95 % interval, a bootstrap over latents.</param>
/// <param name="UseHigh">The upper end.</param>
public sealed record ProfileRepresentation(
    int Texts,
    int Tokens,
    double? Fvu,
    double? FvuLow,
    double? FvuHigh,
    double? OtherFvu,
    double Cosine,
    double L0,
    double NormRatio,
    double? LossChange,
    double? LossRecovered,
    double? Divergence,
    double? SupportedMass1,
    double? SupportedMass2,
    double? SupportedMass5,
    double? TopMass,
    double? TopMassLift,
    double? UseCorrelation,
    double? UseLow,
    double? UseHigh)
{
    /// <summary>The same as in a profile's file.</summary>
    public JsonNode ToJson() => JsonSerializer.SerializeToNode(this, TopicsJson.Compact.ProfileRepresentation)!;

    /// <summary>The first value that cannot be, in words; null if none.</summary>
    internal string? Problem()
    {
        if (Texts < 1 || Tokens < Texts)
        {
            return $"representation has {Texts} texts and {Tokens} tokens";
        }

        (string Field, double? Value, double Least, double Most)[] fields =
        [
            ("fvu", Fvu, 0, double.MaxValue), ("fvu_low", FvuLow, 0, double.MaxValue),
            ("fvu_high", FvuHigh, FvuLow ?? 0, double.MaxValue), ("other_fvu", OtherFvu, 0, double.MaxValue),
            ("cosine", Cosine, -1.001, 1.001), ("l0", L0, 0, IndexManifest.LargestDimension),
            ("norm_ratio", NormRatio, 0, double.MaxValue),
            ("loss_change", LossChange, -1e6, 1e6), ("loss_recovered", LossRecovered, -double.MaxValue, double.MaxValue),
            ("divergence", Divergence, 0, double.MaxValue), ("supported_mass1", SupportedMass1, 0, 1),
            ("supported_mass2", SupportedMass2, 0, 1), ("supported_mass5", SupportedMass5, 0, 1),
            ("top_mass", TopMass, 0, 1), ("top_mass_lift", TopMassLift, 0, double.MaxValue),
            ("use_correlation", UseCorrelation, -1, 1), ("use_low", UseLow, -1, 1), ("use_high", UseHigh, -1, 1),
        ];
        foreach ((string field, double? value, double least, double most) in fields)
        {
            if (value is { } number && !(number >= least && number <= most))
            {
                return FormattableString.Invariant($"representation.{field} is {number}, expected {least} to {most}");
            }
        }

        return null;
    }
}
