using LayerSteer.Steering;

namespace LayerSteer.Generation;

/// <summary>A continuation and what was done to make it.</summary>
public sealed record GenerationResult
{
    /// <summary>The prompt.</summary>
    public required string Prompt { get; init; }

    /// <summary>The ids of the prompt, BOS included.</summary>
    public required int[] PromptIds { get; init; }

    /// <summary>The ids generated, EOS included if the model chose it.</summary>
    public required int[] Ids { get; init; }

    /// <summary>The text generated, without EOS and without a stop text.</summary>
    public required string Text { get; init; }

    /// <summary>Why it ended.</summary>
    public required StopReason StopReason { get; init; }

    /// <summary>The seed of its draws.</summary>
    public required ulong Seed { get; init; }

    /// <summary>What the edits did.</summary>
    public required EditStatistics Edits { get; init; }

    /// <summary>How many requests were continued side by side, this one included.</summary>
    public required int BatchSize { get; init; }

    /// <summary>
    /// The time for the prompt. Requests of one prompt are read together, and this is the time for all of them.
    /// </summary>
    public required TimeSpan PrefillTime { get; init; }

    /// <summary>
    /// The time for all tokens after the first: that of the steps of the batch until this request had ended, which the
    /// other requests had part in.
    /// </summary>
    public required TimeSpan DecodeTime { get; init; }
}
