using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>What steering is expected to do, before any text is generated.</summary>
public sealed record Forecast
{
    /// <summary>The topic.</summary>
    public required string Topic { get; init; }

    /// <summary>The hook point.</summary>
    public required string HookPoint { get; init; }

    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>The strength.</summary>
    public required double Strength { get; init; }

    /// <summary>Whether the topic's texts were at hand, or its profile alone.</summary>
    public required bool UsesTexts { get; init; }

    /// <summary>What share of new topics the intervals hold for.</summary>
    public required double Confidence { get; init; }

    /// <summary>Difference of topic similarity to the unsteered model.</summary>
    public required ForecastInterval Effect { get; init; }

    /// <summary>Log of the perplexity ratio under the unsteered model.</summary>
    public required ForecastInterval Cost { get; init; }

    /// <summary>Predictors far outside what the bank had, so that the interval may not hold.</summary>
    public required IReadOnlyList<string> Unlike { get; init; }

    /// <summary>Whether the effect's interval does not lie above 0: nothing is promised.</summary>
    public bool Abstains => !(Effect.Low > 0);

    /// <summary>The same as a sentence.</summary>
    public string InWords
    {
        get
        {
            string effect = Effect.High <= 0
                ? "will not steer to the topic"
                : Abstains
                ? "may do nothing: the interval of its effect includes 0, so no effect is promised"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"steers to the topic: similarity +{Effect.Mean:F3}, "
                    + $"between +{Effect.Low:F3} and +{Effect.High:F3}");
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{Method} at {Strength} {effect}; perplexity ×{Math.Exp(Cost.Mean):F2}, between "
                + $"×{Math.Exp(Cost.Low):F2} and ×{Math.Exp(Cost.High):F2}")
                + (Unlike.Count > 0
                    ? $"; the topic is unlike the bank in {string.Join(", ", Unlike)}, so this may not hold"
                    : string.Empty);
        }
    }
}
