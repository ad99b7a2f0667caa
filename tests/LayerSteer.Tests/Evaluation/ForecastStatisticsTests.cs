using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class ForecastStatisticsTests
{
    [Fact]
    public void Spearman_is_Pearsons_correlation_of_ranks_that_are_counted_one_by_one()
    {
        var random = new SplitMix64(3);
        for (int round = 0; round < 50; round++)
        {
            int n = 2 + random.NextInt(30);
            double[] x = new double[n];
            double[] y = new double[n];
            for (int i = 0; i < n; i++)
            {
                x[i] = random.NextInt(8); // many ties
                y[i] = random.NextInt(5) + (0.5 * x[i]);
            }

            double? expected = PlainSpearman(x, y);
            double? found = RankCorrelation.Spearman(x, y);
            Assert.Equal(expected is null, found is null);
            Assert.Equal(expected ?? 0, found ?? 0, 1e-12);
        }
    }

    [Fact]
    public void Spearman_of_what_does_not_vary_is_missing()
    {
        Assert.Null(RankCorrelation.Spearman([1, 1, 1], [1, 2, 3]));
        Assert.Null(RankCorrelation.Spearman([], []));
        Assert.Equal(1, RankCorrelation.Spearman([1, 2, 30], [-5, 0, 1e9])!.Value, 1e-12);
        Assert.Equal(-1, RankCorrelation.Spearman([1, 2, 3], [3, 2, 1])!.Value, 1e-12);
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(3, 10)]
    [InlineData(58, 65)]
    [InlineData(900, 1000)]
    public void Clopper_and_Pearsons_ends_are_quantiles_of_the_beta_distribution(int hits, int draws)
    {
        (double low, double high) = BinomialInterval.Of(hits, draws, 0.9);
        if (hits > 0)
        {
            Assert.Equal(0.05, BetaBelow(low, hits, draws - hits + 1), 1e-6);
        }

        Assert.Equal(0.95, BetaBelow(high, hits + 1, draws - hits), 1e-6);
        (double mirroredLow, double mirroredHigh) = BinomialInterval.Of(draws - hits, draws, 0.9);
        Assert.Equal((1 - high, 1 - low), (mirroredLow, mirroredHigh), (a, b) =>
            Math.Abs(a.Item1 - b.Item1) < 1e-9 && Math.Abs(a.Item2 - b.Item2) < 1e-9);
    }

    [Fact]
    public void Clopper_and_Pearsons_ends_have_a_closed_form_where_nothing_or_all_is_hit()
    {
        Assert.Equal((0, 1 - Math.Pow(0.025, 1 / 20.0)), BinomialInterval.Of(0, 20), Near);
        Assert.Equal((Math.Pow(0.025, 1 / 20.0), 1), BinomialInterval.Of(20, 20), Near);
    }

    [Fact]
    public void A_ridge_solves_its_normal_equations()
    {
        ForecastPoint[] points = Random(5, topics: 12, width: 4, seed: 8);
        RidgeSums sums = Sums(points, 4);
        foreach (double penalty in (double[])[0.01, 1, 10])
        {
            LinearModel model = sums.Solve(penalty);
            (double intercept, double[] plain) = PlainRidge(points, penalty);
            Assert.Equal(intercept, model.Intercept, 1e-9);
            for (int j = 0; j < plain.Length; j++)
            {
                Assert.Equal(plain[j], model.Coefficients[j], 1e-9);
            }
        }
    }

    [Fact]
    public void A_ridge_does_not_depend_on_the_units_of_a_column_and_leaves_out_one_that_does_not_vary()
    {
        ForecastPoint[] points = Random(4, topics: 9, width: 3, seed: 2);
        ForecastPoint[] other =
            [.. points.Select(point => point with { X = [(point.X[0] * 3) - 1, point.X[1], 0.25, point.X[2]] })];
        LinearModel model = Sums(points, 3).Solve(0.3);
        LinearModel changed = Sums(other, 4).Solve(0.3);
        Assert.Equal(0, changed.Coefficients[2]);
        for (int i = 0; i < points.Length; i++)
        {
            Assert.Equal(model.At(points[i].X), changed.At(other[i].X), 1e-9);
        }
    }

    [Fact]
    public void Sums_without_a_topic_are_those_of_the_others()
    {
        ForecastPoint[] points = Random(6, topics: 8, width: 3, seed: 4);
        RidgeSums all = Sums(points, 3);
        RidgeSums own = Sums(points.Where(point => point.Topic == 5), 3);
        LinearModel left = all.Plus(own, -1).Solve(0.1);
        LinearModel others = Sums(points.Where(point => point.Topic != 5), 3).Solve(0.1);
        Assert.Equal(others.Intercept, left.Intercept, 1e-10);
        Assert.Equal(
            others.Coefficients.Select(c => Math.Round(c, 9)), left.Coefficients.Select(c => Math.Round(c, 9)));
    }

    internal static ForecastPoint[] Random(int perTopic, int topics, int width, ulong seed, double ofTopic = 1)
    {
        var random = new SplitMix64(seed);
        var points = new List<ForecastPoint>();
        for (int topic = 0; topic < topics; topic++)
        {
            double shared = ofTopic * Gauss(ref random);
            for (int i = 0; i < perTopic; i++)
            {
                double[] x = new double[width];
                for (int j = 0; j < width; j++)
                {
                    x[j] = Gauss(ref random);
                }

                points.Add(new ForecastPoint(topic, x, x[0] + shared + (0.5 * Gauss(ref random))));
            }
        }

        return [.. points];
    }

    internal static double Gauss(ref SplitMix64 random)
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
        return radius * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    private static bool Near((double Low, double High) a, (double Low, double High) b) =>
        Math.Abs(a.Low - b.Low) < 1e-9 && Math.Abs(a.High - b.High) < 1e-9;

    private static RidgeSums Sums(IEnumerable<ForecastPoint> points, int width)
    {
        var sums = new RidgeSums(width);
        foreach (ForecastPoint point in points)
        {
            sums.Add(point.X, point.Y);
        }

        return sums;
    }

    private static double? PlainSpearman(double[] x, double[] y)
    {
        double[] Ranks(double[] v) =>
            [.. v.Select(a => v.Count(b => b < a) + ((v.Count(b => b == a) + 1) / 2.0))];
        double[] r = Ranks(x);
        double[] s = Ranks(y);
        double both = r.Zip(s, (a, b) => (a - r.Average()) * (b - s.Average())).Sum();
        double ownR = r.Sum(a => (a - r.Average()) * (a - r.Average()));
        double ownS = s.Sum(b => (b - s.Average()) * (b - s.Average()));
        return ownR * ownS > 0 ? both / Math.Sqrt(ownR * ownS) : null;
    }

    /// <summary>The regularised incomplete beta function by Simpson's rule after t = sin² u.</summary>
    private static double BetaBelow(double x, double a, double b)
    {
        double Integral(double end)
        {
            const int panels = 200_000;
            double step = end / panels;
            double peak = ((a - 0.5) / (a + b - 1)) is var t and > 0 and < 1
                ? ((2 * a) - 1) * Math.Log(Math.Sqrt(t)) + (((2 * b) - 1) * Math.Log(Math.Sqrt(1 - t)))
                : 0;
            double Density(double u) => Math.Exp(
                (((2 * a) - 1) * Math.Log(Math.Max(Math.Sin(u), 1e-300)))
                + (((2 * b) - 1) * Math.Log(Math.Max(Math.Cos(u), 1e-300))) - peak);
            double sum = Density(0) + Density(end);
            for (int i = 1; i < panels; i++)
            {
                sum += Density(i * step) * (i % 2 == 1 ? 4 : 2);
            }

            return sum * step / 3;
        }

        return Integral(Math.Asin(Math.Sqrt(x))) / Integral(Math.PI / 2);
    }

    /// <summary>(ZᵀZ/n + penalty I) b = Zᵀy/n, by elimination.</summary>
    private static (double Intercept, double[] Coefficients) PlainRidge(ForecastPoint[] points, double penalty)
    {
        int width = points[0].X.Length;
        double n = points.Length;
        double[] mean = [.. Enumerable.Range(0, width).Select(j => points.Average(point => point.X[j]))];
        double[] sd =
        [
            .. Enumerable.Range(0, width).Select(
                j => Math.Sqrt(points.Average(point => Math.Pow(point.X[j] - mean[j], 2)))),
        ];
        double[][] z = [.. points.Select(point => point.X.Select((x, j) => (x - mean[j]) / sd[j]).ToArray())];
        double[,] a = new double[width, width + 1];
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j < width; j++)
            {
                a[i, j] = (z.Sum(row => row[i] * row[j]) / n) + (i == j ? penalty : 0);
            }

            a[i, width] = z.Zip(points, (row, point) => row[i] * point.Y).Sum() / n;
        }

        for (int i = 0; i < width; i++)
        {
            for (int k = i + 1; k < width; k++)
            {
                double factor = a[k, i] / a[i, i];
                for (int j = i; j <= width; j++)
                {
                    a[k, j] -= factor * a[i, j];
                }
            }
        }

        double[] b = new double[width];
        for (int i = width - 1; i >= 0; i--)
        {
            b[i] = (a[i, width] - Enumerable.Range(i + 1, width - i - 1).Sum(j => a[i, j] * b[j])) / a[i, i];
        }

        double[] raw = [.. b.Select((value, j) => value / sd[j])];
        return (points.Average(point => point.Y) - raw.Zip(mean, (c, m) => c * m).Sum(), raw);
    }
}
