using LayerSteer.Numerics;
using static LayerSteer.Training.OptionRange;

namespace LayerSteer.Training;

/// <summary>How a sentence encoder is trained.</summary>
/// <remarks>
/// The defaults are the best of what was tried for the pocket model, by the topics that nearest centroids name. Worse:
/// token dropout, the passages of a pair side by side or up to 512 tokens apart, a temperature of 0.03. Without use,
/// and so not here: shorter first vectors for frequent tokens (SIF), taking out the mean vector in the end.
/// </remarks>
public sealed record ContrastiveOptions
{
    /// <summary>The length of a vector, a multiple of 16.</summary>
    public int Dimension { get; init; } = 192;

    /// <summary>Optimiser steps.</summary>
    public int Steps { get; init; } = 2500;

    /// <summary>Pairs a step, a multiple of 16: each pair has the others of its step as negatives.</summary>
    public int Batch { get; init; } = 512;

    /// <summary>The largest learning rate, reached after the warm-up; from there it falls to 0 along a line.</summary>
    public double LearningRate { get; init; } = 0.01;

    /// <summary>The share of the steps in which the learning rate rises from 0, 0 to 1.</summary>
    public double WarmUp { get; init; } = 0.05;

    /// <summary>
    /// What cosines are divided by, at least 0.025: the lower, the more only the nearest negatives count.
    /// </summary>
    public double Temperature { get; init; } = 0.05;

    /// <summary>The chance of each token of a passage to be left out, from 0 up to, not including, 1.</summary>
    public double TokenDropout { get; init; }

    /// <summary>Fewest tokens of a passage.</summary>
    public int MinTokens { get; init; } = 12;

    /// <summary>Most tokens of a passage; the logarithm of its length is uniform.</summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>Most tokens between the two passages of a pair.</summary>
    public int MaxGap { get; init; } = 64;

    /// <summary>
    /// A source is drawn from in proportion to its weight times its tokens to this power: 1 as large as it is, 0 all
    /// alike.
    /// </summary>
    public double Balance { get; init; } = 0.8;

    /// <summary>The root mean square of the first vectors' elements.</summary>
    public double InitialScale { get; init; } = 0.02;

    /// <summary>Where the random numbers begin.</summary>
    public ulong Seed { get; init; }

    /// <summary>Refuses what cannot be.</summary>
    /// <exception cref="ArgumentException">A number is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(Dimension is > 0 and <= 4096 && Dimension % Lanes.Count == 0, nameof(Dimension), Dimension,
            "a multiple of 16 from 16 to 4096");
        Require(Steps >= 1, nameof(Steps), Steps, "at least 1");
        Require(Batch is > 0 and <= 16384 && Batch % Lanes.Count == 0, nameof(Batch), Batch,
            "a multiple of 16 from 16 to 16384");
        Require(LearningRate > 0 && LearningRate <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        Require(WarmUp is >= 0 and <= 1, nameof(WarmUp), WarmUp, "from 0 to 1");
        Require(Temperature is >= ContrastKernel.LeastTemperature and <= 100, nameof(Temperature), Temperature,
            "from 0.025 to 100");
        Require(TokenDropout is >= 0 and < 1, nameof(TokenDropout), TokenDropout, "from 0 to below 1");
        Require(MinTokens >= 1, nameof(MinTokens), MinTokens, "at least 1");
        Require(MaxTokens >= MinTokens, nameof(MaxTokens), MaxTokens, $"at least MinTokens = {MinTokens}");
        Require(MaxGap >= 0, nameof(MaxGap), MaxGap, "at least 0");
        Require(Balance is >= 0 and <= 1, nameof(Balance), Balance, "from 0 to 1");
        Require(InitialScale > 0 && InitialScale <= 1, nameof(InitialScale), InitialScale, "above 0, at most 1");
    }
}
