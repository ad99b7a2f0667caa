namespace LayerSteer.Evaluation;

/// <summary>
/// What a forecast is linear in: predictors, and a mark for each place. Two plain designs stand beside it as baselines.
/// Immutable.
/// </summary>
public sealed class ForecastDesign
{
    private readonly Func<CalibrationPoint, double>[] _values;

    private ForecastDesign(
        string name,
        bool knowsTopics,
        IEnumerable<(string Name, Func<CalibrationPoint, double> Value)> columns)
    {
        Name = name;
        KnowsTopics = knowsTopics;
        (string Name, Func<CalibrationPoint, double> Value)[] all = [.. columns];
        Columns = [.. all.Select(column => column.Name)];
        _values = [.. all.Select(column => column.Value)];
    }

    /// <summary>What it is called in reports.</summary>
    public string Name { get; }

    /// <summary>Whether it knows anything of a topic, or only of places and strengths.</summary>
    public bool KnowsTopics { get; }

    /// <summary>The names of its columns.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <summary>The predictors of points, and where they are of several places a mark for each.</summary>
    /// <param name="places">The hook points.</param>
    /// <param name="withTexts">Whether the topic's texts are at hand, or its profile alone.</param>
    public static ForecastDesign Of(IReadOnlyList<string> places, bool withTexts) => new(
        withTexts ? "with the topic's texts" : "from the profile alone",
        true,
        ForecastPredictor.All.Where(predictor => predictor.IsFitted && (withTexts || !predictor.NeedsTexts))
            .Select(predictor => (predictor.Name, Value(ForecastPredictor.IndexOf(predictor.Name))))
            .Concat(places.Count < 2 ? [] : places.Select(place => (
                place, new Func<CalibrationPoint, double>(point => point.HookPoint == place ? 1 : 0)))));

    /// <summary>A baseline that knows nothing of the topic: one forecast for each place and strength.</summary>
    public static ForecastDesign StrengthAndPlace(IEnumerable<CalibrationPoint> points) => new(
        "strength and layer only",
        false,
        points.Select(point => (point.HookPoint, point.Strength)).Distinct().Order().Select(cell => (
            FormattableString.Invariant($"{cell.HookPoint} {cell.Strength}"),
            new Func<CalibrationPoint, double>(
                point => point.HookPoint == cell.HookPoint && point.Strength.Equals(cell.Strength) ? 1 : 0))));

    /// <summary>The baseline that says the same of everything.</summary>
    public static ForecastDesign Constant { get; } = new("constant", false, []);

    /// <summary>The values of a point.</summary>
    /// <exception cref="ArgumentException">One is missing or not finite.</exception>
    public double[] Row(CalibrationPoint point)
    {
        ArgumentNullException.ThrowIfNull(point);
        double[] row = [.. _values.Select(value => value(point))];
        int wrong = Array.FindIndex(row, value => !double.IsFinite(value));
        return wrong < 0
            ? row
            : throw new ArgumentException(
                $"predictor {Columns[wrong]} of topic '{point.Topic}' at {point.HookPoint} is "
                + $"{(double.IsNaN(row[wrong]) ? "missing" : "not finite")}");
    }

    private static Func<CalibrationPoint, double> Value(int predictor) =>
        point => point.Predictors[predictor] ?? double.NaN;
}
