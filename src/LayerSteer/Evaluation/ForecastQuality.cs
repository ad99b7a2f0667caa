using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>How well one quantity was forecast for topics that were left out.</summary>
public sealed record QuantityQuality
{
    /// <summary>The share of points within their interval.</summary>
    public required double Coverage { get; init; }

    /// <summary>Its Clopper–Pearson interval, as if points were independent.</summary>
    public required double CoverageLow { get; init; }

    /// <summary>Its Clopper–Pearson interval, as if points were independent.</summary>
    public required double CoverageHigh { get; init; }

    /// <summary>Its bootstrap interval over topics.</summary>
    public required double CoverageTopicLow { get; init; }

    /// <summary>Its bootstrap interval over topics.</summary>
    public required double CoverageTopicHigh { get; init; }

    /// <summary>The mean width of the intervals.</summary>
    public required double Width { get; init; }

    /// <summary>The standard deviation of what came of it: what a width is to be compared with.</summary>
    public required double Deviation { get; init; }

    /// <summary>The mean of |forecast − realised|.</summary>
    public required double Error { get; init; }

    /// <summary>Spearman's ρ of forecast and realised over all points; null where one does not vary.</summary>
    public required double? Spearman { get; init; }

    /// <summary>Its bootstrap interval over topics.</summary>
    public required double? SpearmanLow { get; init; }

    /// <summary>Its bootstrap interval over topics.</summary>
    public required double? SpearmanHigh { get; init; }

    /// <summary>The mean over places and strengths of ρ among topics: what is known beside these.</summary>
    public required double? SpearmanWithin { get; init; }
}

/// <summary>What is left after abstaining.</summary>
/// <param name="Kept">The share of points that are kept, the best forecasts first.</param>
/// <param name="DidNothing">The share of these with an effect that is not above 0.</param>
/// <param name="NotShown">The share of these whose effect's own interval does not lie above 0.</param>
public sealed record RiskPoint(double Kept, double DidNothing, double NotShown);

/// <summary>How well a method was forecast, by one design.</summary>
public sealed record ForecastQuality
{
    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>The design.</summary>
    public required string Design { get; init; }

    /// <summary>How many topics.</summary>
    public required int Topics { get; init; }

    /// <summary>How many points.</summary>
    public required int Points { get; init; }

    /// <summary>The effect.</summary>
    public required QuantityQuality Effect { get; init; }

    /// <summary>The cost.</summary>
    public required QuantityQuality Cost { get; init; }

    /// <summary>Risk against coverage: abstaining on the worst forecasts of effect, in tenths.</summary>
    public required IReadOnlyList<RiskPoint> Risk { get; init; }

    /// <summary>What is left where the effect's interval lies above 0; null where none does.</summary>
    public required RiskPoint? NotAbstained { get; init; }

    /// <summary>Coverage of the effect by place and strength.</summary>
    public required IReadOnlyList<CellCoverage> Cells { get; init; }

    /// <summary>Tries a design on points of one method, each topic left out of everything.</summary>
    /// <param name="points">The points of one method.</param>
    /// <param name="design">The design.</param>
    /// <param name="options">Confidence, resamples and seed.</param>
    internal static ForecastQuality Of(
        IReadOnlyList<CalibrationPoint> points, ForecastDesign design, CalibrationOptions options)
    {
        (_, ForecastPoint[] effect, ForecastPoint[] cost) = Forecaster.Standardised(points, design);
        ForecastInterval[] ofEffect = ForecastTrial.Of(effect, options.Confidence);
        ForecastInterval[] ofCost = ForecastTrial.Of(cost, options.Confidence);
        int[] order = [.. Enumerable.Range(0, points.Count).OrderByDescending(i => ofEffect[i].Mean)];
        int[] certain = [.. order.Where(i => ofEffect[i].Low > 0)];
        return new ForecastQuality
        {
            Method = points[0].Method,
            Design = design.Name,
            Topics = effect.Select(point => point.Topic).Distinct().Count(),
            Points = points.Count,
            Effect = Quality(points, effect, ofEffect, design, options),
            Cost = Quality(points, cost, ofCost, design, options),
            Risk =
            [
                .. Enumerable.Range(1, 10).Reverse().Select(
                    tenths => Left(points, order.AsSpan(0, Math.Max(1, points.Count * tenths / 10)))),
            ],
            NotAbstained = certain.Length > 0 ? Left(points, certain) : null,
            Cells =
            [
                .. points.Select((point, i) => (point, Within: ofEffect[i].Holds(point.Effect)))
                    .GroupBy(item => (item.point.HookPoint, item.point.Strength)).OrderBy(cell => cell.Key)
                    .Select(cell => new CellCoverage(
                        cell.Key.HookPoint,
                        cell.Key.Strength,
                        cell.Average(item => item.Within ? 1.0 : 0),
                        cell.Average(item => item.point.Effect),
                        cell.Average(item => item.point.Cost))),
            ],
        };
    }

