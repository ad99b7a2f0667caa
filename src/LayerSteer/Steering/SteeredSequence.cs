namespace LayerSteer.Steering;

/// <summary>A sequence as the edits see it.</summary>
/// <param name="promptLength">The number of positions of its prompt, BOS included.</param>
/// <param name="plan">Its edits; null for none.</param>
public sealed class SteeredSequence(int promptLength, SteeringPlan? plan)
{
    /// <summary>The number of positions of its prompt, BOS included.</summary>
    public int PromptLength { get; } = promptLength;

    /// <summary>Its edits; null for none.</summary>
    public SteeringPlan? Plan { get; } = plan;

    /// <summary>What the edits did to it so far.</summary>
    public EditStatistics Statistics { get; } = new();

    /// <summary>Which generated token stands at a position, from 1; 0 or less in the prompt.</summary>
    internal int GeneratedAt(int position) => position - PromptLength + 1;

    /// <summary>Whether the plan edits the position of a token.</summary>
    internal bool IsEditedAt(int position, int token) => Plan is not null && Plan.Options.EffectivePositions.Includes(
        position, PromptLength, Plan.SpecialTokens.Contains(token));
}
