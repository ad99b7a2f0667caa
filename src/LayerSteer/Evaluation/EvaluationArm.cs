using LayerSteer.Steering;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>What makes an arm differ from the unsteered model.</summary>
public enum ArmKind
{
    /// <summary>Nothing.</summary>
    Unsteered,

    /// <summary>A sentence that names the topic, in front of the prompt.</summary>
    Hint,

    /// <summary>A passage of the topic's texts, in front of the prompt.</summary>
    Example,

    /// <summary>Edits by the topic's scores, or of a method that needs none.</summary>
    Steered,

    /// <summary>Edits by the topic's scores on other latents that fire as often.</summary>
    Matched,

    /// <summary>Another checkpoint, trained on the topic.</summary>
    FineTuned,
}

/// <summary>One condition of an evaluation. All arms get the same prompts and seeds.</summary>
/// <param name="Name">Its name on the command line and in files.</param>
/// <param name="Description">What it is, for a reader of the report.</param>
/// <param name="Kind">What it changes.</param>
/// <param name="Method">The method of steered and matched arms.</param>
/// <param name="Mode">The mode of steered and matched arms.</param>
public sealed record EvaluationArm(
    string Name,
    string Description,
    ArmKind Kind,
    SteeringMethod Method = SteeringMethod.Original,
    SteeringMode Mode = SteeringMode.Corrected)
{
    /// <summary>The arm that all others are compared with.</summary>
    public static EvaluationArm Unsteered { get; } =
        new("unsteered", "the model as it is", ArmKind.Unsteered);

    /// <summary>All arms, in the order of a report.</summary>
    public static IReadOnlyList<EvaluationArm> All { get; } =
    [
        Unsteered,
        new("hint", "a sentence that names the topic stands in front of the prompt", ArmKind.Hint),
        new("example", "a passage of the topic's texts stands in front of the prompt", ArmKind.Example),
        new(
            "sae", "every position replaced by its reconstruction, no latent changed: what the autoencoder costs",
            ArmKind.Steered, SteeringMethod.Reconstruction, SteeringMode.Seed),
        Steered("swap"),
        Steered("clamp"),
        Steered("weight"),
        Matched("swap"),
        Matched("clamp"),
        Matched("weight"),
        Published("swap"),
        Published("clamp"),
        Published("weight"),
        new("finetuned", "a checkpoint trained on the topic's texts", ArmKind.FineTuned),
    ];

    /// <summary>The arms of an evaluation that asks for none.</summary>
    public static IReadOnlyList<EvaluationArm> Default { get; } = Parse(
    [
        "unsteered", "hint", "sae", "random-swap", "random-clamp", "random-weight", "swap", "clamp", "weight",
        "finetuned",
    ]);

    /// <summary>Whether the topic changes what the arm writes.</summary>
    public bool DependsOnTopic =>
        Kind != ArmKind.Unsteered && !(Kind == ArmKind.Steered && !SteeringMethods.NeedsScores(Method));

    /// <summary>Whether it is steered with a strength, which is chosen on prompts of its own.</summary>
    public bool HasStrength => Kind is ArmKind.Steered or ArmKind.Matched
        && Mode == SteeringMode.Corrected && SteeringMethods.NeedsScores(Method);

    /// <summary>The arms of names, unsteered first, each once.</summary>
    /// <exception cref="ArgumentException">There is no such arm; the message lists those there are.</exception>
    public static IReadOnlyList<EvaluationArm> Parse(IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return
        [
            .. names.Select(name => All.FirstOrDefault(
                    arm => arm.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                ?? throw new ArgumentException(
                    $"no arm '{name}'; there are {string.Join(", ", All.Select(arm => arm.Name))}"))
                .Prepend(Unsteered).Distinct(),
        ];
    }

    private static EvaluationArm Steered(string method) => new(
        method, $"{method}, the error term kept, at the strength chosen for each topic", ArmKind.Steered,
        SteeringMethods.Parse(method));

    private static EvaluationArm Matched(string method) => new(
        $"random-{method}", $"{method} at the same strength, on latents of like frequency that are not the topic's",
        ArmKind.Matched, SteeringMethods.Parse(method));

    private static EvaluationArm Published(string method) => new(
        $"seed-{method}", $"{method} as published: every position replaced, the error term dropped, no strength",
        ArmKind.Steered, SteeringMethods.Parse(method), SteeringMode.Seed);
}
