namespace LayerSteer.Evaluation;

/// <summary>What a health check reads, and where its verdict draws the line.</summary>
public sealed record SaeHealthOptions
{
    /// <summary>The most tokens that are read, at least 64.</summary>
    public int Tokens { get; init; } = 2048;

    /// <summary>The tokens of a window without BOS, at least 8; never more than fit the model's context.</summary>
    public int Window { get; init; } = 128;

    /// <summary>The tokens that every hook point of the autoencoder's width is tried on; 0 tries none.</summary>
    public int ScanTokens { get; init; } = 96;

    /// <summary>The tokens that other activations and normalisations are tried on.</summary>
    public int VariantTokens { get; init; } = 256;

    /// <summary>Above this fraction of variance unexplained a pair is weak.</summary>
    public double WeakFvu { get; init; } = 0.4;

    /// <summary>Above this fraction of variance unexplained a pair is not healthy.</summary>
    public double WrongFvu { get; init; } = 0.7;

    /// <summary>Below this share of recovered loss a pair is weak.</summary>
    public double WeakLossRecovered { get; init; } = 0.85;

    /// <summary>Below this share of recovered loss a pair is not healthy.</summary>
    public double WrongLossRecovered { get; init; } = 0.5;

    /// <summary>
    /// Another way to use the autoencoder is better if its FVU is below this many times the FVU as it is, and lower by
    /// <see cref="BetterBy"/>.
    /// </summary>
    public double BetterTimes { get; init; } = 0.7;

    /// <summary>See <see cref="BetterTimes"/>.</summary>
    public double BetterBy { get; init; } = 0.05;

    /// <summary>How many times the promised L0 the measured one may be, or the inverse.</summary>
    public double L0Times { get; init; } = 3;

    /// <summary>
    /// Below this mean cosine of a latent's encoder and decoder rows the two do not belong together. It tends to 0 with
    /// the width for rows that have nothing to do with each other, and trained autoencoders lie well above.
    /// </summary>
    public double LeastAlignment { get; init; } = 0.1;

    /// <summary>Refuses options out of range.</summary>
    /// <exception cref="ArgumentException">One is; the message names it.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Tokens, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(Window, 8);
        ArgumentOutOfRangeException.ThrowIfNegative(ScanTokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(VariantTokens, 16);
        if (!(WeakFvu > 0 && WeakFvu <= WrongFvu))
        {
            throw new ArgumentException($"FVU limits are {WeakFvu} and {WrongFvu}, expected ascending numbers above 0");
        }
    }
}
