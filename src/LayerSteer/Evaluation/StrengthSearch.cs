namespace LayerSteer.Evaluation;

/// <summary>What a strength may cost on text that has nothing to do with the topic.</summary>
/// <param name="Divergence">The most KL(unsteered ‖ steered), nats a token; null for no limit.</param>
/// <param name="PerplexityRatio">The most that perplexity may grow, as a ratio; null for no limit.</param>
public readonly record struct StrengthBudget(double? Divergence, double? PerplexityRatio)
{
    /// <summary>Whether a measurement is within it; what is not a number is not.</summary>
    public bool Allows(InterventionFidelity fidelity) =>
        (Divergence is not { } most || fidelity.Divergence <= most)
        && (PerplexityRatio is not { } ratio || fidelity.PerplexityRatio <= ratio);

    /// <summary>Refuses a budget that limits nothing or cannot be met.</summary>
    /// <exception cref="ArgumentException">It is one; the message says what is expected.</exception>
    public void Validate()
    {
        if (Divergence is null && PerplexityRatio is null)
        {
            throw new ArgumentException("the budget limits nothing; give nats or a perplexity ratio");
        }

        if (Divergence is { } nats && (!(nats > 0) || !double.IsFinite(nats)))
        {
            throw new ArgumentException($"the budget is {nats} nats, expected a finite number above 0");
        }

        if (PerplexityRatio is { } ratio && (!(ratio > 1) || !double.IsFinite(ratio)))
        {
            throw new ArgumentException($"the budget is {ratio} times the perplexity, expected a finite number above 1");
        }
    }
}

/// <summary>A strength that was tried.</summary>
/// <param name="Strength">The strength.</param>
/// <param name="Fidelity">What it costs.</param>
/// <param name="IsWithin">Whether that is within the budget.</param>
public readonly record struct TriedStrength(float Strength, InterventionFidelity Fidelity, bool IsWithin);

/// <summary>The strength that was found, and all that were tried, in the order of the search.</summary>
/// <param name="Strength">
/// The largest strength tried with everything tried below it within the budget; 0 if even the smallest is not.
/// </param>
/// <param name="Tried">What was tried.</param>
/// <param name="ReachedLimit">Whether the largest strength that is looked at is within the budget.</param>
public sealed record FoundStrength(float Strength, IReadOnlyList<TriedStrength> Tried, bool ReachedLimit);

/// <summary>
/// Finds the strength for a budget. What a strength costs need not grow with it, so the search comes from below: it
/// goes up in steps of four from the smallest strength to the first that costs too much, then halves the gap below it (in
/// ratio). It never
/// jumps over a strength that was seen to cost too much, so a valley behind a ridge is not taken for safe ground.
/// </summary>
public static class StrengthSearch
{
    /// <summary>The smallest strength that is looked at.</summary>
    public const float Least = 1f / 64;

    /// <summary>The largest.</summary>
    public const float Most = 64f;

    /// <summary>The most strengths that are tried if nothing else is said.</summary>
    public const int DefaultEvaluations = 12;

    /// <summary>Finds a strength.</summary>
    /// <param name="measure">Measures a strength.</param>
    /// <param name="budget">The budget.</param>
    /// <param name="evaluations">How many strengths are tried at most, at least 2.</param>
    /// <exception cref="ArgumentException">The budget limits nothing.</exception>
    public static FoundStrength Find(
        Func<float, InterventionFidelity> measure, StrengthBudget budget, int evaluations = DefaultEvaluations)
    {
        ArgumentNullException.ThrowIfNull(measure);
        ArgumentOutOfRangeException.ThrowIfLessThan(evaluations, 2);
        budget.Validate();
        var tried = new List<TriedStrength>();
        bool Try(float strength)
        {
            InterventionFidelity fidelity = measure(strength);
            bool within = budget.Allows(fidelity);
            tried.Add(new TriedStrength(strength, fidelity, within));
            return within;
        }

        float within = 0f;
        float beyond = Least;

        // Seven steps reach from the smallest to the largest.
        while (beyond <= Most && tried.Count < evaluations && Try(beyond))
        {
            within = beyond;
            beyond *= 4f;
        }

        if (within == 0f || beyond > Most || tried[^1].IsWithin)
        {
            return new FoundStrength(within, tried, beyond > Most);
        }

        while (tried.Count < evaluations && beyond / within > 1.05f)
        {
            float middle = MathF.Sqrt(within * beyond);
            if (Try(middle))
            {
                within = middle;
            }
            else
            {
                beyond = middle;
            }
        }

        return new FoundStrength(within, tried, ReachedLimit: false);
    }
}
