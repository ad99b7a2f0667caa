using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class SideEffectPredictorsTests : IDisposable
{
    private const int D = TinyModel.DModel;
    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly HashSet<int> Special = [TinyModel.Eos];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly TinyAutoencoder _parts = new(SaeActivationKind.TopK);
    private readonly SparseAutoencoder _autoencoder;
    private readonly SparseAutoencoder _mirror = MirrorAutoencoder.Load();
    private readonly int[][] _texts =
    [
        [TinyModel.Eos, .. TinyModel.Ids(3, 12).Where(id => id != TinyModel.Eos)],
        [TinyModel.Eos, .. TinyModel.Ids(4, 7).Where(id => id != TinyModel.Eos)],
    ];

    public SideEffectPredictorsTests()
    {
        _decoder = _tiny.Load();
        _autoencoder = _parts.Load();
    }

    public void Dispose()
    {
        _mirror.Dispose();
        _autoencoder.Dispose();
        _parts.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    /// <summary>
    /// The mirror's latents are the parts of x itself, so what changes can be counted on x before and after.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Collateral_is_a_count_on_the_residual_where_latents_are_its_parts(int layer)
    {
        HookPoint downstream = HookPoint.ResidualPost(layer);
        SideEffectPredictors measured = Measure(downstream, new SideEffectOptions { Latents = 10, Seed = 3 });
        Assert.Equal(10, measured.Latents.Count);
        Assert.Equal(_texts.Sum(ids => ids.Length - 1), measured.Tokens);
        double[][] counts = [new double[10], new double[10]];
        for (int l = 0; l < 10; l++)
        {
            LatentSideEffect one = measured.Latents[l];
            float[] direction = Unit(one.Latent);
            for (int text = 0; text < 2; text++)
            {
                int[] ids = _texts[text];
                int count = 0;
                float[] before = Values(ids, downstream, null);
                float[] after = Values(ids, downstream, direction);
                for (int i = D; i < before.Length; i++)
                {
                    count += Math.Abs(Math.Max(after[i], 0f) - Math.Max(before[i], 0f)) > 0.05 ? 1 : 0;
                    count += Math.Abs(Math.Max(-after[i], 0f) - Math.Max(-before[i], 0f)) > 0.05 ? 1 : 0;
                }

                Assert.True(count > 0);
                counts[text][l] = count;
            }

            Assert.Equal((counts[0][l] + counts[1][l]) / measured.Tokens, one.Collateral, 1e-12);
        }

        Assert.Equal(RankCorrelation.Spearman(counts[0], counts[1]), measured.Reliability);
    }

    [Fact]
    public void What_is_known_beforehand_is_that_of_plain_loops()
    {
        SideEffectPredictors measured = Measure(HookPoint.ResidualPost(2), new SideEffectOptions { Latents = 12 });
        float[] head = _tiny.Tensors["wte.weight"].Values;
        float[] encoder = _parts.Tensors["encoder.weight"].Values;
        foreach (LatentSideEffect one in measured.Latents)
        {
            float[] own = Unit(one.Latent);
            double crowding = Enumerable.Range(0, TinyAutoencoder.DSae).Where(other => other != one.Latent)
                .Select(other => Math.Abs(Dot(own, Unit(other)))).OrderDescending().Take(20).Average();
            Assert.Equal(crowding, one.Crowding, 1e-6);
            float[] reads = encoder[(one.Latent * D)..((one.Latent + 1) * D)];
            Assert.Equal(Dot(own, reads) / Math.Sqrt(Dot(reads, reads)), one.Alignment, 1e-6);
            double squares = Enumerable.Range(0, TinyModel.Vocabulary)
                .Sum(token => Math.Pow(Dot(own, head[(token * D)..((token + 1) * D)]), 2));
            Assert.Equal(Math.Sqrt(squares), one.Footprint, 1e-4);
            Assert.Null(one.Frequency);
            Assert.Null(one.MeanActivation);
        }

        PredictorCorrelation alone = measured.Correlations.Single(one => one.Name == "crowding");
        Assert.Equal(
            RankCorrelation.Spearman(
                [.. measured.Latents.Select(one => one.Crowding)], [.. measured.Latents.Select(one => one.Collateral)]),
            alone.Correlation);
        Assert.InRange(alone.Correlation!.Value, alone.Low!.Value, alone.High!.Value);
        Assert.Null(measured.Correlations.Single(one => one.Name == "frequency").Correlation);
        Assert.NotNull(measured.Correlations.Single(one => one.Name == SideEffectPredictors.AllTogether).Correlation);
    }

    [Fact]
    public void Fewer_latents_than_neighbours_are_all_neighbours() => Assert.Equal(
        0.4, SideEffectPredictors.Crowding([1f, 0f, 0.6f, 0.8f, 0f, 1f, -0.6f, 0.8f], 2, 0, 20), 1e-6);

    [Fact]
    public void A_ridge_solves_its_normal_equations()
    {
        const double Ridge = 0.3;
        double[] a = [1, -2, 0.5, 3, -1];
        double[] b = [0.2, 1, -1, 0.4, 2];
        double[] y = [2, -1, 0, 4, 1];
        int[] rows = [0, 1, 3, 4];
        double[] beta = SideEffectCorrelations.Fit([a, b], y, rows, Ridge);
        foreach (double[] x in new[] { a, b })
        {
            double left = rows.Sum(r => x[r] * ((a[r] * beta[0]) + (b[r] * beta[1]))) / rows.Length;
            left += Ridge * (x == a ? beta[0] : beta[1]);
            Assert.Equal(rows.Sum(r => x[r] * y[r]) / rows.Length, left, 1e-12);
        }
    }

    [Fact]
    public void All_together_find_collateral_that_one_predictor_tells_and_not_what_none_tells()
    {
        LatentSideEffect[] told = [.. Enumerable.Range(0, 100).Select(i => Sample(i, collateral: i * 13 % 100))];
        LatentSideEffect[] untold = [.. told.Select((one, i) => one with { Collateral = i * i * 31 % 101 })];
        Assert.True(Together(told) > 0.98);
        Assert.InRange(Together(untold), -0.4, 0.3);

        LatentSideEffect Sample(int i, double collateral) =>
            new(i, i * 7 % 100, i * 13 % 100, null, null, i * 29 % 100, collateral);

        double Together(LatentSideEffect[] latents) => SideEffectCorrelations.Of(latents, new SideEffectOptions())
            .Single(one => one.Name == SideEffectPredictors.AllTogether).Correlation!.Value;
    }

    [Fact]
    public void An_earlier_layer_has_no_side_effects_and_is_refused() => Assert.Equal(
        "side effects of 'blocks.1.hook_resid_post' at 'blocks.0.hook_resid_post'; expected the residual stream, and no "
        + "layer before it",
        Assert.Throws<ArgumentException>(() => Measure(HookPoint.ResidualPost(0), new SideEffectOptions())).Message);

    private SideEffectPredictors Measure(HookPoint downstream, SideEffectOptions options) => SideEffectPredictors.Measure(
        _decoder, _autoencoder, Point, _mirror, downstream, _texts, Special, null, options, null,
        TestContext.Current.CancellationToken);

    private float[] Unit(int latent)
    {
        float[] row = _parts.DecoderRow(latent);
        double norm = Math.Sqrt(Dot(row, row));
        return [.. row.Select(value => (float)(value / norm))];
    }

    private float[] Values(int[] ids, HookPoint point, float[]? push)
    {
        float[] values = [];
        using DecoderRun run = _decoder.CreateRun();
        using KvCache cache = _decoder.CreateCache(ids.Length);
        run.Forward(
            [new SequenceBlock(cache, ids)],
            new HookSet().Add(Point, rows =>
            {
                for (int i = D; push is not null && i < rows.Values.Length; i++)
                {
                    rows.Values[i] += push[i % D];
                }
            }).Add(point, rows => values = rows.Values.ToArray()));
        return values;
    }

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
