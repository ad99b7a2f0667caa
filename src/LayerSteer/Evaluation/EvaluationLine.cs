using System.Text.Json.Serialization;

namespace LayerSteer.Evaluation;

/// <summary>What a continuation is of: the key of a line.</summary>
/// <param name="Arm">The arm's name.</param>
/// <param name="Strength">The strength; 0 for an arm that has none.</param>
/// <param name="Topic">The topic that it is judged by.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Draw">Which continuation of the prompt, from 0.</param>
public readonly record struct EvaluationCell(string Arm, double Strength, string Topic, string Prompt, int Draw);

/// <summary>One continuation and its figures: a line of the log.</summary>
public sealed record EvaluationLine
{
    /// <summary>The arm's name.</summary>
    public required string Arm { get; init; }

    /// <summary>The strength; 0 for an arm that has none.</summary>
    public required double Strength { get; init; }

    /// <summary>The topic that it is judged by.</summary>
    public required string Topic { get; init; }

    /// <summary>The prompt.</summary>
    public required string Prompt { get; init; }

    /// <summary>Which continuation of the prompt, from 0.</summary>
    public required int Draw { get; init; }

    /// <summary>The continuation.</summary>
    public required string Text { get; init; }

    /// <summary>The number of its tokens, an EOS included.</summary>
    public required int Tokens { get; init; }

    /// <summary>How much nearer to the topic than to the others; null for a blank text.</summary>
    public required double? Similarity { get; init; }

    /// <summary>Whether the topic is the nearest.</summary>
    public required bool? IsNearest { get; init; }

    /// <summary>The classifier's probability of the topic.</summary>
    public required double? Probability { get; init; }

    /// <summary>Whether the topic is the classifier's first.</summary>
    public required bool? IsMostProbable { get; init; }

    /// <summary>−mean log p under the unsteered model, nats a token.</summary>
    public required double NegativeLogLikelihood { get; init; }

    /// <summary>Mean KL(arm ‖ unsteered), nats a token.</summary>
    public required double Divergence { get; init; }

    /// <summary>Different tokens / tokens.</summary>
    public required double? Distinct1 { get; init; }

    /// <summary>Different pairs / pairs.</summary>
    public required double? Distinct2 { get; init; }

    /// <summary>The share of repeated 4-grams.</summary>
    public required double? Repetition { get; init; }

    /// <summary>The cosine of the continuation's and the prompt's sentence vectors; null for a blank text.</summary>
    public required double? Adherence { get; init; }

    /// <summary>The share of its runs of five words that the topic's alignment texts have; null if it has none.</summary>
    public required double? Leakage { get; init; }

    /// <summary>The mean of ‖x' − x‖ / ‖x‖ over the edits; 0 without edits.</summary>
    public required double EditChange { get; init; }

    /// <summary>What it is of.</summary>
    [JsonIgnore]
    public EvaluationCell Cell => new(Arm, Strength, Topic, Prompt, Draw);
}
