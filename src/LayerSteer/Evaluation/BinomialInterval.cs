namespace LayerSteer.Evaluation;

/// <summary>
/// The exact interval of a share (Clopper and Pearson 1934): the shares at which what was seen, or more (or less) of
/// it, still has probability α/2.
/// <code>
/// low:  Σ_(i ≥ k) C(n, i) p^i (1 − p)^(n − i) = α/2,   0 if k = 0
/// high: Σ_(i ≤ k) C(n, i) p^i (1 − p)^(n − i) = α/2,   1 if k = n
/// </code>
/// It is for draws that are independent; of several cells of one topic it is too narrow.
/// </summary>
public static class BinomialInterval
{
    private const int Halvings = 60;

    /// <summary>The interval of a share.</summary>
    /// <param name="hits">How many of the draws, 0 to <paramref name="draws"/>.</param>
    /// <param name="draws">How many draws, at least 1.</param>
    /// <param name="confidence">The coverage to keep, 0.95 for 95 %.</param>
    public static (double Low, double High) Of(int hits, int draws, double confidence = 0.95)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(hits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(hits, draws);
        double tail = (1 - confidence) / 2;
        return (
            hits == 0 ? 0 : Solve(p => 1 - AtMost(hits - 1, draws, p) < tail),
            hits == draws ? 1 : Solve(p => AtMost(hits, draws, p) > tail));
    }

    /// <summary>The probability of at most so many hits.</summary>
    /// <param name="hits">From 0 to <paramref name="draws"/>.</param>
    /// <param name="draws">How many draws.</param>
    /// <param name="p">The probability of a hit, between 0 and 1.</param>
    public static double AtMost(int hits, int draws, double p)
    {
        double sum = 0;
        double logChoose = 0;
        for (int i = 0; i <= hits; i++)
        {
            sum += Math.Exp(logChoose + (i * Math.Log(p)) + ((draws - i) * Math.Log(1 - p)));
            logChoose += Math.Log((double)(draws - i) / (i + 1));
        }

        return Math.Min(1, sum);
    }

    /// <summary>Where a condition that holds at small p ends.</summary>
    private static double Solve(Func<double, bool> isBelow)
    {
        double low = 0;
        double high = 1;
        for (int i = 0; i < Halvings; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = isBelow(middle) ? (middle, high) : (low, middle);
        }

        return (low + high) / 2;
    }
}
