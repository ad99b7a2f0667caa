namespace LayerSteer.Topics;

/// <summary>
/// How much is made of what a topic's scores rest on. Seed mode and the published defect have nothing of it.
/// </summary>
public enum UncertaintyLevel
{
    /// <summary>Nothing: the plain scores, and the verdict "scored".</summary>
    None,

    /// <summary>Scores from shrunk means, for callers that rank and show nothing; the verdict is "scored".</summary>
    Scores,

    /// <summary>The whole card: scores from shrunk means, and a verdict with its figures. The default.</summary>
    Card,
}
