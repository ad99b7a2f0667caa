namespace LayerSteer.Evaluation;

/// <summary>A point that a forecast is learned from.</summary>
/// <param name="Topic">The number of its topic: topics are exchangeable, points of one are not independent.</param>
/// <param name="X">Predictors, finite, of the order of 1.</param>
/// <param name="Y">What came of it, finite.</param>
public readonly record struct ForecastPoint(int Topic, double[] X, double Y);

/// <summary>A forecast and how far it is usually off.</summary>
/// <param name="Mean">y = intercept + Σ coefficient · x.</param>
/// <param name="LogSpread">The logarithm of a typical |y − mean|, linear in the same x.</param>
public sealed record ForecastModel(LinearModel Mean, LinearModel LogSpread)
{
    /// <summary>exp of <see cref="LogSpread"/>.</summary>
    public double SpreadAt(IReadOnlyList<double> x) => Math.Exp(LogSpread.At(x));
}

/// <summary>
/// Learns a <see cref="ForecastModel"/> of points: ridge regressions whose penalty is the one that forecasts left-out
/// topics best.
/// <code>
/// penalty = argmin over a grid of Σ_topics Σ_points (y − forecast without the topic)²,   ties to the larger
/// log spread: ridge of log(|y − mean(x)| + floor),   floor = a tenth of the median |y − mean(x)|
/// </code>
/// Points weigh alike. The same points give the same model, whatever their order of topics' numbers.
/// </summary>
public sealed class ForecastFit
{
    /// <summary>The penalties that are tried, in units of the variance of a standardised predictor.</summary>
    public static IReadOnlyList<double> Penalties { get; } = [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

    /// <summary>The spread has few points to tell it and needs no more than its rough course.</summary>
    private const double SpreadPenalty = 0.3;

    private readonly IReadOnlyList<ForecastPoint> _points;
    private readonly int _width;
    private readonly SortedDictionary<int, (ForecastPoint[] Points, RidgeSums Sums)> _topics = [];

    /// <summary>Takes the points.</summary>
    /// <param name="points">Points of at least three topics, all of one width.</param>
    public ForecastFit(IReadOnlyList<ForecastPoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        _points = points;
        _width = points[0].X.Length;
        foreach (IGrouping<int, ForecastPoint> topic in points.GroupBy(point => point.Topic))
        {
            var sums = new RidgeSums(_width);
            foreach (ForecastPoint point in topic)
            {
                sums.Add(point.X, point.Y);
            }

            _topics.Add(topic.Key, ([.. topic], sums));
        }
    }

    /// <summary>The numbers of the topics, ascending.</summary>
    public IReadOnlyList<int> Topics => [.. _topics.Keys];

    /// <summary>The penalty for the topics but some, chosen among those topics alone.</summary>
    /// <param name="without">Topics to leave out.</param>
    public double Penalty(params IReadOnlyList<int> without)
    {
        RidgeSums all = Sums(without);
        double best = Penalties[0];
        double least = double.PositiveInfinity;
        double[] errors = new double[Penalties.Count];
        foreach ((int topic, (ForecastPoint[] points, RidgeSums sums)) in _topics)
        {
            if (without.Contains(topic))
            {
                continue;
            }

            RidgeSums others = all.Plus(sums, -1);
            for (int i = 0; i < errors.Length; i++)
            {
                LinearModel model = others.Solve(Penalties[i]);
                errors[i] += points.Sum(point => Square(point.Y - model.At(point.X)));
            }
        }

        for (int i = 0; i < errors.Length; i++)
        {
            if (errors[i] < least)
            {
                (least, best) = (errors[i], Penalties[i]);
            }
        }

        return best;
    }

    /// <summary>The model of all topics but some.</summary>
    /// <param name="penalty">As <see cref="Penalty"/> gives it.</param>
    /// <param name="without">Topics to leave out.</param>
    public ForecastModel Model(double penalty, params IReadOnlyList<int> without)
    {
        LinearModel mean = Sums(without).Solve(penalty);
        (double[] X, double Off)[] rest =
        [
            .. _points.Where(point => !without.Contains(point.Topic))
                .Select(point => (point.X, Math.Abs(point.Y - mean.At(point.X)))),
        ];
        double[] sorted = [.. rest.Select(point => point.Off).Order()];
        double floor = Math.Max(0.1 * sorted[sorted.Length / 2], double.Epsilon);
        var spread = new RidgeSums(_width);
        foreach ((double[] x, double off) in rest)
        {
            spread.Add(x, Math.Log(off + floor));
        }

        return new ForecastModel(mean, spread.Solve(SpreadPenalty));
    }

    /// <summary>The points of a topic.</summary>
    public IReadOnlyList<ForecastPoint> PointsOf(int topic) => _topics[topic].Points;

    private RidgeSums Sums(IReadOnlyList<int> without)
    {
        // Added anew and in order: what a sum once held leaves no trace in its bits.
        var sums = new RidgeSums(_width);
        foreach ((int topic, (_, RidgeSums own)) in _topics)
        {
            if (!without.Contains(topic))
            {
                sums = sums.Plus(own);
            }
        }

        return sums;
    }

    private static double Square(double x) => x * x;
}
