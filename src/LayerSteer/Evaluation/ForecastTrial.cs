namespace LayerSteer.Evaluation;

/// <summary>
/// How forecasts do on topics that nothing in them knows of: for each topic the penalty is chosen, the model fitted and
/// the interval calibrated on the other topics alone (a leave-one-topic-out within a leave-one-topic-out).
/// </summary>
public static class ForecastTrial
{
    /// <summary>Forecasts every point without its topic.</summary>
    /// <param name="points">The points.</param>
    /// <param name="confidence">Of the intervals.</param>
    /// <returns>In the order of the points, whatever the number of threads.</returns>
    public static ForecastInterval[] Of(IReadOnlyList<ForecastPoint> points, double confidence)
    {
        ArgumentNullException.ThrowIfNull(points);
        var fit = new ForecastFit(points);
        var forecasts = new ForecastInterval[points.Count];
        Parallel.ForEach(fit.Topics, topic =>
        {
            double penalty = fit.Penalty(topic);
            ForecastModel model = fit.Model(penalty, topic);
            IReadOnlyList<LeftOutTopic> others = GroupedJackknife.LeaveOut(fit, penalty, topic);
            for (int i = 0; i < points.Count; i++)
            {
                if (points[i].Topic == topic)
                {
                    (double low, double high) = GroupedJackknife.Interval(others, points[i].X, confidence);
                    forecasts[i] = new ForecastInterval(model.Mean.At(points[i].X), low, high);
                }
            }
        });
        return forecasts;
    }
}
