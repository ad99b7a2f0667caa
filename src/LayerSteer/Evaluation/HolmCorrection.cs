namespace LayerSteer.Evaluation;

/// <summary>
/// Holm's step-down correction (1979) of the p-values of several tests, which keeps the chance of a single false
/// finding among all of them:
/// <code>
/// p'(i) = max over j ≤ i of min(1, (m − j + 1) p(j)),   p(1) ≤ … ≤ p(m)
/// </code>
/// </summary>
public static class HolmCorrection
{
    /// <summary>Corrects p-values.</summary>
    /// <param name="p">The p-values, 0 to 1.</param>
    /// <returns>The corrected ones, in the same order.</returns>
    public static double[] Adjust(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        double[] adjusted = new double[p.Count];
        double largest = 0;
        int rank = 0;
        foreach (int i in Enumerable.Range(0, p.Count).OrderBy(i => p[i]))
        {
            largest = Math.Max(largest, Math.Min(1, (p.Count - rank++) * p[i]));
            adjusted[i] = largest;
        }

        return adjusted;
    }
}
