using System.Globalization;
using System.Text;
using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;
using Microsoft.Extensions.AI;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Evaluation;

/// <summary>A place that is calibrated, with the profile of every topic of the bank there.</summary>
/// <param name="Site">The hook point and the autoencoder.</param>
/// <param name="Profiles">One a topic, in the order of the bank, with contrastive scores.</param>
/// <param name="Index">What the profiles were scored from, in words; kept with the results.</param>
public sealed record CalibratedSite(SteeringSite Site, IReadOnlyList<TopicProfile> Profiles, string Index);

/// <summary>
/// Finds out what steering does to a bank of topics: every place × method × strength on every prompt and draw, judged,
/// and for each the predictors that are known beforehand. Continuations are logged as they are made
/// (<see cref="EvaluationLog"/>, a folder for each place), so that a run goes on where it was; the same inputs give the
/// same points, whatever the size of batches and the number of threads.
/// </summary>
/// <param name="decoder">The model.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="encoder">The sentence encoder that scores topics.</param>
/// <param name="judge">The judge of the bank.</param>
/// <param name="options">How to run it.</param>
public sealed class CalibrationRun(
    Decoder decoder,
    TextTokenizer tokenizer,
    IEmbeddingGenerator<string, Embedding<float>> encoder,
    TopicJudge judge,
    CalibrationOptions options)
{
    /// <summary>The file of predictors in the folder of a place.</summary>
    public const string PredictorFile = "predictors.jsonl";

    /// <summary>Runs what is not in the logs yet.</summary>
    /// <param name="sites">The places.</param>
    /// <param name="folder">The folder of the logs.</param>
    /// <param name="run">Everything that a result depends on beside the options, by name.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Checked at each token.</param>
    /// <returns>The points in the order of places, methods, strengths and topics.</returns>
    /// <exception cref="ArgumentException">Options contradict each other, or there are too few topics.</exception>
    /// <exception cref="InvalidDataException">A folder is another run's.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what is done stays.</exception>
    public async Task<IReadOnlyList<CalibrationPoint>> RunAsync(
        IReadOnlyList<CalibratedSite> sites,
        string folder,
        IReadOnlyDictionary<string, string> run,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sites);
        ArgumentNullException.ThrowIfNull(run);
        options.Validate();
        if (judge.Topics.Count < options.LeastTopics)
        {
            throw new ArgumentException(
                $"{judge.Topics.Count} topics; expected at least {options.LeastTopics}, better 40 or more: "
                + "intervals are learned from topics that are left out");
        }

        var points = new List<CalibrationPoint>();
        using var probe = new ForecastProbe(decoder, tokenizer, encoder);
        foreach (CalibratedSite site in sites)
        {
            string place = site.Site.Point.ToString();
            var settings = new Dictionary<string, string>(run)
            {
                ["hook_point"] = place,
                ["sae"] = site.Site.Autoencoder.Digest,
                ["index"] = site.Index,
            };
            IReadOnlyList<EvaluationLine> lines = await new EvaluationRun(Evaluated(site), judge, options.Sweep())
                .SweepAsync(Path.Combine(folder, place), settings, progress, cancellation).ConfigureAwait(false);
            Dictionary<(string, string, double), double?[]> predictors = await PredictorsAsync(
                site, Path.Combine(folder, place), probe, progress, cancellation).ConfigureAwait(false);
            points.AddRange(Points(place, lines, predictors));
        }

        return points;
    }

    private EvaluatedModel Evaluated(CalibratedSite site) => new()
    {
        Decoder = decoder,
        Tokenizer = tokenizer,
        Site = site.Site,
        Scores = site.Profiles.Select((profile, i) => (judge.Topics[i].Name, Scores: ScoresOf(profile)))
            .ToDictionary(topic => topic.Name, topic => topic.Scores),
        Frequencies = [],
    };

    private static EvaluatedScores ScoresOf(TopicProfile profile) => new(
        profile.ToLatentScores(),
        profile.ToLatentScores(ScoringKind.Contrastive),
        profile.Contrast!.MeanDifference);

    private async Task<Dictionary<(string Topic, string Method, double Strength), double?[]>> PredictorsAsync(
        CalibratedSite site,
        string folder,
        ForecastProbe probe,
        IProgress<EvaluationProgress>? progress,
        CancellationToken cancellation)
    {
        string path = Path.Combine(folder, PredictorFile);
        Dictionary<(string, string, double), double?[]> known = ReadPredictors(path);
        EvaluatedModel model = Evaluated(site);
        for (int i = 0; i < judge.Topics.Count; i++)
        {
            EvaluationTopic topic = judge.Topics[i];
            foreach (SteeringMethod method in options.Methods)
            {
                progress?.Report(new EvaluationProgress("measuring predictors", i, judge.Topics.Count, 0));
                string name = SteeringMethods.NameOf(method);
                double[] strengths =
                    [.. options.Strengths[method].Where(strength => !known.ContainsKey((topic.Name, name, strength)))];
                if (strengths.Length == 0)
                {
                    continue;
                }

                EvaluationArm arm = EvaluationArm.Toward(method);
                double?[][] values = await probe.MeasureAsync(
                    site.Profiles[i],
                    topic.Align.Texts,
                    [.. strengths.Select(strength => model.Plan(arm, strength, options.Sweep(), topic.Name, seed: 0))],
                    cancellation).ConfigureAwait(false);
                var text = new StringBuilder();
                for (int s = 0; s < strengths.Length; s++)
                {
                    known.Add((topic.Name, name, strengths[s]), values[s]);
                    var line = new PredictorLine(topic.Name, name, strengths[s], values[s]);
                    text.Append(JsonSerializer.Serialize(line, EvaluationJson.Compact.PredictorLine)).Append('\n');
                }

                await File.AppendAllTextAsync(path, text.ToString(), cancellation).ConfigureAwait(false);
            }
        }

        return known;
    }

    /// <summary>Whole lines of as many values as there are predictors now; others are measured again.</summary>
    private static Dictionary<(string, string, double), double?[]> ReadPredictors(string path)
    {
        var known = new Dictionary<(string, string, double), double?[]>();
        if (!File.Exists(path))
        {
            return known;
        }

        string text = File.ReadAllText(path);
        int whole = text.LastIndexOf('\n') + 1;
        var kept = new StringBuilder();
        foreach (string line in text[..whole].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            PredictorLine? read;
            try
            {
                read = JsonSerializer.Deserialize(line, EvaluationJson.Compact.PredictorLine);
            }
            catch (JsonException e)
            {
                throw new InvalidDataException($"'{path}': {e.Message}", e);
            }

            if (read is not null && read.Values.Length == ForecastPredictor.All.Count
                && known.TryAdd((read.Topic, read.Method, read.Strength), read.Values))
            {
                kept.Append(line).Append('\n');
            }
        }

        AtomicFile.WriteAllText(path, kept.ToString());
        return known;
    }

    private static string MethodOf(string arm) => SteeringMethods.NameOf(EvaluationArm.Named(arm).Method);

    private IEnumerable<CalibrationPoint> Points(
        string place,
        IReadOnlyList<EvaluationLine> lines,
        Dictionary<(string Topic, string Method, double Strength), double?[]> predictors)
    {
        var unsteered = lines.Where(line => line.Arm == EvaluationArm.Unsteered.Name)
            .ToDictionary(line => (line.Topic, line.Prompt, line.Draw));
        var bootstrap = new PairedBootstrap(options.Resamples, options.Confidence, options.Sampling.Seed);
        return lines.Where(line => line.Arm != EvaluationArm.Unsteered.Name)
            .GroupBy(line => (line.Arm, line.Strength, line.Topic))
            .Select(cell =>
            {
                (EvaluationLine Steered, EvaluationLine Own)[] pairs =
                    [.. cell.Select(line => (line, unsteered[(line.Topic, line.Prompt, line.Draw)]))];
                PairedUnit[] units =
                [
                    .. pairs.Where(pair => pair.Steered.Similarity is not null && pair.Own.Similarity is not null)
                        .Select(pair => new PairedUnit(
                            string.Empty,
                            pair.Own.Prompt,
                            pair.Steered.Similarity!.Value - pair.Own.Similarity!.Value)),
                ];
                PairedDifference effect = units.Length > 0
                    ? bootstrap.Of(units)
                    : throw new InvalidDataException(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{cell.Key.Arm} at {cell.Key.Strength} wrote only blank texts of {cell.Key.Topic}; "
                        + $"leave out that strength"));
                return new CalibrationPoint
                {
                    Topic = cell.Key.Topic,
                    HookPoint = place,
                    Method = MethodOf(cell.Key.Arm),
                    Strength = cell.Key.Strength,
                    Predictors = predictors[(cell.Key.Topic, MethodOf(cell.Key.Arm), cell.Key.Strength)],
                    Effect = effect.Mean,
                    EffectLow = effect.Low,
                    EffectHigh = effect.High,
                    Cost = pairs.Average(
                        pair => pair.Steered.NegativeLogLikelihood - pair.Own.NegativeLogLikelihood),
                    Texts = pairs.Length,
                };
            });
    }
}

/// <summary>The predictors of one topic, method and strength: a line of the log.</summary>
internal sealed record PredictorLine(string Topic, string Method, double Strength, double?[] Values);
