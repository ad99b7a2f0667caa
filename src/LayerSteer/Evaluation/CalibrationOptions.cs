using LayerSteer.Generation;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>How a calibration is run.</summary>
public sealed record CalibrationOptions
{
    private static readonly double[] DefaultUnitStrengths = [0.125, 0.25, 0.5, 1, 2];

    /// <summary>The methods to forecast.</summary>
    public IReadOnlyList<SteeringMethod> Methods { get; init; } = [SteeringMethod.MinClamp, SteeringMethod.Clamp];

    /// <summary>The strengths of each method, from next to nothing to too much; ascending, above 0.</summary>
    public IReadOnlyDictionary<SteeringMethod, IReadOnlyList<double>> Strengths { get; init; } =
        new Dictionary<SteeringMethod, IReadOnlyList<double>>
        {
            [SteeringMethod.Clamp] = [0.05, 0.1, 0.2, 0.4, 0.8],
            [SteeringMethod.Swap] = [0.5, 1, 2, 4, 8],
            [SteeringMethod.Weight] = [0.25, 0.5, 1, 2, 4],
            [SteeringMethod.Add] = DefaultUnitStrengths,
            [SteeringMethod.Set] = DefaultUnitStrengths,
            [SteeringMethod.MinClamp] = DefaultUnitStrengths,
            [SteeringMethod.Scale] = [2, 4, 8, 16, 32],
            [SteeringMethod.DiffMean] = DefaultUnitStrengths,
        };

    /// <summary>The prompts, all different.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [.. NeutralPrompts.All.Take(8)];

    /// <summary>How many continuations are drawn for each prompt, at least 1.</summary>
    public int Draws { get; init; } = 2;

    /// <summary>The most tokens of a continuation, at least 1.</summary>
    public int Tokens { get; init; } = 48;

    /// <summary>The one decoding rule; its seed is the seed of the calibration.</summary>
    public SamplerOptions Sampling { get; init; } =
        new() { Kind = SamplingKind.Softmax, Temperature = 0.8, TopK = 40 };

    /// <summary>How many latents clamp raises.</summary>
    public int ClampCount { get; init; } = 5;

    /// <summary>How many latents add, min-clamp and the like edit.</summary>
    public int LatentCount { get; init; } = 10;

    /// <summary>How many continuations are made side by side; results do not depend on it.</summary>
    public int BatchSize { get; init; } = 96;

    /// <summary>What share of new topics an interval is to hold for, such as 0.9.</summary>
    public double Confidence { get; init; } = 0.9;

    /// <summary>How many times bootstraps draw.</summary>
    public int Resamples { get; init; } = 2000;

    /// <summary>
    /// Fewer topics cannot bound an interval of <see cref="Confidence"/>, each topic left out in turn: of T others at
    /// least the share confidence·(T + 1) must be there.
    /// </summary>
    public int LeastTopics => (int)Math.Ceiling((Confidence / (1 - Confidence)) - 1e-9) + 1;

    /// <summary>The sweep of strengths as an evaluation.</summary>
    internal EvaluationOptions Sweep() => new()
    {
        Arms = [EvaluationArm.Unsteered, .. Methods.Select(EvaluationArm.Toward)],
        Prompts = Prompts,
        DevPrompts = [.. NeutralPrompts.All.Except(Prompts).Take(1)], // a sweep chooses nothing
        Seeds = Draws,
        Tokens = Tokens,
        Sampling = Sampling,
        Strengths = Strengths,
        ClampCount = ClampCount,
        LatentCount = LatentCount,
        BatchSize = BatchSize,
        Resamples = Resamples,
        Confidence = Confidence,
    };

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do; the message names the option.</exception>
    public void Validate()
    {
        if (Methods.Count == 0 || Methods.Any(method => !SteeringMethods.NeedsScores(method)))
        {
            throw new ArgumentException("expected at least one method, and only such as have a strength");
        }

        if (!(Confidence is > 0.5 and < 1))
        {
            throw new ArgumentException($"confidence is {Confidence}, expected a number between 0.5 and 1");
        }

        Sweep().Validate();
    }
}
