using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Evaluation;

/// <summary>How well steering can be forecast, with every point that says so.</summary>
public sealed record CalibrationReport
{
    /// <summary>The name of its file in a run's folder.</summary>
    public const string FileName = "calibration-report.json";

    /// <summary>What it was made with, by name.</summary>
    public required IReadOnlyDictionary<string, string> Run { get; init; }

    /// <summary>The topics of the bank.</summary>
    public required IReadOnlyList<string> Topics { get; init; }

    /// <summary>What share of new topics an interval is to hold for.</summary>
    public required double Confidence { get; init; }

    /// <summary>The methods, each by every design.</summary>
    public required IReadOnlyList<ForecastQuality> Qualities { get; init; }

    /// <summary>Spearman's ρ of each predictor with the effect and with the cost.</summary>
    public required IReadOnlyList<PredictorQuality> Predictors { get; init; }

    /// <summary>The names of the points' predictors.</summary>
    public required IReadOnlyList<string> PredictorNames { get; init; }

    /// <summary>The points.</summary>
    public required IReadOnlyList<CalibrationPoint> Points { get; init; }

    /// <summary>Tries all designs on points.</summary>
    /// <param name="points">The points.</param>
    /// <param name="run">What they were made with.</param>
    /// <param name="options">The options of the run.</param>
    public static CalibrationReport Of(
        IReadOnlyList<CalibrationPoint> points, IReadOnlyDictionary<string, string> run, CalibrationOptions options)
    {
        ArgumentNullException.ThrowIfNull(points);
        ArgumentNullException.ThrowIfNull(options);
        string[] places = [.. points.Select(point => point.HookPoint).Distinct()];
        return new CalibrationReport
        {
            Run = run,
            Topics = [.. points.Select(point => point.Topic).Distinct().Order(StringComparer.Ordinal)],
            Confidence = options.Confidence,
            Qualities =
            [
                .. points.GroupBy(point => point.Method).SelectMany(method =>
                {
                    CalibrationPoint[] own = [.. method];
                    ForecastDesign[] designs =
                    [
                        ForecastDesign.Of(places, withTexts: true),
                        ForecastDesign.Of(places, withTexts: false),
                        ForecastDesign.StrengthAndPlace(own),
                        ForecastDesign.Constant,
                    ];
                    return designs.Select(design => ForecastQuality.Of(own, design, options));
                }),
            ],
            Predictors =
            [
                .. points.GroupBy(point => point.Method).SelectMany(method =>
                    ForecastPredictor.All.Select(
                        (predictor, i) => PredictorQuality.Of(predictor.Name, i, [.. method]))),
            ],
            PredictorNames = [.. ForecastPredictor.All.Select(predictor => predictor.Name)],
            Points = points,
        };
    }

    /// <summary>Writes the report, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    public void Write(string path) => AtomicFile.Write(
        path, stream => JsonSerializer.Serialize(stream, this, EvaluationJson.Compact.CalibrationReport));
}

/// <summary>What one predictor alone says.</summary>
/// <param name="Method">The method.</param>
/// <param name="Predictor">The predictor.</param>
/// <param name="Effect">Spearman's ρ with the effect over all points that have it.</param>
/// <param name="EffectWithin">The mean over places and strengths of ρ with the effect among topics.</param>
/// <param name="Cost">Spearman's ρ with the cost over all points that have it.</param>
public sealed record PredictorQuality(
    string Method, string Predictor, double? Effect, double? EffectWithin, double? Cost)
{
    internal static PredictorQuality Of(string name, int index, CalibrationPoint[] points)
    {
        (CalibrationPoint Point, double Value)[] known =
        [
            .. points.Where(point => point.Predictors[index] is not null)
                .Select(point => (point, point.Predictors[index]!.Value)),
        ];
        double?[] within =
        [
            .. known.GroupBy(item => (item.Point.HookPoint, item.Point.Strength)).Select(cell => Rho(
                cell, point => point.Effect)),
        ];
        return new PredictorQuality(
            points[0].Method,
            name,
            Rho(known, point => point.Effect),
            within.Any(rho => rho is not null) ? within.Average() : null,
            Rho(known, point => point.Cost));
    }

    private static double? Rho(
        IEnumerable<(CalibrationPoint Point, double Value)> known, Func<CalibrationPoint, double> of)
    {
        (CalibrationPoint Point, double Value)[] all = [.. known];
        return RankCorrelation.Spearman([.. all.Select(item => item.Value)], [.. all.Select(item => of(item.Point))]);
    }
}
