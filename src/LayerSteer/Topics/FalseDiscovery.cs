namespace LayerSteer.Topics;

/// <summary>
/// The step-up correction of Benjamini and Hochberg (1995).
/// <code>
/// q(i) = min over j ≥ i of min(1, n p(j) / j),   p(1) ≤ … ≤ p(n)
/// </code>
/// </summary>
public static class FalseDiscovery
{
    /// <summary>The q-value of each p-value.</summary>
    /// <param name="p">0 to 1; NaN is a missing test, which counts in neither n nor the ranks.</param>
    /// <returns>In the same order; NaN where the test is missing.</returns>
    public static double[] QValues(ReadOnlySpan<double> p)
    {
        double[] values = p.ToArray();
        int[] order = [.. Enumerable.Range(0, values.Length).Where(i => !double.IsNaN(values[i]))];
        Array.Sort([.. order.Select(i => values[i])], order);
        double[] q = new double[values.Length];
        Array.Fill(q, double.NaN);
        double least = 1;
        for (int rank = order.Length; rank > 0; rank--)
        {
            int i = order[rank - 1];
            least = Math.Min(least, values[i] * order.Length / rank);
            q[i] = least;
        }
        return q;
    }
}
