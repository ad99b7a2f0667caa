using CsCheck;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class LatentScoresTests
{
    [Fact]
    public void The_seed_s_medical_scores_have_the_published_figures()
    {
        LatentScores scores = LatentScores.ReadCsv(MedicalScores(), 32_768);
        double[] sorted =
        [
            .. Enumerable.Range(0, scores.Count).Where(f => scores.Supported[f]).Select(f => scores.Values[f]).Order(),
        ];

        Assert.Equal("med.train_20.csv", scores.Name);
        Assert.Equal(30_747, scores.ScoredCount);
        Assert.Equal(2_021, scores.UnsupportedCount);
        Assert.Equal([4, 63, 79, 98, 110], Enumerable.Range(0, scores.Count).Where(f => !scores.Supported[f]).Take(5));
        Assert.Equal([27802, 27708, 6082, 407, 5780], scores.Top(5));
        Assert.Equal(0.262818, sorted.Average(), 5e-7);
        Assert.Equal(0.262818 * 30_747 / 32_768, scores.MeanWithGapsAsZero, 5e-7);
        Assert.Equal(0, scores.Values[17047]);
        Assert.Equal(1, scores.Values[27802]);
        foreach ((double share, double value) in new[]
        {
            (0.001, 0.0668), (0.01, 0.1316), (0.05, 0.1788), (0.25, 0.2255), (0.5, 0.254161), (0.75, 0.2905),
            (0.95, 0.3759), (0.99, 0.4668), (0.999, 0.6374),
        })
        {
            Assert.Equal(value, Quantile(sorted, share), 5.1e-5);
        }
    }

    [Fact]
    public void The_seed_s_medical_scores_are_written_byte_for_byte()
    {
        using var folder = new TemporaryFolder();

        LatentScores.ReadCsv(MedicalScores(), 32_768).WriteCsv(folder["scores.csv"]);

        Assert.Equal(File.ReadAllText(MedicalScores()), File.ReadAllText(folder["scores.csv"]));
    }

    [Fact]
    public void The_reference_scores_with_gaps_are_written_byte_for_byte()
    {
        string path = TestFiles.Golden("gpt2-topk/scores_with_gaps.csv");
        using var folder = new TemporaryFolder();

        LatentScores scores = LatentScores.ReadCsv(path, 512);
        scores.WriteCsv(folder["scores.csv"]);

        Assert.True(scores.UnsupportedCount > 0);
        Assert.Equal(File.ReadAllText(path), File.ReadAllText(folder["scores.csv"]));
    }

    [Fact]
    public void What_is_written_is_read_back_to_the_bit() =>
        Gen.Select(Gen.Double[0, 1], Gen.Bool).Array[1, 30].Sample(
            cells =>
            {
                using var folder = new TemporaryFolder();
                var scores = new LatentScores([.. cells.Select(c => c.Item1)], [.. cells.Select(c => c.Item2)], "a, b");
                scores.WriteCsv(folder["scores.csv"]);
                LatentScores read = LatentScores.ReadCsv(folder["scores.csv"], cells.Length);
                Assert.Equal("a, b", read.Name);
                Assert.Equal(scores.Values.ToArray(), read.Values.ToArray());
                Assert.Equal(scores.Supported.ToArray(), read.Supported.ToArray());
            },
            iter: 50);

    [Fact]
    public void Ties_go_to_the_lower_latent_and_gaps_are_never_taken()
    {
        var scores = new LatentScores([0.5, 9, 0.5, 0.75, 0], [true, false, true, true, true]);

        Assert.Equal([3, 0, 2], scores.Top(3));
        Assert.Equal([3, 0, 2, 4], scores.Top(10));
        Assert.Equal(0, scores.Values[1]);
        Assert.Equal(0.35, scores.MeanWithGapsAsZero, 1e-15);
    }

    [Fact]
    public void Nan_and_empty_cells_are_gaps()
    {
        using var folder = new TemporaryFolder();

        LatentScores scores = LatentScores.ReadCsv(folder.Write("s.csv", ",x\n0,nan\n1,0.5\n2,NaN\n3,\n4,6e-05\n"), 5);

        Assert.Equal([false, true, false, false, true], scores.Supported.ToArray());
        Assert.Equal([0, 0.5, 0, 0, 6e-05], scores.Values.ToArray());
    }

    [Theory]
    [InlineData(",x\n0,0.5\n", ": 1 scores, expected 3 (one a latent of the SAE)")]
    [InlineData(",x\n0,0.5\n1,inf\n2,1\n", " line 3: score 'inf', expected a finite number from 0 up or an empty cell")]
    [InlineData(",x\n0,0.5\n1,Infinity\n2,1\n",
        " line 3: score 'Infinity', expected a finite number from 0 up or an empty cell")]
    [InlineData(",x\n0,0.5\n1,1e999\n2,1\n",
        " line 3: score '1e999', expected a finite number from 0 up or an empty cell")]
    [InlineData(",x\n0,-0.5\n1,1\n2,1\n", " line 2: score '-0.5', expected a finite number from 0 up or an empty cell")]
    [InlineData(",x\n0,high\n1,1\n2,1\n", " line 2: score 'high', expected a finite number from 0 up or an empty cell")]
    [InlineData(",x\n0,0.5\n0,1\n2,1\n", " line 3: index '0', expected 1 (one row a latent, in order)")]
    [InlineData(",x\n0,0.5\n2,1\n3,1\n", " line 3: index '2', expected 1 (one row a latent, in order)")]
    [InlineData("latent,x\n0,0.5\n",
        " line 1: expected the header ',name' (an index column without a name, and the scores)")]
    public void A_bad_file_is_refused_with_its_line(string csv, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("s.csv", csv);

        var error = Assert.Throws<InvalidDataException>(() => LatentScores.ReadCsv(path, 3));

        Assert.Equal($"'{path}'{message}", error.Message);
    }

    [Fact]
    public void A_score_that_is_not_finite_is_refused_by_latent()
    {
        var error = Assert.Throws<ArgumentException>(() => new LatentScores([0, double.NaN], [true, true]));

        Assert.Equal("latent 1 has score NaN, expected a finite number from 0 up (Parameter 'values')", error.Message);
    }

    private static string MedicalScores()
    {
        string path = Path.Combine(TestFiles.Shared ?? string.Empty, "data", "seed", "medical_scores.csv");
        Assert.SkipWhen(!File.Exists(path), "../shared/data/seed/medical_scores.csv is not here");
        return path;
    }

    /// <summary>numpy's default: linear between the neighbours.</summary>
    private static double Quantile(double[] sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int low = (int)at;
        return sorted[low] + ((at - low) * (sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]));
    }
}
