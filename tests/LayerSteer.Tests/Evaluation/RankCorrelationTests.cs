using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class RankCorrelationTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(1000)]
    public void With_ties_it_is_the_correlation_of_mean_ranks(int values)
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var generator = new SplitMix64(seed);
            double[] x = new double[25];
            double[] y = new double[25];
            for (int i = 0; i < x.Length; i++)
            {
                x[i] = generator.NextInt(values) - 2;
                y[i] = (x[i] / 2) + generator.NextInt(values);
            }

            double[] a = Ranks(x);
            double[] b = Ranks(y);
            Assert.Equal(a, RankCorrelation.Ranks(x));
            double product = a.Zip(b, (p, q) => (p - a.Average()) * (q - b.Average())).Sum();
            double spread = Math.Sqrt(
                a.Sum(p => Math.Pow(p - a.Average(), 2)) * b.Sum(q => Math.Pow(q - b.Average(), 2)));
            Assert.Equal(product / spread, RankCorrelation.Spearman(x, y)!.Value, 1e-12);
        }
    }

    [Fact]
    public void Only_the_order_counts()
    {
        double[] x = [3, 1, 2, 10];
        Assert.Equal(1, RankCorrelation.Spearman(x, [0.3, 0.1, 0.2, 1e9])!.Value, 1e-12);
        Assert.Equal(-1, RankCorrelation.Spearman(x, [-3, -1, -2, -3.5])!.Value, 1e-12);
        Assert.Equal([0, 2.5, 1, 2.5], RankCorrelation.Ranks([-1, 5, 0, 5]));
    }

    [Fact]
    public void What_does_not_vary_has_none_and_pairs_must_be_pairs()
    {
        Assert.Null(RankCorrelation.Spearman([1, 2, 3], [4, 4, 4]));
        Assert.Null(RankCorrelation.Spearman([1, 1], [1, 2]));
        Assert.Null(RankCorrelation.Spearman([1], [2]));
        Assert.Null(RankCorrelation.Spearman([], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => RankCorrelation.Spearman([1, 2], [1]));
    }

    /// <summary>How many are smaller, and half of the others that are equal.</summary>
    private static double[] Ranks(double[] values) =>
        [.. values.Select(value => values.Count(v => v < value) + ((values.Count(v => v == value) - 1) / 2.0))];
}
