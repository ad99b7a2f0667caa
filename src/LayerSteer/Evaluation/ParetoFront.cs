namespace LayerSteer.Evaluation;

/// <summary>
/// Which of several choices are worth taking: those that no other beats on both counts.
/// <code>i is on the front  ⇔  no j has effect_j ≥ effect_i and cost_j ≤ cost_i, one of the two strictly</code>
/// </summary>
public static class ParetoFront
{
    /// <summary>The choices on the front.</summary>
    /// <param name="points">Cost and effect of each; none is NaN.</param>
    /// <returns>Their indices, the cheapest first; equal ones are all on it, the lower index first.</returns>
    public static IReadOnlyList<int> Of(IReadOnlyList<(double Cost, double Effect)> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        var front = new List<int>();
        foreach (int i in Enumerable.Range(0, points.Count)
            .OrderBy(i => points[i].Cost).ThenByDescending(i => points[i].Effect).ThenBy(i => i))
        {
            if (front.Count == 0 || points[i].Effect > points[front[^1]].Effect || points[i] == points[front[^1]])
            {
                front.Add(i);
            }
        }

        return front;
    }
}
