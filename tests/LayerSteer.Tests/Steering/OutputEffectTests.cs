using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public sealed class OutputEffectTests : IDisposable
{
    private const int LensTokens = 20;
    private const int ConfidentTokens = 10;
    private const double Rounding = 1e-4; // of sums of floats up to some tens

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();

    private readonly int[] _ids = [TinyModel.Eos, .. TinyModel.Ids(3, 6)];
    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly TinyAutoencoder _files = new(SaeActivationKind.TopK);
    private readonly SparseAutoencoder _sae;

    public OutputEffectTests()
    {
        _decoder = _tiny.Load();
        _sae = _files.Load();
    }

    public void Dispose()
    {
        _sae.Dispose();
        _files.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    [Theory]
    [InlineData(TinyModel.Vocabulary)]
    [InlineData(100)]
    public void Both_figures_are_those_of_plain_formulas_on_a_hooked_pass(int vocabulary)
    {
        int[] latents = [17, 3, 61, 88];
        IReadOnlyList<LatentEffect> effects = Of(latents, vocabulary);
        double[] before = LogProbabilities(null, vocabulary);
        Assert.Equal(latents, effects.Select(effect => effect.Latent));
        foreach (LatentEffect effect in effects)
        {
            double[] after = LogProbabilities(effect.Latent, vocabulary);
            int[] likeliest = [.. Enumerable.Range(0, vocabulary).OrderByDescending(token => after[token])];
            int[] lens = Lens(effect.Latent, vocabulary);
            double rank = lens.Min(token => Array.IndexOf(likeliest, token));
            double score = (1 - (rank / vocabulary)) * Math.Exp(lens.Max(token => after[token]));
            Assert.Equal(score, effect.OutputScore, Rounding);
            Assert.Equal(Confidence(after) - Confidence(before), effect.ConfidenceChange, Rounding);
        }

        Assert.Equal(latents.Length, effects.Select(effect => effect.OutputScore).Distinct().Count());
    }

    [Fact]
    public void A_latent_has_the_figures_it_has_alone()
    {
        int[] latents = [.. Enumerable.Range(0, 70)];
        IReadOnlyList<LatentEffect> effects = Of(latents);
        Assert.Equal(70, effects.Count);
        foreach (int latent in new[] { 0, 31, 32, 69 })
        {
            Assert.Equal(Of([latent])[0], effects[latent]);
        }
    }

    [Fact]
    public void A_filter_keeps_the_scores_of_the_half_with_the_higher_figure()
    {
        double[] values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        var scores = new LatentScores(
            values, [true, true, true, true, true, false], "kept", [1f, 2f, 3f, 4f, 5f, 6f]);
        LatentEffect[] effects = [new(4, 0.1, 4), new(0, 0.2, 3), new(2, 0.3, 2), new(1, 0.4, 1)];
        LatentScores output = OutputEffect.Filter(scores, effects, effect => effect.OutputScore);
        Assert.Equal([0, 0.2, 0.3, 0, 0, 0], output.Values.ToArray());
        Assert.Equal(scores.Supported.ToArray(), output.Supported.ToArray());
        Assert.Equal(scores.Maxima.ToArray(), output.Maxima.ToArray());
        Assert.Equal("kept", output.Name);
        Assert.Equal(
            [0.1, 0, 0, 0, 0.5, 0],
            OutputEffect.Filter(scores, effects, effect => effect.ConfidenceChange).Values.ToArray());
        Assert.Equal(
            [0, 0.2, 0.3, 0, 0, 0],
            OutputEffect.Filter(scores, effects[1..], effect => effect.OutputScore).Values.ToArray());
        Assert.All(
            OutputEffect.Filter(scores, [], effect => effect.OutputScore).Values.ToArray(),
            value => Assert.Equal(0, value));
    }

    [Theory]
    [InlineData(CausalFilter.None, "none")]
    [InlineData(CausalFilter.Output, "output")]
    [InlineData(CausalFilter.Confidence, "confidence")]
    public void Filters_have_the_names_that_profiles_hold(CausalFilter filter, string name) =>
        Assert.Equal(name, CausalFilters.NameOf(filter));

    private IReadOnlyList<LatentEffect> Of(int[] latents, int vocabulary = TinyModel.Vocabulary) => OutputEffect.Of(
        _decoder,
        new SteeringSite(Point, _sae),
        Scores,
        latents,
        _ids,
        vocabulary,
        TestContext.Current.CancellationToken);

    /// <summary>log p of the next token, with 10 times a latent's largest activation at the last position.</summary>
    private double[] LogProbabilities(int? latent, int vocabulary)
    {
        HookSet? hooks = latent is not { } raised ? null : new HookSet().Add(Point, rows =>
        {
            Span<float> x = rows[_ids.Length - 1];
            float amount = 10f * Scores.Maxima[raised] * _sae.ScaleOf(x).Scale;
            float[] direction = _files.DecoderRow(raised);
            for (int i = 0; i < x.Length; i++)
            {
                x[i] += amount * direction[i];
            }
        });
        double[] logits =
        [
            .. Passes.Logits(_decoder, _ids, hooks)[^TinyModel.Vocabulary..].Take(vocabulary)
                .Select(logit => (double)logit),
        ];
        double log = Math.Log(logits.Sum(Math.Exp));
        return [.. logits.Select(logit => logit - log)];
    }

    private int[] Lens(int latent, int vocabulary)
    {
        float[] direction = _files.DecoderRow(latent);
        double[] logits =
        [
            .. _tiny.Tensors["wte.weight"].Values.Chunk(TinyModel.DModel).Take(vocabulary)
                .Select(word => word.Zip(direction, (a, b) => (double)a * b).Sum()),
        ];
        return [.. Enumerable.Range(0, vocabulary).OrderByDescending(token => logits[token]).Take(LensTokens)];
    }

    private static double Confidence(double[] logProbabilities) =>
        -logProbabilities.OrderDescending().Take(ConfidentTokens).Average();
}
