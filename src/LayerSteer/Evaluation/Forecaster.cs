using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>A column of a forecaster.</summary>
/// <param name="Name">The predictor, or the hook point that it marks.</param>
/// <param name="Mean">Its mean over the bank.</param>
/// <param name="Scale">Its standard deviation over the bank; 1 where it does not vary.</param>
/// <param name="Least">The least value of the bank.</param>
/// <param name="Most">The largest.</param>
public sealed record ForecastColumn(string Name, double Mean, double Scale, double Least, double Most);

/// <summary>The forecast of one quantity: a model of all topics, and each topic left out.</summary>
/// <param name="Penalty">The penalty, chosen by leaving topics out.</param>
/// <param name="Model">The model of all topics, in standardised columns.</param>
/// <param name="LeftOut">What intervals are made of, one a topic.</param>
public sealed record QuantityForecaster(double Penalty, ForecastModel Model, IReadOnlyList<LeftOutTopic> LeftOut)
{
    /// <summary>Learns from points; numbers keep six digits, since a file has thousands of them.</summary>
    /// <param name="points">The points.</param>
    internal static QuantityForecaster Fit(IReadOnlyList<ForecastPoint> points)
    {
        var fit = new ForecastFit(points);
        double penalty = fit.Penalty();
        return new QuantityForecaster(
            penalty,
            Short(fit.Model(penalty)),
            [
                .. GroupedJackknife.LeaveOut(fit, penalty).Select(
                    topic => new LeftOutTopic(Short(topic.Model), [.. topic.Scores.Select(Short)])),
            ]);
    }

    private static ForecastModel Short(ForecastModel model) => new(Short(model.Mean), Short(model.LogSpread));

    private static LinearModel Short(LinearModel model) =>
        new(Short(model.Intercept), [.. model.Coefficients.Select(Short)]);

    private static double Short(double value) => double.Parse(
        value.ToString("G6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>The forecast and its interval.</summary>
    /// <param name="z">Standardised columns.</param>
    /// <param name="confidence">Of the interval.</param>
    internal ForecastInterval At(double[] z, double confidence)
    {
        (double low, double high) = GroupedJackknife.Interval(LeftOut, z, confidence);
        return new ForecastInterval(Model.Mean.At(z), low, high);
    }
}

/// <summary>A forecast of a quantity.</summary>
/// <param name="Mean">What is expected.</param>
/// <param name="Low">The lower end of the interval.</param>
/// <param name="High">The upper end.</param>
public readonly record struct ForecastInterval(double Mean, double Low, double High)
{
    /// <summary>Whether a value is within.</summary>
    public bool Holds(double value) => value >= Low && value <= High;
}

/// <summary>Forecasts effect and cost of one method. Immutable.</summary>
public sealed record Forecaster
{
    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>Whether it needs the topic's texts, or the profile alone.</summary>
    public required bool NeedsTexts { get; init; }

    /// <summary>The strengths that it was calibrated at, ascending.</summary>
    public required IReadOnlyList<double> Strengths { get; init; }

    /// <summary>What it is linear in.</summary>
    public required IReadOnlyList<ForecastColumn> Columns { get; init; }

    /// <summary>Mean difference of topic similarity to the unsteered model.</summary>
    public required QuantityForecaster Effect { get; init; }

    /// <summary>Log of the perplexity ratio, nats a token.</summary>
    public required QuantityForecaster Cost { get; init; }

    /// <summary>Learns from the points of a method.</summary>
    /// <param name="points">The points of one method.</param>
    /// <param name="places">The hook points.</param>
    /// <param name="withTexts">Whether to use what needs the topic's texts.</param>
    internal static Forecaster Fit(
        IReadOnlyList<CalibrationPoint> points, IReadOnlyList<string> places, bool withTexts)
    {
        ForecastDesign design = ForecastDesign.Of(places, withTexts);
        (ForecastColumn[] columns, ForecastPoint[] effect, ForecastPoint[] cost) = Standardised(points, design);
        return new Forecaster
        {
            Method = points[0].Method,
            NeedsTexts = withTexts,
            Strengths = [.. points.Select(point => point.Strength).Distinct().Order()],
            Columns = columns,
            Effect = QuantityForecaster.Fit(effect),
            Cost = QuantityForecaster.Fit(cost),
        };
    }

    /// <summary>The points as rows of a design, standardised over all of them.</summary>
    internal static (ForecastColumn[] Columns, ForecastPoint[] Effect, ForecastPoint[] Cost) Standardised(
        IReadOnlyList<CalibrationPoint> points, ForecastDesign design)
    {
        double[][] rows = [.. points.Select(design.Row)];
        ForecastColumn[] columns =
        [
            .. design.Columns.Select((name, j) =>
            {
                double mean = rows.Average(row => row[j]);
                double scale = Math.Sqrt(rows.Average(row => (row[j] - mean) * (row[j] - mean)));
                return new ForecastColumn(
                    name, mean, scale > 0 ? scale : 1, rows.Min(row => row[j]), rows.Max(row => row[j]));
            }),
        ];
        string[] topics = [.. points.Select(point => point.Topic).Distinct().Order(StringComparer.Ordinal)];
        ForecastPoint Point(int i, double y) => new(
            Array.BinarySearch(topics, points[i].Topic, StringComparer.Ordinal), Standard(columns, rows[i]), y);
        return (
            columns,
            [.. points.Select((point, i) => Point(i, point.Effect))],
            [.. points.Select((point, i) => Point(i, point.Cost))]);
    }

    /// <summary>(x − mean) / scale.</summary>
    internal static double[] Standard(IReadOnlyList<ForecastColumn> columns, double[] row) =>
        [.. row.Select((value, j) => (value - columns[j].Mean) / columns[j].Scale)];
}
