using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class GroupedJackknifeTests
{
    [Fact]
    public void The_interval_is_the_one_of_a_plain_search_over_all_ends()
    {
        ForecastPoint[] points = ForecastStatisticsTests.Random(3, topics: 12, width: 2, seed: 6);
        points = [.. points.Where((point, i) => !(point.Topic == 4 && i % 3 > 0))]; // topics of unlike size
        var fit = new ForecastFit(points);
        IReadOnlyList<LeftOutTopic> topics = GroupedJackknife.LeaveOut(fit, 0.1);
        double[] x = [0.7, -1.2];
        foreach (double confidence in (double[])[0.6, 0.8, 0.9])
        {
            (double low, double high) = GroupedJackknife.Interval(topics, x, confidence);
            (double plainLow, double plainHigh) = Plain(points, x, confidence);
            Assert.Equal(plainLow, low, 1e-9);
            Assert.Equal(plainHigh, high, 1e-9);
        }
    }

    [Fact]
    public void Too_few_topics_for_a_confidence_give_an_interval_without_ends()
    {
        var fit = new ForecastFit(ForecastStatisticsTests.Random(3, topics: 8, width: 1, seed: 1));
        (double low, double high) = GroupedJackknife.Interval(GroupedJackknife.LeaveOut(fit, 0.1), [0], 0.9);
        Assert.Equal((double.NegativeInfinity, double.PositiveInfinity), (low, high));
    }

    /// <summary>
    /// Topics are exchangeable, their points share an offset: intervals must hold for a point of a new topic as often
    /// as said. 600 simulations of a share of 0.9 have a standard error of 0.012.
    /// </summary>
    [Fact]
    public void Intervals_hold_for_new_topics_as_often_as_they_say()
    {
        const int simulations = 600;
        int hits = 0;
        var random = new SplitMix64(77);
        for (int i = 0; i < simulations; i++)
        {
            ForecastPoint[] points = ForecastStatisticsTests.Random(4, topics: 21, width: 2, seed: random.Next());
            var fit = new ForecastFit([.. points.Where(point => point.Topic < 20)]);
            ForecastPoint unseen = points.First(point => point.Topic == 20);
            (double low, double high) = GroupedJackknife.Interval(
                GroupedJackknife.LeaveOut(fit, fit.Penalty()), unseen.X, 0.9);
            hits += unseen.Y >= low && unseen.Y <= high ? 1 : 0;
        }

        (double least, double most) = BinomialInterval.Of(hits, simulations, 0.999);
        Assert.True(least <= 0.92 && most >= 0.9, $"{hits} of {simulations} hold");
    }

    /// <summary>Without topics as units the same points promise too much: that is what grouping is for.</summary>
    [Fact]
    public void Points_that_are_taken_for_independent_hold_less_often()
    {
        const int simulations = 300;
        int grouped = 0;
        int single = 0;
        var random = new SplitMix64(5);
        for (int i = 0; i < simulations; i++)
        {
            ForecastPoint[] points =
                ForecastStatisticsTests.Random(6, topics: 12, width: 6, seed: random.Next(), ofTopic: 3);
            ForecastPoint unseen = points.First(point => point.Topic == 11);
            ForecastPoint[] known = [.. points.Where(point => point.Topic < 11)];
            grouped += Holds(known, unseen) ? 1 : 0;
            ForecastPoint[] apart = [.. known.Select((point, k) => point with { Topic = k })];
            single += Holds(apart, unseen) ? 1 : 0;
        }

        Assert.True(grouped > single, $"{grouped} grouped, {single} single");
    }

    [Fact]
    public void A_predictor_that_only_works_within_a_topic_does_not_help()
    {
        const int topics = 24;
        ForecastPoint[] plain =
            [.. ForecastStatisticsTests.Random(5, topics, width: 1, seed: 12, ofTopic: 3).Select(
                point => point with { X = [0] })];
        ForecastPoint[] marked =
        [
            .. plain.Select(point => point with
            {
                X = [.. Enumerable.Range(0, topics).Select(topic => topic == point.Topic ? 1.0 : 0)],
            }),
        ];
        double without = Error(plain, ForecastTrial.Of(plain, 0.9));
        double with = Error(marked, ForecastTrial.Of(marked, 0.9));
        var fit = new ForecastFit(marked);
        LinearModel leaking = fit.Model(0.001).Mean;
        double leaked = marked.Average(point => Math.Abs(point.Y - leaking.At(point.X)));
        Assert.True(leaked < 0.7 * without, $"the marks tell topics apart: {leaked} against {without}");
        Assert.True(with > 0.95 * without, $"and say nothing of a new topic: {with} against {without}");
    }

    [Fact]
    public void A_trial_is_what_comes_of_taking_the_topic_away_first()
    {
        ForecastPoint[] points = ForecastStatisticsTests.Random(4, topics: 14, width: 3, seed: 21);
        ForecastInterval[] trial = ForecastTrial.Of(points, 0.9);
        foreach (int topic in (int[])[0, 7, 13])
        {
            var others = new ForecastFit([.. points.Where(point => point.Topic != topic)]);
            double penalty = others.Penalty();
            LinearModel model = others.Model(penalty).Mean;
            IReadOnlyList<LeftOutTopic> left = GroupedJackknife.LeaveOut(others, penalty);
            foreach ((int i, ForecastPoint point) in points.Index().Where(item => item.Item.Topic == topic))
            {
                (double low, double high) = GroupedJackknife.Interval(left, point.X, 0.9);
                Assert.Equal(new ForecastInterval(model.At(point.X), low, high), trial[i]);
            }
        }
    }

    private static bool Holds(ForecastPoint[] known, ForecastPoint unseen)
    {
        var fit = new ForecastFit(known);
        (double low, double high) = GroupedJackknife.Interval(GroupedJackknife.LeaveOut(fit, 0.01), unseen.X, 0.9);
        return unseen.Y >= low && unseen.Y <= high;
    }

    private static double Error(ForecastPoint[] points, ForecastInterval[] forecasts) =>
        points.Zip(forecasts, (point, forecast) => Math.Abs(point.Y - forecast.Mean)).Average();

    /// <summary>Every end is tried: the smallest with enough weight at or below it, topics weighing alike.</summary>
    private static (double Low, double High) Plain(ForecastPoint[] points, double[] x, double confidence)
    {
        int[] topics = [.. points.Select(point => point.Topic).Distinct()];
        var highs = new List<(double Value, double Weight)>();
        var lows = new List<(double Value, double Weight)>();
        foreach (int topic in topics)
        {
            ForecastModel model = new ForecastFit([.. points.Where(point => point.Topic != topic)]).Model(0.1);
            ForecastPoint[] own = [.. points.Where(point => point.Topic == topic)];
            foreach (ForecastPoint point in own)
            {
                double off = Math.Abs(point.Y - model.Mean.At(point.X)) / Math.Exp(model.LogSpread.At(point.X));
                double reach = off * Math.Exp(model.LogSpread.At(x));
                highs.Add((model.Mean.At(x) + reach, 1.0 / own.Length));
                lows.Add((model.Mean.At(x) - reach, 1.0 / own.Length));
            }
        }

        double needed = (confidence * (topics.Length + 1)) - 1e-9;
        return (
            lows.Where(end => lows.Where(other => other.Value >= end.Value).Sum(other => other.Weight) >= needed)
                .Max(end => end.Value),
            highs.Where(end => highs.Where(other => other.Value <= end.Value).Sum(other => other.Weight) >= needed)
                .Min(end => end.Value));
    }
}
