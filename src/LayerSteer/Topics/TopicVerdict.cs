using System.Globalization;

namespace LayerSteer.Topics;

/// <summary>The figures that decide a verdict; null where one was not measured, or cannot be.</summary>
public sealed record VerdictFigures
{
    /// <summary>The global p-value of <see cref="TopicSeparation"/>; missing is no evidence.</summary>
    public required double? GlobalP { get; init; }

    /// <summary>The number of significant latents.</summary>
    public required int Significant { get; init; }

    /// <summary>τ² of <see cref="LatentShrinkage"/>, in d².</summary>
    public required double? Between { get; init; }

    /// <summary>The share of the topic's windows that are near a reference; null decides nothing.</summary>
    public required double? InSupportShare { get; init; }

    /// <summary>The p-value of the energy distance of texts and references; null decides nothing.</summary>
    public double? EnergyP { get; init; }

    /// <summary>How many references are near the topic; null decides nothing.</summary>
    public int? TopicPrompts { get; init; }

    /// <summary>M_5, the share of the topic's activation on supported latents; null decides nothing.</summary>
    public double? SupportedMass { get; init; }

    /// <summary>FVU on the topic's texts; null decides nothing.</summary>
    public double? UnexplainedVariance { get; init; }
}

/// <summary>A verdict in words, and why.</summary>
/// <param name="Word">"supported", "weak" or "not steerable", as a profile has it.</param>
/// <param name="Reasons">
/// The figures that decided it, each with its threshold: those that failed, or of a supported topic those that held.
/// </param>
public sealed record TopicVerdict(string Word, IReadOnlyList<string> Reasons)
{
    /// <summary>
    /// Judges: without evidence that latents differ toward the topic at all it is not steerable; with it, but with
    /// references or an autoencoder that hardly know the topic, or texts that are no topic, it is weak. Evidence alone
    /// says little with many references: nearness to word salad goes with kinds of texts too, and a thousand prompts show
    /// it. What tells it from a topic is that its texts are like the references, or like none of them.
    /// </summary>
    /// <param name="figures">What was measured.</param>
    /// <param name="options">The thresholds.</param>
    public static TopicVerdict Of(VerdictFigures figures, UncertaintyOptions options)
    {
        ArgumentNullException.ThrowIfNull(figures);
        ArgumentNullException.ThrowIfNull(options);
        (bool Fails, string Words)[] evidence =
        [
            (
                !(figures.GlobalP <= options.GlobalP),
                figures.GlobalP is { } p
                    ? $"global p {Figure(p)}, evidence is at most {Figure(options.GlobalP)}"
                    : $"no global p: fewer than 2 latents have {Figure(options.EffectivePrompts)} effective prompts"),
            (
                figures.Significant == 0,
                $"{figures.Significant} latents with q below {Figure(options.QValue)}, evidence is at least 1"),
        ];
        (double? Value, bool Fails, string Name, string Threshold)[] quality =
        [
            (
                figures.InSupportShare,
                figures.InSupportShare < options.InSupportShare,
                "share of the topic near a reference",
                $"weak below {Figure(options.InSupportShare)}"),
            (
                figures.EnergyP,
                figures.EnergyP > options.EnergyP,
                "p of texts no different from the references",
                $"weak above {Figure(options.EnergyP)}"),
            (
                figures.TopicPrompts,
                figures.TopicPrompts < options.TopicPrompts,
                "references as near as the topic's own texts",
                $"weak below {Figure(options.TopicPrompts)}"),
            (
                figures.SupportedMass,
                figures.SupportedMass < options.SupportedMass,
                "share of the topic's activation on supported latents",
                $"weak below {Figure(options.SupportedMass)}"),
            (
                figures.UnexplainedVariance,
                figures.UnexplainedVariance > options.UnexplainedVariance,
                "unexplained variance on the topic's texts",
                $"weak above {Figure(options.UnexplainedVariance)}"),
        ];
        (bool Fails, string Words)[] doubts =
        [
            .. quality.Where(q => q.Value is not null)
                .Select(q => (q.Fails, $"{q.Name} {Figure(q.Value!.Value)}, {q.Threshold}")),
            .. figures.Between > 0 ? Array.Empty<(bool, string)>()
                : [(true, "variance between latents 0: they differ no more than their errors, so plain scores rank")],
        ];
        string[] missing = [.. evidence.Where(e => e.Fails).Select(e => e.Words)];
        string[] weak = [.. doubts.Where(doubt => doubt.Fails).Select(doubt => doubt.Words)];
        return missing.Length > 0 ? new TopicVerdict(TopicProfile.NotSteerable, missing)
            : weak.Length > 0 ? new TopicVerdict(TopicProfile.Weak, weak)
            : new TopicVerdict(TopicProfile.Supported, [.. evidence.Select(e => e.Words), .. doubts.Select(d => d.Words)]);
    }

    /// <summary>Three digits, whatever the size.</summary>
    private static string Figure(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
