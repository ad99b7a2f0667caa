using System.Text.Json.Nodes;

namespace LayerSteer.Cli;

/// <summary>What came of a claim.</summary>
internal enum ClaimVerdict
{
    /// <summary>The figure stands beside others and is held against nothing.</summary>
    None,

    /// <summary>It meets the criterion.</summary>
    Reproduced,

    /// <summary>It was measured and does not meet it.</summary>
    NotReproduced,

    /// <summary>What it needs is not at hand.</summary>
    NotRun,
}

/// <summary>A figure with what the literature says of it.</summary>
/// <param name="Target">The reproduction target: T4, T9 or T11.</param>
/// <param name="Where">The hook points or the method.</param>
/// <param name="What">What was measured, with its unit.</param>
/// <param name="Value">The figure; null where it could not be computed.</param>
/// <param name="Claimed">What is claimed, and of what; empty where nothing is.</param>
/// <param name="Criterion">When it counts as reproduced; empty where it is held against nothing.</param>
/// <param name="Verdict">What came of it.</param>
internal sealed record ClaimFigure(
    string Target, string Where, string What, double? Value, string Claimed, string Criterion, ClaimVerdict Verdict)
{
    /// <summary>The lower end of its interval; null for none.</summary>
    public double? Low { get; init; }

    /// <summary>The upper end.</summary>
    public double? High { get; init; }

    /// <summary>Its standard error over draws; null for none.</summary>
    public double? StandardError { get; init; }

    /// <summary>The verdict in words; empty where there is none.</summary>
    public string Word => Verdict switch
    {
        ClaimVerdict.Reproduced => "reproduced",
        ClaimVerdict.NotReproduced => "not reproduced",
        ClaimVerdict.NotRun => "not run",
        _ => string.Empty,
    };

    public JsonObject ToJson() => new()
    {
        ["target"] = Target,
        ["where"] = Where,
        ["what"] = What,
        ["value"] = Value,
        ["low"] = Low,
        ["high"] = High,
        ["standard_error"] = StandardError,
        ["claimed"] = Claimed.Length > 0 ? Claimed : null,
        ["criterion"] = Criterion.Length > 0 ? Criterion : null,
        ["verdict"] = Word.Length > 0 ? Word : null,
    };
}
