namespace LayerSteer.Steering;

/// <summary>
/// What an edit does at its layer. z are the latents of x, a the pre-activations, w the weights of the latents, d_f the
/// decoder row of latent f, M_f its largest activation on the reference texts, g the strength. What is done to a topic's
/// latents is done to those with the highest scores.
/// </summary>
public enum SteeringMethod
{
    /// <summary><c>orig</c>: x stays as it is.</summary>
    Original,

    /// <summary><c>sae</c>: x becomes its reconstruction, which drops the error of the autoencoder.</summary>
    Reconstruction,

    /// <summary><c>clamp</c>: one amount is added to the topic's latents, as published under this name.</summary>
    Clamp,

    /// <summary><c>weight</c>: latents are selected by a·w and take that value.</summary>
    Weight,

    /// <summary><c>swap</c>: latents are selected by a·w and take their own pre-activation a.</summary>
    Swap,

    /// <summary><c>add</c>: z' = z + g·M_f, a clamp whose amount is in each latent's own units.</summary>
    Add,

    /// <summary>
    /// <c>set</c>: z' = g·M_f, what the field calls clamping (Templeton et al. 2024). Near g = 0 it is an ablation.
    /// </summary>
    Set,

    /// <summary><c>min-clamp</c>: z' = max(z, g·M_f) (Wu et al. 2025); away from a topic min(z, (1 − g)·M_f).</summary>
    MinClamp,

    /// <summary><c>scale</c>: z' = (1 + g)·z; away from a topic max(0, 1 − g)·z.</summary>
    Scale,

    /// <summary><c>ablate</c>: z' = max(0, 1 − g)·z whatever the direction: g = 1 takes the latents out.</summary>
    Ablate,

    /// <summary>
    /// <c>project</c>: x' = x − g·(x·d̂)d̂, d̂ the unit vector of Σ_f M_f d_f: g = 1 takes the direction out, whatever its
    /// sign.
    /// </summary>
    Project,

    /// <summary>
    /// <c>diffmean</c>: x' = x + g·(mean x of the topic's texts − mean x of other texts), without the autoencoder
    /// (Rimsky et al. 2023; Marks and Tegmark 2023).
    /// </summary>
    DiffMean,
}

/// <summary>The names of the methods on the command line and in files.</summary>
public static class SteeringMethods
{
    /// <summary>All names, in the order of <see cref="SteeringMethod"/>.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "orig", "sae", "clamp", "weight", "swap", "add", "set", "min-clamp", "scale", "ablate", "project", "diffmean",
    ];

    /// <summary>The method of a name, in any case.</summary>
    /// <exception cref="ArgumentException">There is no such method; the message lists those there are.</exception>
    public static SteeringMethod Parse(string name)
    {
        for (int i = 0; i < Names.Count; i++)
        {
            if (string.Equals(Names[i], name, StringComparison.OrdinalIgnoreCase))
            {
                return (SteeringMethod)i;
            }
        }

        throw new ArgumentException($"no method '{name}'; there are {string.Join(", ", Names)}");
    }

    /// <summary>The name of a method.</summary>
    public static string NameOf(SteeringMethod method) => Names[(int)method];

    /// <summary>Whether a method needs a topic's scores, or what else a topic gives.</summary>
    public static bool NeedsScores(SteeringMethod method) => method >= SteeringMethod.Clamp;

    /// <summary>Whether a method is one of the published ones, which seed mode knows.</summary>
    public static bool IsPublished(SteeringMethod method) => method <= SteeringMethod.Swap;

    /// <summary>Whether a method is about the latents with the highest scores, whose number can be chosen.</summary>
    public static bool HasTargets(SteeringMethod method) =>
        method is SteeringMethod.Clamp or (>= SteeringMethod.Add and not SteeringMethod.DiffMean);

    /// <summary>What a method needs that topics do not hold, in words; null if they hold all.</summary>
    /// <param name="method">The method.</param>
    /// <param name="topics">The topics of an edit.</param>
    public static string? Missing(SteeringMethod method, IReadOnlyList<SteeringTopic> topics)
    {
        ArgumentNullException.ThrowIfNull(topics);
        return method == SteeringMethod.DiffMean && topics.Any(topic => topic.MeanDifference is null)
            ? "it adds a mean difference, which a topic holds that was made with a model and an autoencoder"
            : NeedsMaxima(method) && topics.All(topic => topic.Scores.Maxima.IsEmpty)
                ? "it measures in the latents' largest activations, which a topic holds, but not scores in a file"
                : null;
    }

    /// <summary>Whether a method measures in the largest activations of the latents, which scores of a CSV do not hold.</summary>
    internal static bool NeedsMaxima(SteeringMethod method) =>
        method is SteeringMethod.Add or SteeringMethod.Set or SteeringMethod.MinClamp;
}
