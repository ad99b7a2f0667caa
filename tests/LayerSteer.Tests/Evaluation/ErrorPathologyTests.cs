using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class ErrorPathologyTests : IDisposable
{
    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly HashSet<int> Special = [TinyModel.Eos];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
    private readonly int[][] _texts =
    [
        [TinyModel.Eos, .. TinyModel.Ids(3, 14).Where(id => id != TinyModel.Eos)],
        [TinyModel.Eos, .. TinyModel.Ids(4, 9).Where(id => id != TinyModel.Eos)],
    ];

    public ErrorPathologyTests() => _decoder = _tiny.Load();

    public void Dispose()
    {
        _autoencoder.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void The_pass_through_is_exactly_0_and_the_reconstruction_is_that_of_plain_passes()
    {
        ErrorPathology measured = Measure(_autoencoder);
        Assert.Equal(0, measured.PassThrough);
        double sum = 0;
        int tokens = 0;
        foreach (int[] ids in _texts)
        {
            double[][] before = Probabilities(ids, null);
            double[][] after = Probabilities(ids, new HookSet().Add(Point, rows =>
            {
                for (int row = 1; row < rows.Count; row++)
                {
                    Reconstruction(rows[row]).CopyTo(rows[row]);
                }
            }));
            for (int t = 1; t < ids.Length; t++)
            {
                sum += before[t].Zip(after[t], (p, q) => p * Math.Log(p / q)).Sum();
                tokens++;
            }
        }

        Assert.Equal(tokens, measured.Tokens);
        Assert.True(measured.Reconstruction > 0.001);
        Assert.Equal(sum / tokens, measured.Reconstruction, 1e-6 * measured.Reconstruction);
        Assert.Equal(
            measured.Reconstruction / measured.Isotropic.Divergence, measured.Isotropic.Ratio!.Value, 0.3);
        Assert.True(measured.Isotropic.RatioError > 0);
    }

    [Fact]
    public void Random_vectors_are_as_long_as_the_error_of_their_position_and_special_tokens_stay()
    {
        int[] ids = _texts[0];
        float[] values = Values(ids);
        var text = new ReplacedText(_autoencoder, ids, Special, values);
        Assert.Equal(Enumerable.Range(1, ids.Length - 1), text.Rows);
        var random = new SplitMix64(8);
        float[] isotropic = text.Isotropic(ref random);
        float[] covariance = text.OfCovariance(ref random);
        const int D = TinyModel.DModel;
        for (int i = 0; i < text.Rows.Length; i++)
        {
            float[] x = values[(text.Rows[i] * D)..((text.Rows[i] + 1) * D)];
            double error = Distance(x, Reconstruction(x));
            Assert.True(error > 0.1);
            Assert.Equal(error, Distance(x, isotropic.AsSpan(i * D, D)), 1e-4 * error);
            Assert.Equal(error, Distance(x, covariance.AsSpan(i * D, D)), 1e-4 * error);
            Assert.Equal(x, text.PassThrough[(i * D)..((i + 1) * D)]);
        }

        Assert.NotEqual(isotropic, covariance);
    }

    [Fact]
    public void Draws_have_the_covariance_of_the_rows()
    {
        const int Rows = 7;
        const int Width = 3;
        const int Draws = 60_000;
        float[] rows = RandomFloats.Of(12, Rows * Width);
        double[] mean = [.. Enumerable.Range(0, Width).Select(i => Enumerable.Range(0, Rows).Average(t => (double)rows[(t * Width) + i]))];
        double[] centred = RandomPerturbation.Centred(rows, Width);
        double[,] moments = new double[Width, Width];
        double[] vector = new double[Width];
        var random = new SplitMix64(13);
        for (int draw = 0; draw < Draws; draw++)
        {
            RandomPerturbation.Draw(ref random, centred, vector);
            for (int i = 0; i < Width; i++)
            {
                for (int j = 0; j < Width; j++)
                {
                    moments[i, j] += vector[i] * vector[j] / Draws;
                }
            }
        }

        double Covariance(int i, int j) => Enumerable.Range(0, Rows).Average(
            t => (rows[(t * Width) + i] - mean[i]) * (rows[(t * Width) + j] - mean[j]));

        for (int i = 0; i < Width; i++)
        {
            for (int j = 0; j < Width; j++)
            {
                // Five standard errors of a product of two normals.
                double tolerance = 5 * Math.Sqrt(2 * Covariance(i, i) * Covariance(j, j) / Draws);
                Assert.Equal(Covariance(i, j), moments[i, j], tolerance);
            }
        }
    }

    [Fact]
    public void Isotropic_vectors_prefer_no_axis()
    {
        const int Draws = 30_000;
        double[] vector = new double[3];
        double[] squares = new double[3];
        var random = new SplitMix64(14);
        for (int draw = 0; draw < Draws; draw++)
        {
            RandomPerturbation.Isotropic(ref random, 2, vector);
            Assert.Equal(2, RandomPerturbation.Norm(vector), 1e-12);
            for (int i = 0; i < 3; i++)
            {
                squares[i] += vector[i] * vector[i] / Draws;
            }
        }

        Assert.All(squares, square => Assert.Equal(4.0 / 3, square, 0.04));
    }

    [Fact]
    public void Without_an_error_there_is_no_ratio()
    {
        using SparseAutoencoder mirror = MirrorAutoencoder.Load();
        ErrorPathology measured = Measure(mirror);
        Assert.Equal((0.0, 0.0, 0.0), (measured.RelativeError, measured.Reconstruction, measured.Isotropic.Divergence));
        Assert.Null(measured.Isotropic.Ratio);
        Assert.Null(measured.Covariance.Ratio);
    }

    [Fact]
    public void The_seed_draws_the_vectors_and_nothing_else()
    {
        ErrorPathology first = Measure(_autoencoder, seed: 1);
        Assert.Equal(first, Measure(_autoencoder, seed: 1));
        ErrorPathology second = Measure(_autoencoder, seed: 2);
        Assert.Equal(first.Reconstruction, second.Reconstruction);
        Assert.NotEqual(first.Isotropic.Divergence, second.Isotropic.Divergence);
        Assert.Null(Measure(_autoencoder, draws: 1).Isotropic.RatioError);
    }

    [Fact]
    public void A_text_too_short_for_a_covariance_is_refused() => Assert.Equal(
        "text 1 has 1 tokens that are not special; expected at least 2",
        Assert.Throws<ArgumentException>(() => ErrorPathology.Measure(
            _decoder, _autoencoder, Point, [_texts[0], [TinyModel.Eos, 5]], Special,
            cancellation: TestContext.Current.CancellationToken)).Message);

    private ErrorPathology Measure(SparseAutoencoder autoencoder, ulong seed = 0, int draws = 4) => ErrorPathology.Measure(
        _decoder, autoencoder, Point, _texts, Special, draws, seed, TestContext.Current.CancellationToken);

    private float[] Reconstruction(ReadOnlySpan<float> x)
    {
        float[] a = new float[_autoencoder.DSae];
        var scales = new InputScale[1];
        _autoencoder.PreActivations(x, 1, a, scales);
        var z = new SparseLatents();
        _autoencoder.Activate(a, z);
        float[] reconstruction = new float[_autoencoder.DIn];
        _autoencoder.Decode(z, scales[0], reconstruction);
        return reconstruction;
    }

    private float[] Values(int[] ids)
    {
        float[] values = [];
        using DecoderRun run = _decoder.CreateRun();
        using KvCache cache = _decoder.CreateCache(ids.Length);
        run.Forward(
            [new SequenceBlock(cache, ids)], new HookSet().Add(Point, rows => values = rows.Values.ToArray()));
        return values;
    }

    private double[][] Probabilities(int[] ids, HookSet? hooks)
    {
        using DecoderRun run = _decoder.CreateRun();
        using KvCache cache = _decoder.CreateCache(ids.Length);
        run.Forward([new SequenceBlock(cache, ids)], hooks, LogitRows.All);
        var rows = new double[ids.Length][];
        for (int t = 0; t < ids.Length; t++)
        {
            double[] weights = [.. run.Logits(t).ToArray().Select(logit => Math.Exp(logit))];
            double sum = weights.Sum();
            rows[t] = [.. weights.Select(weight => weight / sum)];
        }

        return rows;
    }

    private static double Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double squares = 0;
        for (int i = 0; i < a.Length; i++)
        {
            squares += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        }

        return Math.Sqrt(squares);
    }
}
