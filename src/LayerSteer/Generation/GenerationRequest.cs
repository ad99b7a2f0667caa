using LayerSteer.Steering;

namespace LayerSteer.Generation;

/// <summary>A text to continue.</summary>
public sealed record GenerationRequest
{
    /// <summary>The prompt; not empty.</summary>
    public required string Prompt { get; init; }

    /// <summary>The edits; null for the unsteered model.</summary>
    public SteeringPlan? Plan { get; init; }

    /// <summary>The most tokens to generate; at least 1.</summary>
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>How tokens are chosen, and the seed.</summary>
    public SamplerOptions Sampling { get; init; } = new();

    /// <summary>Texts that end the generation; the text returned ends before the first of them.</summary>
    public IReadOnlyList<string> StopTexts { get; init; } = [];

    /// <summary>Whether the EOS token ends the generation; picks always run to their end.</summary>
    public bool StopAtEos { get; init; } = true;
}

/// <summary>Why a generation ended.</summary>
public enum StopReason
{
    /// <summary>The number of tokens asked for was reached.</summary>
    Length,

    /// <summary>The model chose EOS.</summary>
    EndOfText,

    /// <summary>A stop text appeared.</summary>
    StopText,

    /// <summary>The model's context is full.</summary>
    ContextFull,
}
