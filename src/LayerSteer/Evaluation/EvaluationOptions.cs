using LayerSteer.Generation;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>How an evaluation is run.</summary>
public sealed record EvaluationOptions
{
    /// <summary>The strengths that are tried for swap and weight if nothing says so.</summary>
    public static IReadOnlyList<double> DefaultStrengths { get; } = [0.5, 1, 2, 4, 8, 16];

    /// <summary>The strengths that are tried for clamp; 1 adds 10 to each latent, in the autoencoder's units.</summary>
    public static IReadOnlyList<double> DefaultClampStrengths { get; } = [0.1, 0.14, 0.2, 0.28, 0.4, 0.8];

    /// <summary>The strengths that are tried for add, set and min-clamp, in largest activations, and for diffmean.</summary>
    public static IReadOnlyList<double> DefaultUnitStrengths { get; } =
        [0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1, 2];

    /// <summary>The strengths that are tried for scale, which changes only what is active.</summary>
    public static IReadOnlyList<double> DefaultScaleStrengths { get; } = [1, 2, 4, 8, 16, 32];

    /// <summary>The arms; unsteered is always among them.</summary>
    public IReadOnlyList<EvaluationArm> Arms { get; init; } = EvaluationArm.Default;

    /// <summary>The prompts that results are reported on, all different.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [.. NeutralPrompts.All.Take(12)];

    /// <summary>The prompts that strengths are chosen on, none of them among <see cref="Prompts"/>.</summary>
    public IReadOnlyList<string> DevPrompts { get; init; } = [.. NeutralPrompts.All.Skip(12).Take(6)];

    /// <summary>How many continuations are drawn for each prompt, at least 1.</summary>
    public int Seeds { get; init; } = 2;

    /// <summary>The most tokens of a continuation, at least 1.</summary>
    public int Tokens { get; init; } = 48;

    /// <summary>The one decoding rule of all arms; its seed is the seed of the evaluation.</summary>
    public SamplerOptions Sampling { get; init; } =
        new() { Kind = SamplingKind.Softmax, Temperature = 0.8, TopK = 40 };

    /// <summary>The strengths to choose from, for each method that has one; ascending, above 0.</summary>
    public IReadOnlyDictionary<SteeringMethod, IReadOnlyList<double>> Strengths { get; init; } =
        new Dictionary<SteeringMethod, IReadOnlyList<double>>
        {
            [SteeringMethod.Swap] = DefaultStrengths,
            [SteeringMethod.Weight] = DefaultStrengths,
            [SteeringMethod.Clamp] = DefaultClampStrengths,
            [SteeringMethod.Add] = DefaultUnitStrengths,
            [SteeringMethod.Set] = DefaultUnitStrengths,
            [SteeringMethod.MinClamp] = DefaultUnitStrengths,
            [SteeringMethod.Scale] = DefaultScaleStrengths,
            [SteeringMethod.DiffMean] = DefaultUnitStrengths,
        };

    /// <summary>
    /// How many times the unsteered perplexity a chosen strength may have on the dev prompts, at least 1.
    /// </summary>
    public double PerplexityBudget { get; init; } = 1.5;

    /// <summary>How many latents clamp raises.</summary>
    public int ClampCount { get; init; } = 5;

    /// <summary>How many latents add, set and the like edit.</summary>
    public int LatentCount { get; init; } = 10;

    /// <summary>What arm hint puts in front of a prompt; {topic} stands for the topic's name.</summary>
    public string Hint { get; init; } = "This text is about {topic}. ";

    /// <summary>About how many characters of a topic's text arm example puts in front of a prompt.</summary>
    public int ExampleLength { get; init; } = 300;

    /// <summary>Minimal pairs whose acceptable sentence a model should find more probable; empty for none.</summary>
    public IReadOnlyList<MinimalPair> Pairs { get; init; } = [];

    /// <summary>How many continuations are made side by side, and written to the log together.</summary>
    public int BatchSize { get; init; } = 96;

    /// <summary>How many times the bootstrap draws.</summary>
    public int Resamples { get; init; } = 2000;

    /// <summary>The confidence of the intervals.</summary>
    public double Confidence { get; init; } = 0.95;

    /// <summary>The arms whose strengths are chosen: those of <see cref="Arms"/>, and those that they are controls of.</summary>
    public IEnumerable<EvaluationArm> ArmsWithStrength =>
        Arms.Where(arm => arm.HasStrength).Select(arm => EvaluationArm.Named(arm.StrengthOf)).Distinct();

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do; the message names the option.</exception>
    public void Validate()
    {
        Sampling.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(Seeds, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Tokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ClampCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(LatentCount, 1);
        if (Arms.Count == 0 || Arms[0].Kind != ArmKind.Unsteered)
        {
            throw new ArgumentException("the first arm must be unsteered: the others are compared with it");
        }

        if (!(PerplexityBudget >= 1) || !double.IsFinite(PerplexityBudget))
        {
            throw new ArgumentException(
                $"perplexity budget is {PerplexityBudget}, expected a finite number from 1 on");
        }

        if (Prompts.Count == 0)
        {
            throw new ArgumentException("no prompt; expected at least one");
        }

        string[] all = [.. Prompts, .. DevPrompts];
        if (all.Where((prompt, i) => Array.IndexOf(all, prompt) < i).FirstOrDefault() is { } twice)
        {
            throw new ArgumentException(
                $"prompt '{twice}' is given twice; expected each once, since strengths must not be chosen on the "
                + "prompts that are reported on");
        }

        foreach (SteeringMethod method in Arms.Where(arm => arm.HasStrength).Select(arm => arm.Method).Distinct())
        {
            ValidateStrengths(method);
        }
    }

    private void ValidateStrengths(SteeringMethod method)
    {
        string name = SteeringMethods.NameOf(method);
        if (!Strengths.TryGetValue(method, out IReadOnlyList<double>? strengths) || strengths.Count == 0)
        {
            throw new ArgumentException($"no strength for {name}; expected at least one");
        }

        if (strengths.Any(strength => !(strength > 0) || !double.IsFinite(strength))
            || strengths.Zip(strengths.Skip(1)).Any(pair => pair.First >= pair.Second))
        {
            throw new ArgumentException(
                $"strengths of {name} are {string.Join(", ", strengths)}; expected ascending numbers above 0");
        }

        if (strengths.Count > 1 && DevPrompts.Count == 0)
        {
            throw new ArgumentException(
                $"{strengths.Count} strengths for {name}, but no dev prompt to choose on; "
                + "give one strength, or prompts");
        }
    }
}
