using System.Globalization;
using LayerSteer.Steering;

namespace LayerSteer.Cli;

/// <summary>What an arm of `compare` is.</summary>
internal enum CompareArmKind
{
    /// <summary>The model as it is.</summary>
    Unsteered,

    /// <summary>A sentence that names the topic in front of the prompt.</summary>
    Hint,

    /// <summary>A method.</summary>
    Steered,

    /// <summary>A model tuned on the topic.</summary>
    FineTuned,
}

/// <summary>An arm of `compare` as it is asked for: unsteered, hint, finetuned, METHOD or METHOD=STRENGTH.</summary>
/// <param name="Name">As it was typed.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Method">The method of a steered arm.</param>
/// <param name="Strength">The strength typed behind it; null for none.</param>
internal sealed record CompareArm(
    string Name, CompareArmKind Kind, SteeringMethod Method = SteeringMethod.Original, float? Strength = null)
{
    private const string UnsteeredName = "unsteered";
    private const string HintName = "hint";
    private const string FineTunedName = "finetuned";

    public static CompareArm Unsteered { get; } = new(UnsteeredName, CompareArmKind.Unsteered);

    /// <summary>The names there are.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [UnsteeredName, HintName, .. SteeringMethods.Names, FineTunedName];

    /// <summary>What is compared where nothing is asked for: every method that a topic's scores steer.</summary>
    public static IReadOnlyList<CompareArm> Default { get; } =
    [
        Unsteered,
        new(HintName, CompareArmKind.Hint),
        .. SteeringMethods.Names.Select(SteeringMethods.Parse).Where(SteeringMethods.NeedsScores)
            .Select(method => new CompareArm(SteeringMethods.NameOf(method), CompareArmKind.Steered, method)),
        new(FineTunedName, CompareArmKind.FineTuned),
    ];

    /// <summary>The arms of names, unsteered first, each once.</summary>
    /// <exception cref="UsageException">There is no such arm, or what stands behind it is no strength.</exception>
    public static IReadOnlyList<CompareArm> Parse(IEnumerable<string> names) =>
        [.. names.Select(Parse).Prepend(Unsteered).DistinctBy(arm => arm.Name)];

    private static CompareArm Parse(string text)
    {
        string[] parts = text.Split('=', 2);
        string name = parts[0].Trim().ToLowerInvariant();
        CompareArm arm = name switch
        {
            UnsteeredName => Unsteered,
            HintName => new(HintName, CompareArmKind.Hint),
            FineTunedName => new(FineTunedName, CompareArmKind.FineTuned),
            _ when SteeringMethods.Names.Contains(name) => SteeringMethods.Parse(name) is var method
                && method == SteeringMethod.Original
                    ? Unsteered
                    : new(name, CompareArmKind.Steered, method),
            _ => throw new UsageException($"no arm '{parts[0]}'; there are {string.Join(", ", Names)}"),
        };
        if (parts.Length == 1)
        {
            return arm;
        }

        if (arm.Kind != CompareArmKind.Steered)
        {
            throw new UsageException($"arm {arm.Name} has no strength; give it without '={parts[1]}'");
        }

        return float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out float strength)
            && strength >= 0f && float.IsFinite(strength)
            ? arm with
            {
                Name = string.Create(CultureInfo.InvariantCulture, $"{name}={strength}"),
                Strength = strength,
            }
            : throw new UsageException($"the strength of arm {name} is '{parts[1]}', expected a number from 0 on");
    }
}
