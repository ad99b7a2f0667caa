namespace LayerSteer.Generation;

/// <summary>How the next token is chosen from the logits.</summary>
public enum SamplingKind
{
    /// <summary>The largest logit; ties to the lower id.</summary>
    Greedy,

    /// <summary>A draw from softmax(logits / temperature), after top-k and top-p.</summary>
    Softmax,

    /// <summary>A uniform draw from the k largest logits, as the seed does with k = 5.</summary>
    UniformTopK,

    /// <summary>
    /// The i-th largest logit, i given for each step: for parity with runs that recorded their picks.
    /// </summary>
    Picks,
}

/// <summary>How the next token is chosen, and the seed of the draws.</summary>
public sealed record SamplerOptions
{
    /// <summary>The rule; greedy if not said.</summary>
    public SamplingKind Kind { get; init; } = SamplingKind.Greedy;

    /// <summary>Logits are divided by this before softmax; above 0.</summary>
    public double Temperature { get; init; } = 1.0;

    /// <summary>
    /// Only the k largest logits take part; 0 for all. For <see cref="SamplingKind.UniformTopK"/> at least 1.
    /// </summary>
    public int TopK { get; init; }

    /// <summary>Only the most probable tokens that together reach this probability take part; 1 for all.</summary>
    public double TopP { get; init; } = 1.0;

    /// <summary>The rank, from 0, of the token taken at each step.</summary>
    public IReadOnlyList<int> Picks { get; init; } = [];

    /// <summary>
    /// The seed. Step t of a request draws from a generator keyed by (seed, t), whatever else runs beside it.
    /// </summary>
    public ulong Seed { get; init; }

    /// <summary>Refuses values out of range.</summary>
    /// <exception cref="ArgumentException">One is; the message names it.</exception>
    public void Validate()
    {
        if (!(Temperature > 0) || !double.IsFinite(Temperature))
        {
            throw new ArgumentException(
                $"temperature is {Temperature}, expected a finite number above 0; greedy is the limit of 0");
        }

        if (!(TopP > 0 && TopP <= 1))
        {
            throw new ArgumentException($"top-p is {TopP}, expected a number above 0 and at most 1");
        }

        if (TopK < 0 || (TopK == 0 && Kind == SamplingKind.UniformTopK))
        {
            throw new ArgumentException($"top-k is {TopK}, expected at least 1");
        }

        if (Picks.Any(pick => pick < 0))
        {
            throw new ArgumentException("picks are ranks from 0 on; one is negative");
        }
    }
}
