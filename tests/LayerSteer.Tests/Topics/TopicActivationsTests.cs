using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class TopicActivationsTests : IDisposable
{
    private const double Rounding = 1e-9; // both sum in double; the terms are the same floats

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public TopicActivationsTests()
    {
        _decoder = _tiny.Load();
        _tokenizer = _tiny.LoadTokenizer();
    }

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    [Theory]
    [InlineData(BosPolicy.One)]
    [InlineData(BosPolicy.None)]
    public void Every_figure_is_that_of_a_plain_loop_over_the_tokens(BosPolicy bos)
    {
        string[] texts =
            ["the hen", string.Empty, new string('x', 30) + " and then the fox " + new string('y', 40), "an owl"];
        TopicActivations read = Measure(texts, bos);
        (float[] X, SparseLatents Z, int Text)[] tokens = [.. Tokens(texts, bos)];

        Assert.Equal((3, tokens.Length), (read.Texts, read.Tokens));
        for (int f = 0; f < TinyAutoencoder.DSae; f++)
        {
            double[] values = [.. tokens.Select(token => (double)Math.Max(0f, token.Z[f]))];
            Assert.Equal(values.Sum(), read.Sum[f], Rounding);
            Assert.Equal(values.Sum(z => z * z), read.SumOfSquares[f], Rounding);
            Assert.Equal(values.Count(z => z > 0), read.TokensActive[f]);
            Assert.Equal(tokens.Where(t => t.Z[f] > 0).Select(t => t.Text).Distinct().Count(), read.TextsActive[f]);
        }

        for (int i = 0; i < TinyModel.DModel; i++)
        {
            double mean = tokens.Average(token => (double)token.X[i]);
            Assert.Equal(mean, read.Mean[i], Rounding);
            Assert.Equal(tokens.Sum(token => (token.X[i] - mean) * (token.X[i] - mean)), read.Scatter[i], 1e-8);
        }

        int[] nonempty = [0, 2, 3];
        for (int t = 0; t < nonempty.Length; t++)
        {
            float[][] own = [.. tokens.Where(token => token.Text == nonempty[t]).Select(token => token.X)];
            Assert.Equal(own.Length, read.ByText[t].Tokens);
            Assert.Equal(own.Sum(x => (double)x[3]), read.ByText[t].Sum[3], Rounding);
            Assert.Equal(own.Sum(x => x.Sum(v => (double)v * v)), read.Errors[t].Squares, Rounding);
            Assert.Equal(
                tokens.Where(token => token.Text == nonempty[t]).Sum(token => SquaredError(token.X, token.Z)),
                read.Errors[t].Error,
                Rounding);
        }

        Assert.Equal(read.Errors.Sum(text => text.Error) / read.Scatter.Sum(), read.Quality.Fvu, 1e-6);
        Assert.Equal(tokens.Average(token => (double)token.Z.Count), read.Quality.L0, Rounding);
    }

    [Fact]
    public void Long_texts_are_cut_at_one_length_and_short_ones_stay_whole()
    {
        string[] texts = ["0123456789", "012", new string('7', 20)];
        Assert.Equal([5, 3, 5], Lengths(Measure(texts, mostTokens: 14)));
        Assert.Equal([6, 3, 6], Lengths(Measure(texts, mostTokens: 15)));
        Assert.Equal([10, 3, 20], Lengths(Measure(texts, mostTokens: 33)));
        Assert.Equal([10, 3, 19], Lengths(Measure(texts, mostTokens: 32)));
        Assert.Equal([1, 1, 1], Lengths(Measure(texts, mostTokens: 1)));
    }

    [Fact]
    public void The_mean_difference_is_of_means_here_and_there()
    {
        TopicActivations here = Measure(["the hen"]);
        TopicActivations there = Measure(["another text", "and another"]);
        float[] difference = here.MeanDifference(there);
        for (int i = 0; i < difference.Length; i++)
        {
            Assert.Equal((float)(here.Mean[i] - there.Mean[i]), difference[i]);
        }

        Assert.All(here.MeanDifference(here), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void Texts_without_a_token_behind_the_first_are_refused()
    {
        Assert.Equal(
            "the topic's texts have no token behind the first, so there is nothing to read",
            Assert.Throws<ArgumentException>(() => Measure(["a", string.Empty], BosPolicy.None)).Message);
        Assert.Equal(1, Measure(["a", string.Empty]).Tokens);
    }

    private static int[] Lengths(TopicActivations read) => [.. read.ByText.Select(text => text.Tokens)];

    private TopicActivations Measure(string[] texts, BosPolicy bos = BosPolicy.One, int mostTokens = 4096) =>
        TopicActivations.Measure(
            _decoder, _tokenizer, _sae, Point, texts, bos, mostTokens, TestContext.Current.CancellationToken);

    /// <summary>x and its latents at every position of every window but the first.</summary>
    private IEnumerable<(float[] X, SparseLatents Z, int Text)> Tokens(string[] texts, BosPolicy bos)
    {
        int[] prefix = bos == BosPolicy.One ? [TinyModel.Eos] : [];
        for (int text = 0; text < texts.Length; text++)
        {
            foreach (int[] window in _tokenizer.Encode(texts[text]).Chunk(TinyModel.Context - prefix.Length))
            {
                float[] all = Passes.Values(_decoder, [.. prefix, .. window], Point);
                foreach (float[] x in all.Chunk(TinyModel.DModel).Skip(1))
                {
                    float[] a = new float[TinyAutoencoder.DSae];
                    _sae.PreActivations(x, 1, a, new InputScale[1]);
                    var z = new SparseLatents();
                    _sae.Activate(a, z);
                    yield return (x, z, text);
                }
            }
        }
    }

    private double SquaredError(float[] x, SparseLatents z)
    {
        float[] reconstruction = new float[x.Length];
        _sae.Decode(z, _sae.ScaleOf(x), reconstruction);
        return x.Zip(reconstruction, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
    }
}
