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

    /// <summary>Passages of the topic's texts, in front of the prompt.</summary>
    Example,

    /// <summary>Edits by the topic's scores, or of a method that needs none.</summary>
    Steered,

    /// <summary>Edits by the topic's scores on other latents that fire as often.</summary>
    Matched,

    /// <summary>Edits by the topic's scores at another layer than that of the autoencoder.</summary>
    WrongLayer,

    /// <summary>Another checkpoint, trained on the topic.</summary>
    FineTuned,
}

/// <summary>One condition of an evaluation. All arms get the same prompts and seeds.</summary>
/// <param name="Name">Its name on the command line and in files.</param>
/// <param name="Description">What it is, for a reader of the report.</param>
/// <param name="Kind">What it changes.</param>
/// <param name="Method">The method of arms that edit.</param>
/// <param name="Mode">The mode of arms that edit.</param>
/// <param name="Scoring">Which scores choose the latents of arms that edit.</param>
/// <param name="Base">
/// The arm that it is a control of, whose strength it takes; null where it is none and has its own.
/// </param>
/// <param name="Passages">How many passages stand in front of the prompt.</param>
public sealed record EvaluationArm(
    string Name,
    string Description,
    ArmKind Kind,
    SteeringMethod Method = SteeringMethod.Original,
    SteeringMode Mode = SteeringMode.Corrected,
    ScoringKind Scoring = ScoringKind.Semantic,
    string? Base = null,
    int Passages = 0)
{
    private const string ByContrast = "contrastive-";

    /// <summary>The arm that all others are compared with.</summary>
    public static EvaluationArm Unsteered { get; } =
        new("unsteered", "the model as it is", ArmKind.Unsteered);

    /// <summary>All arms, in the order of a report.</summary>
    public static IReadOnlyList<EvaluationArm> All { get; } =
    [
        Unsteered,
        new("hint", "a sentence that names the topic stands in front of the prompt", ArmKind.Hint),
        new("example", "a passage of the topic's texts stands in front of the prompt", ArmKind.Example, Passages: 1),
        new(
            "few-shot", "three passages of the topic's texts stand in front of the prompt", ArmKind.Example,
            Passages: 3),
        new(
            "sae", "every position replaced by its reconstruction, no latent changed: what the autoencoder costs",
            ArmKind.Steered, SteeringMethod.Reconstruction, SteeringMode.Seed),
        .. Edited(string.Empty, ScoringKind.Semantic),
        .. Edited(ByContrast, ScoringKind.Contrastive),
        new(
            "diffmean", "the difference of mean activations of the topic's texts and other texts is added, no autoencoder",
            ArmKind.Steered, SteeringMethod.DiffMean),
        Published("swap"),
        Published("clamp"),
        Published("weight"),
        new("finetuned", "a checkpoint trained on the topic's texts", ArmKind.FineTuned),
    ];

    /// <summary>The arms of an evaluation that asks for none.</summary>
    public static IReadOnlyList<EvaluationArm> Default { get; } = Parse(
    [
        "unsteered", "hint", "example", "sae", "swap", "random-swap", "clamp", "random-clamp", "contrastive-add",
        "random-contrastive-add", "wrong-layer-contrastive-add", "diffmean", "finetuned",
    ]);

    /// <summary>Whether the topic changes what the arm writes.</summary>
    public bool DependsOnTopic =>
        Kind != ArmKind.Unsteered && !(Kind == ArmKind.Steered && !SteeringMethods.NeedsScores(Method));

    /// <summary>Whether it edits the model.</summary>
    public bool Edits => Kind is ArmKind.Steered or ArmKind.Matched or ArmKind.WrongLayer;

    /// <summary>Whether it is steered with a strength, which is chosen on prompts of its own.</summary>
    public bool HasStrength => Edits && Mode == SteeringMode.Corrected && SteeringMethods.NeedsScores(Method);

    /// <summary>The arm whose strength it takes: its own name, or that of the arm that it is a control of.</summary>
    public string StrengthOf => Base ?? Name;

    /// <summary>The arms of names, unsteered first, each once.</summary>
    /// <exception cref="ArgumentException">There is no such arm; the message lists those there are.</exception>
    public static IReadOnlyList<EvaluationArm> Parse(IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return [.. names.Select(Named).Prepend(Unsteered).Distinct()];
    }

    /// <summary>The arm that steers toward a topic by a method, with the scores that suit it.</summary>
    /// <param name="method">A method that steers toward topics.</param>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static EvaluationArm Toward(SteeringMethod method)
    {
        string name = SteeringMethods.NameOf(method);
        return Named(SteeringMethods.IsPublished(method) || method == SteeringMethod.DiffMean ? name : ByContrast + name);
    }

    /// <summary>The arm of a name, in any case.</summary>
    /// <exception cref="ArgumentException">There is no such arm; the message lists those there are.</exception>
    public static EvaluationArm Named(string name) =>
        All.FirstOrDefault(arm => arm.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new ArgumentException(
                $"no arm '{name}'; there are {string.Join(", ", All.Select(arm => arm.Name))}");

    /// <summary>The methods that steer by scores, with their controls.</summary>
    private static IEnumerable<EvaluationArm> Edited(string prefix, ScoringKind scoring)
    {
        string by = scoring == ScoringKind.Semantic ? string.Empty : " of the latents that its own texts fire most";
        foreach (string method in SteeringMethods.Names.Where(name => SteersToward(SteeringMethods.Parse(name))))
        {
            SteeringMethod parsed = SteeringMethods.Parse(method);
            string name = prefix + method;
            yield return new EvaluationArm(
                name, $"{method}{by}, the error term kept, at the strength chosen for each topic", ArmKind.Steered, parsed,
                Scoring: scoring);
            yield return new EvaluationArm(
                $"random-{name}", $"{method} at the same strength, on latents of like frequency that are not the topic's",
                ArmKind.Matched, parsed, Scoring: scoring, Base: name);
            yield return new EvaluationArm(
                $"wrong-layer-{name}", $"{method} at the same strength, in another layer than the autoencoder is of",
                ArmKind.WrongLayer, parsed, Scoring: scoring, Base: name);
        }
    }

    private static bool SteersToward(SteeringMethod method) => SteeringMethods.NeedsScores(method)
        && method is not (SteeringMethod.DiffMean or SteeringMethod.Ablate or SteeringMethod.Project);

    private static EvaluationArm Published(string method) => new(
        $"seed-{method}", $"{method} as published: every position replaced, the error term dropped, no strength",
        ArmKind.Steered, SteeringMethods.Parse(method), SteeringMode.Seed);
}