    private static RiskPoint Left(IReadOnlyList<CalibrationPoint> points, ReadOnlySpan<int> kept)
    {
        int nothing = 0;
        int notShown = 0;
        foreach (int i in kept)
        {
            nothing += points[i].DidNothing ? 1 : 0;
            notShown += points[i].IsNotShown ? 1 : 0;
        }

        return new RiskPoint(
            (double)kept.Length / points.Count, (double)nothing / kept.Length, (double)notShown / kept.Length);
    }

    private static QuantityQuality Quality(
        IReadOnlyList<CalibrationPoint> points,
        ForecastPoint[] found,
        ForecastInterval[] forecasts,
        ForecastDesign design,
        CalibrationOptions options)
    {
        double[] real = [.. found.Select(point => point.Y)];
        double[] expected = [.. forecasts.Select(forecast => forecast.Mean)];
        bool[] within = [.. forecasts.Select((forecast, i) => forecast.Holds(real[i]))];
        int hits = within.Count(inside => inside);
        double mean = real.Average();
        (double low, double high) = BinomialInterval.Of(hits, real.Length);
        int[][] topics =
        [
            .. Enumerable.Range(0, found.Length).GroupBy(i => found[i].Topic).OrderBy(topic => topic.Key)
                .Select(topic => topic.ToArray()),
        ];
        (double? Low, double? High) coverage = OverTopics(
            topics, options, kept => kept.Average(i => within[i] ? 1.0 : 0));

        // What says the same of all topics differs only by the topic that is left out, against it.
        bool ranks = design.Columns.Count > 0;
        (double? Low, double? High) spearman = !ranks ? (null, null) : OverTopics(
            topics, options, kept => RankCorrelation.Spearman(
                [.. kept.Select(i => expected[i])], [.. kept.Select(i => real[i])]));
        double?[] cells = !design.KnowsTopics ? [null] :
        [
            .. Enumerable.Range(0, found.Length).GroupBy(i => (points[i].HookPoint, points[i].Strength))
                .Select(cell => RankCorrelation.Spearman(
                    [.. cell.Select(i => expected[i])], [.. cell.Select(i => real[i])])),
        ];
        return new QuantityQuality
        {
            Coverage = (double)hits / real.Length,
            CoverageLow = low,
            CoverageHigh = high,
            CoverageTopicLow = coverage.Low ?? 0,
            CoverageTopicHigh = coverage.High ?? 1,
            Width = forecasts.Average(forecast => forecast.High - forecast.Low),
            Deviation = Math.Sqrt(real.Average(value => (value - mean) * (value - mean))),
            Error = forecasts.Select((forecast, i) => Math.Abs(forecast.Mean - real[i])).Average(),
            Spearman = ranks ? RankCorrelation.Spearman(expected, real) : null,
            SpearmanLow = spearman.Low,
            SpearmanHigh = spearman.High,
            SpearmanWithin = cells.All(cell => cell is not null) ? cells.Average() : null,
        };
    }

    /// <summary>The middle 95 % of a statistic when topics are drawn with replacement.</summary>
    private static (double? Low, double? High) OverTopics(
        int[][] topics, CalibrationOptions options, Func<int[], double?> statistic)
    {
        var generator = new SplitMix64(options.Sampling.Seed);
        var values = new List<double>();
        for (int b = 0; b < options.Resamples; b++)
        {
            var drawn = new List<int>();
            for (int i = 0; i < topics.Length; i++)
            {
                drawn.AddRange(topics[generator.NextInt(topics.Length)]);
            }

            if (statistic([.. drawn]) is { } value)
            {
                values.Add(value);
            }
        }

        if (values.Count == 0)
        {
            return (null, null);
        }

        values.Sort();
        return (values[(int)(0.025 * (values.Count - 1))], values[(int)Math.Ceiling(0.975 * (values.Count - 1))]);
    }
}

/// <summary>A place and a strength, over the topics of the bank.</summary>
/// <param name="HookPoint">The place.</param>
/// <param name="Strength">The strength.</param>
/// <param name="Coverage">The share of topics whose effect is within its interval.</param>
/// <param name="Effect">The mean effect.</param>
/// <param name="Cost">The mean cost.</param>
public sealed record CellCoverage(string HookPoint, double Strength, double Coverage, double Effect, double Cost);
