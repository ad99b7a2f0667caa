namespace LayerSteer.Evaluation;

/// <summary>A topic that was left out: the model of the others, and how far that was off on the topic.</summary>
/// <param name="Model">The model that does not know the topic.</param>
/// <param name="Scores">|y − mean(x)| / spread(x) of each of the topic's points.</param>
public sealed record LeftOutTopic(ForecastModel Model, IReadOnlyList<double> Scores);

/// <summary>
/// Prediction intervals of the jackknife+ (Barber, Candès, Ramdas and Tibshirani 2021, "Predictive Inference with the
/// Jackknife+", eq. 1.2) with topics as the exchangeable unit and scores divided by a predicted spread (Lei et al.
/// 2018, section 5.2). Each topic has the weight of one, shared by its points (Dunn, Wasserman and Ramdas 2022):
/// <code>
/// high(x) = smallest v with Σ_topics Σ_points 1[mean_(−t)(x) + spread_(−t)(x)·score ≤ v] / (points_t (T + 1)) ≥ 1 − α
/// low(x)  = the same from below;   infinite where T topics cannot say so
/// </code>
/// A point of a new topic is within with probability about 1 − α, and at least 1 − 2α, if topics are exchangeable.
/// </summary>
public static class GroupedJackknife
{
    /// <summary>Leaves each topic out once.</summary>
    /// <param name="fit">The points.</param>
    /// <param name="penalty">The penalty of all models.</param>
    /// <param name="without">Topics that nothing may know of.</param>
    public static IReadOnlyList<LeftOutTopic> LeaveOut(
        ForecastFit fit, double penalty, params IReadOnlyList<int> without)
    {
        ArgumentNullException.ThrowIfNull(fit);
        return
        [
            .. fit.Topics.Except(without).Select(topic =>
            {
                ForecastModel model = fit.Model(penalty, [.. without, topic]);
                return new LeftOutTopic(
                    model,
                    [
                        .. fit.PointsOf(topic).Select(
                            point => Math.Abs(point.Y - model.Mean.At(point.X)) / model.SpreadAt(point.X)),
                    ]);
            }),
        ];
    }

    /// <summary>The interval at a point.</summary>
    /// <param name="topics">As <see cref="LeaveOut"/> gives them; at least one.</param>
    /// <param name="x">The predictors.</param>
    /// <param name="confidence">1 − α, between 0 and 1.</param>
    /// <returns>The ends; infinite where there are too few topics.</returns>
    public static (double Low, double High) Interval(
        IReadOnlyList<LeftOutTopic> topics, IReadOnlyList<double> x, double confidence)
    {
        ArgumentNullException.ThrowIfNull(topics);
        var above = new List<(double Value, double Weight)>();
        var below = new List<(double Value, double Weight)>();
        foreach (LeftOutTopic topic in topics)
        {
            double mean = topic.Model.Mean.At(x);
            double spread = topic.Model.SpreadAt(x);
            double weight = 1.0 / (topic.Scores.Count * (topics.Count + 1.0));
            foreach (double score in topic.Scores)
            {
                above.Add((mean + (spread * score), weight));
                below.Add(((spread * score) - mean, weight));
            }
        }

        return (-Quantile(below, confidence), Quantile(above, confidence));
    }

    /// <summary>The smallest value up to which there is so much weight; what is missing to 1 is infinite.</summary>
    private static double Quantile(List<(double Value, double Weight)> values, double level)
    {
        const double rounding = 1e-9;
        double sum = 0;
        foreach ((double value, double weight) in values.OrderBy(value => value.Value))
        {
            sum += weight;
            if (sum >= level - rounding)
            {
                return value;
            }
        }

        return double.PositiveInfinity;
    }
}
