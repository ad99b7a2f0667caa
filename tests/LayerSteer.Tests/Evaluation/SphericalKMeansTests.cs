using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class SphericalKMeansTests
{
    [Fact]
    public void Planted_clusters_are_found()
    {
        (float[][] points, int[] planted) = Planted(9);
        (int[] found, _) = SphericalKMeans.Run(points, 5, seed: 3);
        foreach (IGrouping<int, int> cluster in Enumerable.Range(0, points.Length).GroupBy(i => planted[i]))
        {
            Assert.Single(cluster.Select(i => found[i]).Distinct());
        }

        Assert.Equal(5, found.Distinct().Count());
    }

    [Fact]
    public void The_same_seed_gives_the_same_clusters_with_one_thread_and_with_several()
    {
        (float[][] points, _) = Planted(4);
        (int[] one, double[][] ofOne) = SphericalKMeans.Run(points, 7, seed: 11, threads: 1);
        (int[] many, double[][] ofMany) = SphericalKMeans.Run(points, 7, seed: 11, threads: 5);
        Assert.Equal(one, many);
        Assert.Equal(ofOne.SelectMany(centre => centre), ofMany.SelectMany(centre => centre));
    }

    [Fact]
    public void Every_point_is_with_its_nearest_centre_and_every_centre_is_the_direction_of_its_points()
    {
        (float[][] points, _) = Planted(2);
        (int[] found, double[][] centres) = SphericalKMeans.Run(points, 6, seed: 5);
        for (int i = 0; i < points.Length; i++)
        {
            double[] cosines = [.. centres.Select(centre => centre.Zip(points[i], (a, b) => a * b).Sum())];
            Assert.True(cosines[found[i]] >= cosines.Max() - 1e-12);
        }

        for (int k = 0; k < centres.Length; k++)
        {
            float[][] own = [.. points.Where((_, i) => found[i] == k)];
            double[] sum = [.. Enumerable.Range(0, 8).Select(j => own.Sum(point => (double)point[j]))];
            double norm = Math.Sqrt(sum.Sum(value => value * value));
            Assert.All(sum.Index(), item => Assert.Equal(item.Item / norm, centres[k][item.Index], 1e-9));
        }
    }

    private static (float[][] Points, int[] Planted) Planted(ulong seed)
    {
        var random = new SplitMix64(seed);
        var points = new List<float[]>();
        var planted = new List<int>();
        for (int i = 0; i < 200; i++)
        {
            double[] x = new double[8];
            for (int j = 0; j < x.Length; j++)
            {
                x[j] = (j == i % 5 ? 1 : 0) + (0.1 * (random.NextDouble() - 0.5));
            }

            double norm = Math.Sqrt(x.Sum(value => value * value));
            points.Add([.. x.Select(value => (float)(value / norm))]);
            planted.Add(i % 5);
        }

        return ([.. points], [.. planted]);
    }
}
