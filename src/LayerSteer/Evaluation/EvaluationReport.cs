using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>A metric of an arm, compared with another arm.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Mean">The mean over topics of their means; null if it could never be told.</param>
/// <param name="Difference">The mean of the paired differences to the other arm.</param>
/// <param name="Low">The lower end of its interval.</param>
/// <param name="High">The upper end.</param>
/// <param name="P">Two-sided p-value of the signs.</param>
/// <param name="PHolm">The same, corrected for the number of arms.</param>
/// <param name="Units">The pairs that it is over.</param>
public sealed record MetricReport(
    string Metric, double? Mean, double? Difference, double? Low, double? High, double? P, double? PHolm, int Units);

/// <summary>An arm for one topic.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Strength">The strength; null for an arm that has none.</param>
/// <param name="Metrics">Its metrics against the unsteered model.</param>
public sealed record TopicReport(string Topic, double? Strength, IReadOnlyList<MetricReport> Metrics);

/// <summary>An arm over all topics.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it is.</param>
/// <param name="Verdict">What the figures say, in words.</param>
/// <param name="Metrics">Its metrics against the unsteered model.</param>
/// <param name="Topics">The same for each topic.</param>
/// <param name="TopicsUp">How many topics' similarity rose, the interval of the difference above 0.</param>
/// <param name="EditChange">Mean ‖x' − x‖ / ‖x‖ of its edits; 0 without.</param>
public sealed record ArmReport(
    string Name,
    string Description,
    string Verdict,
    IReadOnlyList<MetricReport> Metrics,
    IReadOnlyList<TopicReport> Topics,
    int TopicsUp,
    double EditChange)
{
    /// <summary>The metric of a name.</summary>
    public MetricReport this[EvaluationMetric metric] =>
        Metrics.First(report => report.Metric == metric.Name);
}

/// <summary>An arm against another than the unsteered model.</summary>
/// <param name="Arm">The arm.</param>
/// <param name="Control">What it is compared with.</param>
/// <param name="Metrics">Differences: the arm minus the control.</param>
public sealed record ControlReport(string Arm, string Control, IReadOnlyList<MetricReport> Metrics);

/// <summary>What each figure is.</summary>
/// <param name="Name">The metric's name.</param>
/// <param name="Title">Its name in tables.</param>
/// <param name="Description">What it is.</param>
public sealed record MetricDescription(string Name, string Title, string Description);

/// <summary>
/// The result of an evaluation: everything that a table or a chart of it needs. Follows from the log and the options
/// alone, so that the same run gives the same file to the byte.
/// </summary>
public sealed record EvaluationReport
{
    /// <summary>The name of its file in the run's folder.</summary>
    public const string FileName = "evaluation.json";

    /// <summary>The one version of the file's layout.</summary>
    public int FormatVersion { get; init; } = 1;

    /// <summary>What it was made with.</summary>
    public required IReadOnlyDictionary<string, string> Run { get; init; }

    /// <summary>The topics.</summary>
    public required IReadOnlyList<string> Topics { get; init; }

    /// <summary>The prompts that results are of.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>The prompts that strengths were chosen on.</summary>
    public required IReadOnlyList<string> DevPrompts { get; init; }

    /// <summary>Continuations of each prompt.</summary>
    public required int Draws { get; init; }

    /// <summary>How many times the unsteered perplexity a chosen strength may have.</summary>
    public required double PerplexityBudget { get; init; }

    /// <summary>The confidence of the intervals.</summary>
    public required double Confidence { get; init; }

    /// <summary>How many draws the intervals are from.</summary>
    public required int Resamples { get; init; }

    /// <summary>How good the judges are.</summary>
    public required JudgeQuality Judge { get; init; }

    /// <summary>What the metrics are.</summary>
    public required IReadOnlyList<MetricDescription> Metrics { get; init; }

    /// <summary>The arms, in the order asked for.</summary>
    public required IReadOnlyList<ArmReport> Arms { get; init; }

    /// <summary>Steered arms against their controls and against the prompt hint.</summary>
    public required IReadOnlyList<ControlReport> Controls { get; init; }

    /// <summary>What the uncertainty card says of each topic: its verdict and the figures that decided it.</summary>
    public IReadOnlyDictionary<string, string> Verdicts { get; init; } = new Dictionary<string, string>();

    /// <summary>What arms do to language that has nothing to do with the topic.</summary>
    public IReadOnlyList<SideEffect> SideEffects { get; init; } = [];

    /// <summary>Every strength that was tried on the dev prompts.</summary>
    public required IReadOnlyList<StrengthPoint> Strengths { get; init; }

    /// <summary>Arms that were not run, or not for all topics, and why.</summary>
    public required IReadOnlyDictionary<string, string> NotRun { get; init; }

    /// <summary>For each topic the first continuation of the first prompt by every arm.</summary>
    public required IReadOnlyList<EvaluationLine> Examples { get; init; }

    /// <summary>The latents that each topic is steered by; empty where they were not looked up.</summary>
    public IReadOnlyList<TopicLatents> Latents { get; init; } = [];

    /// <summary>Writes the report as JSON, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    public void Write(string path) => AtomicFile.Write(
        path, stream => JsonSerializer.Serialize(stream, this, EvaluationJson.Indented.EvaluationReport));

    /// <summary>Reads a report.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is no report.</exception>
    public static EvaluationReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), EvaluationJson.Indented.EvaluationReport)
                ?? throw new InvalidDataException($"'{path}': a JSON null, expected a report");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }
}
