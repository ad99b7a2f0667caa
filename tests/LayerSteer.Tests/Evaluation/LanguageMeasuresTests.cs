using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Steering;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class LanguageMeasuresTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _tiny.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_log_probability_is_that_of_the_softmax()
    {
        float[] logits = [1f, -2f, 0.5f, 88f];
        double total = logits.Sum(l => Math.Exp(l - 88.0));

        for (int i = 0; i < logits.Length; i++)
        {
            Assert.Equal(logits[i] - 88.0 - Math.Log(total), LogLikelihood.LogProbability(logits, i), 1e-12);
        }
    }

    [Fact]
    public void Each_token_of_a_short_text_is_predicted_from_all_before_it()
    {
        using Decoder decoder = _tiny.Load();
        using var likelihood = new LogLikelihood(decoder);
        int[] ids = TinyModel.Ids(1, 20);

        double[] all = likelihood.Of(ids);

        Assert.Equal(19, all.Length);
        Assert.Equal(all[..9], likelihood.Of(ids.AsSpan(0, 10)));
        Assert.All(all, p => Assert.True(p < 0));
    }

    [Fact]
    public void Under_a_plan_it_is_the_log_softmax_of_a_hooked_pass()
    {
        using Decoder decoder = _tiny.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        var options = new SteeringOptions();
        var edit = new LayerEdit(HookPoint.ResidualPost(1), sae, LayerEditTests.RandomScores(), options);
        var plan = new SteeringPlan(decoder.Spec, options, [edit], [TinyModel.Eos]);
        using var steered = new LogLikelihood(decoder, plan);
        using var unsteered = new LogLikelihood(decoder);
        int[] ids = [TinyModel.Eos, .. TinyModel.Ids(1, 30)];
        float[][] logits =
        [
            .. Passes.Logits(decoder, ids[..^1], new SteeringPass().HooksFor([new SteeredSequence(30, plan)]))
                .Chunk(TinyModel.Vocabulary),
        ];

        double[] all = steered.Of(ids);

        Assert.Equal(30, all.Length);
        for (int t = 0; t < all.Length; t++)
        {
            double largest = logits[t].Max();
            double log = largest + Math.Log(logits[t].Sum(logit => Math.Exp(logit - largest)));
            Assert.Equal(logits[t][ids[t + 1]] - log, all[t], 1e-12);
        }

        Assert.All(all.Zip(unsteered.Of(ids)).Skip(1), pair => Assert.NotEqual(pair.First, pair.Second));
    }

    [Fact]
    public void A_text_beyond_the_context_is_read_in_stretches_that_overlap_by_half()
    {
        using Decoder decoder = _tiny.Load();
        using var likelihood = new LogLikelihood(decoder);
        const int Context = TinyModel.Context;
        int[] ids = TinyModel.Ids(2, 100);

        double[] all = likelihood.Of(ids);

        Assert.Equal(99, all.Length);
        Assert.Equal(likelihood.Of(ids.AsSpan(0, Context + 1)), all[..Context]);
        double[] second = likelihood.Of(ids.AsSpan(Context / 2, Context + 1));
        Assert.Equal(second[(Context / 2)..], all[Context..(Context * 3 / 2)]);
    }

    [Fact]
    public void Bits_a_byte_count_bytes_and_not_tokens()
    {
        using Decoder decoder = _tiny.Load();
        using var likelihood = new LogLikelihood(decoder);
        TextTokenizer tokenizer = _tiny.LoadTokenizer();
        const string Text = "the än";
        int[] ids = [TinyModel.Eos, .. tokenizer.Encode(Text), TinyModel.Eos];

        PredictionFigures figures = LanguageMeasures.Predict(likelihood, tokenizer, Text);

        Assert.Equal((1, 7L, ids.Length - 1L), (figures.Documents, figures.Bytes, figures.Tokens));
        Assert.Equal(-likelihood.Of(ids).Sum(), figures.Nats);
        Assert.Equal(figures.Nats / Math.Log(2) / 7, figures.BitsPerByte, 1e-12);
        Assert.Equal(Math.Exp(figures.Nats / figures.Tokens), figures.Perplexity, 1e-9);
        Assert.Equal(2 * figures.Nats, (figures + figures).Nats);
    }

    [Fact]
    public void The_sentence_that_is_more_probable_is_preferred()
    {
        using var scripted = TinyModel.Scripted(116, 104, 101); // t h e, in bytes
        using Decoder decoder = scripted.Load();
        TextTokenizer tokenizer = scripted.LoadTokenizer();
        using var likelihood = new LogLikelihood(decoder);
        int[] first = tokenizer.Encode("t");
        string good = tokenizer.Decode([116, 104]);

        Assert.Single(first);
        Assert.True(LanguageMeasures.Prefers(likelihood, tokenizer, new MinimalPair("order", good, "zz")));
        Assert.False(LanguageMeasures.Prefers(likelihood, tokenizer, new MinimalPair("order", "zz", good)));
    }

    [Fact]
    public void Minimal_pairs_are_read_and_what_is_none_is_named()
    {
        string good = _folder.Write("pairs.jsonl", TempFolder.Ascii(
            """{"UID":"a","linguistics_term":"order","sentence_good":"He ran.","sentence_bad":"Ran he."}""" + "\n\n"));
        string bad = _folder.Write("bad.jsonl", TempFolder.Ascii("""{"sentence_good":"He ran."}""" + "\n"));
        string empty = _folder.Write("empty.jsonl", []);

        Assert.Equal([new MinimalPair("order", "He ran.", "Ran he.")], MinimalPairs.Read(good));
        Assert.Equal(
            $"'{bad}' line 1: expected a JSON object with the strings sentence_good, sentence_bad and linguistics_term",
            Assert.Throws<InvalidDataException>(() => MinimalPairs.Read(bad)).Message);
        Assert.Equal(
            $"'{empty}': no pairs; expected one JSON object a line",
            Assert.Throws<InvalidDataException>(() => MinimalPairs.Read(empty)).Message);
        Assert.StartsWith(
            "'none.jsonl': no such file",
            Assert.Throws<InvalidDataException>(() => MinimalPairs.Read("none.jsonl")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Verbatim_runs_are_counted_across_white_space_and_nothing_else()
    {
        var overlap = new VerbatimOverlap(["a b c d e", "x y z", "q"], 3);
        overlap.Look("0 b  c\nd e 1");
        overlap.Look("X y z");

        Assert.Equal(4, overlap.Count);
        Assert.Equal(0.5, overlap.Share); // b c d, c d e; of a b c, x y z nothing
        Assert.Equal(4, overlap.Longest); // b c d e
        Assert.True(double.IsNaN(new VerbatimOverlap(["q"], 3).Share));
    }
}
