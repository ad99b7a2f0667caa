namespace LayerSteer.Evaluation;

/// <summary>Something known before any text is generated that may foretell what steering will do.</summary>
/// <param name="Name">Its name in files.</param>
/// <param name="Description">What it is, for a reader.</param>
/// <param name="NeedsTexts">Whether it needs the topic's texts; the others need the profile alone.</param>
/// <param name="IsFitted">Whether forecasts use it; the others are only reported, and may be missing.</param>
public sealed record ForecastPredictor(string Name, string Description, bool NeedsTexts, bool IsFitted)
{
    /// <summary>All, in the order in which <see cref="ForecastProbe"/> gives their values.</summary>
    public static IReadOnlyList<ForecastPredictor> All { get; } =
    [
        new("log_strength", "ln of the strength", false, true),
        new("log_push", "ln of the mean of ‖x' − x‖ / ‖x‖ on neutral text", false, true),
        new("log_kl", "ln of the mean KL(steered ‖ unsteered) on neutral text, nats a token", false, true),
        new("root_kl", "the root of that KL", false, true),
        new("surprise", "Σ (p' − p)(−ln p) on neutral text: the nats a token that one steered draw costs", false, true),
        new("ce_change", "cross-entropy of neutral text, steered minus unsteered, nats a token", false, true),
        new("entropy_change", "entropy of the next token on neutral text, steered minus unsteered, nats", false, true),
        new("coherence", "‖mean of x' − x‖ over the mean of ‖x' − x‖ on neutral text", false, true),
        new("score_gap", "mean of the 32 best scores minus the mean of all", false, true),
        new("log_support", "ln of the median number of reference prompts behind the 32 best latents", false, true),
        new("reference_distance", "median distance of the reference prompts to the topic", false, true),
        new("nearest_distance", "distance of the nearest reference prompt to the topic", false, true),
        new("word_lift", "Σ (p' − p)·log-odds of the token in the topic's texts, on neutral text", true, true),
        new("meaning_lift", "Σ (p' − p)·(cosine of the token to the topic − to neutral text)", true, true),
        new("root_word_lift", "its root, with its sign: gains saturate", true, true),
        new("root_meaning_lift", "the root of meaning_lift, with its sign", true, true),
        new("topic_odds", "ln of p' / p of all tokens that are e times likelier in the topic's texts", true, true),
        new("text_gain", "cross-entropy saved on the topic's texts minus on neutral text, nats a token", true, true),
        new("toward", "⟨mean x' − x, direction from neutral text to the topic's texts⟩ / ‖x‖", true, true),
        new("root_toward", "its root, with its sign", true, true),
        new("log_fvu", "ln of the unexplained variance of the topic's texts", true, true),
        new("text_cosine", "mean cosine of the topic's texts to their centroid", true, true),
        new("topic_surprise", "cross-entropy of the topic's texts minus that of neutral text, unsteered", true, true),
        new("neutral_cosine", "cosine of the topic's centroid to that of neutral text", true, true),
        new("word_distance", "KL of unsteered tokens in the topic's texts to those in neutral text, nats", true, true),
        new("mean_cosine", "mean cosine of the edit with (a text's mean residual − neutral text's)", true, false),
        new("separability", "d' of the topic's texts and neutral text along the edit", true, false),
        new("lens_agreement", "correlation of the edit's logits with the topic's log-odds of tokens", true, false),
    ];

    /// <summary>Where a predictor is in <see cref="All"/>.</summary>
    /// <exception cref="ArgumentException">There is no such predictor.</exception>
    public static int IndexOf(string name)
    {
        for (int i = 0; i < All.Count; i++)
        {
            if (All[i].Name == name)
            {
                return i;
            }
        }

        throw new ArgumentException(
            $"no predictor '{name}'; there are {string.Join(", ", All.Select(predictor => predictor.Name))}");
    }
}
