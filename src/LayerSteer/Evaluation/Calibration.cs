using System.Globalization;
using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Evaluation;

/// <summary>A place that a calibration knows.</summary>
/// <param name="HookPoint">As TransformerLens writes it.</param>
/// <param name="Sae">The digest of the autoencoder.</param>
public sealed record CalibrationSite(string HookPoint, string Sae);

/// <summary>
/// A calibrated forecast of steering, for one model, its autoencoders and one sentence encoder: a JSON file. Immutable
/// as long as nobody writes into its lists.
/// </summary>
public sealed record Calibration
{
    /// <summary>The name of its file in a run's folder and in a pocket model.</summary>
    public const string FileName = "calibration.json";

    /// <summary>The one format version that this version reads and writes.</summary>
    public const int CurrentFormatVersion = 1;

    /// <summary>The version of the file's layout.</summary>
    public int FormatVersion { get; init; } = CurrentFormatVersion;

    /// <summary>The version of LayerSteer that wrote it.</summary>
    public string ToolVersion { get; init; } = IndexManifest.CurrentToolVersion;

    /// <summary>The digest of the model.</summary>
    public required string Model { get; init; }

    /// <summary>The digest of the model's tokenizer.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>The digest of the sentence encoder that scores topics.</summary>
    public required string Encoder { get; init; }

    /// <summary>The digest of the sentence encoder that judged.</summary>
    public required string Judge { get; init; }

    /// <summary>The digest of the bank's topics and texts.</summary>
    public required string Bank { get; init; }

    /// <summary>How many topics.</summary>
    public required int Topics { get; init; }

    /// <summary>Continuations a point.</summary>
    public required int Texts { get; init; }

    /// <summary>Tokens a continuation.</summary>
    public required int Tokens { get; init; }

    /// <summary>How many latents clamp raised.</summary>
    public required int ClampCount { get; init; }

    /// <summary>How many latents add, min-clamp and the like edited.</summary>
    public required int LatentCount { get; init; }

    /// <summary>What share of new topics an interval is to hold for.</summary>
    public required double Confidence { get; init; }

    /// <summary>The places.</summary>
    public required IReadOnlyList<CalibrationSite> Sites { get; init; }

    /// <summary>One for each method with texts, and one from the profile alone.</summary>
    public required IReadOnlyList<Forecaster> Forecasters { get; init; }

    /// <summary>Learns the forecasters of points.</summary>
    /// <param name="points">The points of a run.</param>
    /// <returns>For each method one with the topic's texts, and one from the profile alone.</returns>
    public static IReadOnlyList<Forecaster> Fit(IReadOnlyList<CalibrationPoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        string[] places = [.. points.Select(point => point.HookPoint).Distinct()];
        return
        [
            .. points.GroupBy(point => point.Method).SelectMany(method =>
            {
                CalibrationPoint[] own = [.. method];
                return (Forecaster[])[Forecaster.Fit(own, places, true), Forecaster.Fit(own, places, false)];
            }),
        ];
    }

    /// <summary>Reads and checks a calibration.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">Malformed; the message names the field.</exception>
    /// <exception cref="NotSupportedException">Another format version.</exception>
    public static Calibration Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Calibration calibration = TopicsJson.Read(path, CurrentFormatVersion, EvaluationJson.Compact.Calibration);
        return CalibrationChecks.Problem(calibration) is { } problem
            ? throw new InvalidDataException($"'{path}': {problem}")
            : calibration;
    }

    /// <summary>Writes it, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    public void Write(string path)
    {
        if (CalibrationChecks.Problem(this) is { } problem)
        {
            throw new InvalidOperationException(problem);
        }

        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, EvaluationJson.Compact.Calibration));
    }

    /// <summary>Refuses another model, tokenizer or autoencoder than those of the calibration.</summary>
    /// <exception cref="ArgumentException">One differs; the message names it.</exception>
    public void RequireFits(Decoder decoder, TextTokenizer tokenizer, SteeringSite site)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(site);
        CalibrationSite known = Sites.FirstOrDefault(own => own.HookPoint == site.Point.ToString())
            ?? throw new ArgumentException(
                $"the calibration knows nothing of {site.Point}; it knows "
                + string.Join(", ", Sites.Select(own => own.HookPoint)));
        (string What, string Own, string Here)[] digests =
        [
            ("model", Model, decoder.Digest),
            ("tokenizer", Tokenizer, tokenizer.Digest),
            ($"autoencoder at {site.Point}", known.Sae, site.Autoencoder.Digest),
        ];
        foreach ((string what, string own, string here) in digests)
        {
            if (own != here)
            {
                throw new ArgumentException(
                    $"the calibration is of another {what}: {CsvText.Shortened(own)}, here it is {here}; "
                    + "calibrate this one with `layersteer calibrate`");
            }
        }
    }

    /// <summary>Forecasts.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="place">The hook point.</param>
    /// <param name="method">The method.</param>
    /// <param name="strength">The strength.</param>
    /// <param name="predictors">As <see cref="ForecastProbe"/> gives them.</param>
    /// <exception cref="ArgumentException">Nothing is known of that method, place or strength.</exception>
    public Forecast Forecast(
        string topic, string place, string method, double strength, IReadOnlyList<double?> predictors)
    {
        ArgumentNullException.ThrowIfNull(predictors);
        bool withTexts = predictors[ForecastPredictor.IndexOf("word_lift")] is not null;
        Forecaster own = Forecasters.FirstOrDefault(one => one.Method == method && one.NeedsTexts == withTexts)
            ?? throw new ArgumentException(
                $"the calibration knows nothing of method {method}; it knows "
                + string.Join(", ", Forecasters.Select(one => one.Method).Distinct()));
        if (!(strength >= own.Strengths[0] && strength <= own.Strengths[^1]))
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"the calibration knows {method} at strengths {own.Strengths[0]} to {own.Strengths[^1]}, "
                + $"not at {strength}"));
        }

        double[] row = [.. own.Columns.Select(column => ForecastPredictor.All.Any(known => known.Name == column.Name)
            ? predictors[ForecastPredictor.IndexOf(column.Name)] ?? throw new ArgumentException(
                $"predictor {column.Name} of topic '{topic}' is missing, so there is no forecast")
            : column.Name == place ? 1 : 0)];
        double[] z = Forecaster.Standard(own.Columns, row);
        return new Forecast
        {
            Topic = topic,
            HookPoint = place,
            Method = method,
            Strength = strength,
            UsesTexts = withTexts,
            Confidence = Confidence,
            Effect = own.Effect.At(z, Confidence),
            Cost = own.Cost.At(z, Confidence),
            Unlike =
            [
                .. own.Columns
                    .Where((column, j) => row[j] < column.Least - column.Scale || row[j] > column.Most + column.Scale)
                    .Select(column => column.Name),
            ],
        };
    }
}
