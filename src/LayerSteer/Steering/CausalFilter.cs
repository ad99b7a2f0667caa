namespace LayerSteer.Steering;

/// <summary>Which latents with high scores are kept, by what raising them does to the next token.</summary>
public enum CausalFilter
{
    /// <summary><c>none</c>: all.</summary>
    None,

    /// <summary><c>output</c>: the half with the higher output score (Arad et al. 2025).</summary>
    Output,

    /// <summary><c>confidence</c>: the half that raises the confidence of the next token more (Wang et al. 2025).</summary>
    Confidence,
}

/// <summary>The names of the filters, and what they are measured on.</summary>
public static class CausalFilters
{
    /// <summary>How many latents, best first, are measured.</summary>
    public const int Candidates = 64;

    /// <summary>The neutral beginning behind which the next token is looked at.</summary>
    public const string Beginning = "I would like to say that";

    /// <summary>The name of a filter: none, output or confidence.</summary>
    public static string NameOf(CausalFilter filter) => filter switch
    {
        CausalFilter.Output => "output",
        CausalFilter.Confidence => "confidence",
        _ => "none",
    };
}
