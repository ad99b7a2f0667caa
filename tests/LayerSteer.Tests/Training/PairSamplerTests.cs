using LayerSteer.Training;
using Xunit;

namespace LayerSteer.Tests.Training;

public class PairSamplerTests
{
    private const int End = 999_999;

    private static readonly ContrastiveOptions Options =
        new() { Batch = 32, MinTokens = 4, MaxTokens = 20, MaxGap = 6, Balance = 1 };

    [Fact]
    public void Two_passages_of_a_pair_are_near_each_other_in_one_document_and_do_not_overlap()
    {
        var sampler = new PairSampler([Numbered(0, 60, 50)], End, Options);
        for (int step = 0; step < 20; step++)
        {
            (int[] A, int[] B)[] pairs = Draw(sampler, step);
            Assert.Equal(Options.Batch, pairs.Length);
            foreach ((int[] a, int[] b) in pairs)
            {
                Assert.Equal(a[0] / 100, b[0] / 100);
                Assert.Equal(Enumerable.Range(a[0], a.Length), a);
                Assert.Equal(Enumerable.Range(b[0], b.Length), b);
                Assert.InRange(b[0] - a[^1], 1, Options.MaxGap + 1);
                Assert.InRange(a.Length, Options.MinTokens, Options.MaxTokens);
                Assert.InRange(b.Length, Options.MinTokens, Options.MaxTokens);
            }

            Assert.Equal(Options.Batch, pairs.Select(pair => pair.A[0] / 100).Distinct().Count());
        }
    }

    [Fact]
    public void A_short_document_is_split_in_two()
    {
        var sampler = new PairSampler([Numbered(0, 40, 9)], End, Options);
        Assert.All(Draw(sampler, 0), pair =>
        {
            Assert.InRange(pair.A.Length + pair.B.Length, 8, 9);
            Assert.True(pair.B[0] > pair.A[^1]);
        });
    }

    [Fact]
    public void A_step_has_the_same_batch_whatever_was_drawn_before_and_other_steps_have_others()
    {
        TokenSource source = Numbered(0, 60, 50);
        var one = new PairSampler([source], End, Options with { TokenDropout = 0.3 });
        var other = new PairSampler([source], End, Options with { TokenDropout = 0.3 });
        Draw(one, 0);
        Draw(one, 1);
        Assert.Equal(Flat(Draw(one, 7)), Flat(Draw(other, 7)));
        Assert.NotEqual(Flat(Draw(one, 7)), Flat(Draw(one, 8)));
    }

    [Fact]
    public void Token_dropout_leaves_out_its_share_and_never_all_of_a_passage()
    {
        TokenSource source = Numbered(0, 60, 50);
        int all = 0;
        int kept = 0;
        var whole = new PairSampler([source], End, Options with { MinTokens = 1 });
        var dropped = new PairSampler([source], End, Options with { MinTokens = 1, TokenDropout = 0.6 });
        for (int step = 0; step < 50; step++)
        {
            all += Draw(whole, step).Sum(pair => pair.A.Length + pair.B.Length);
            (int[] A, int[] B)[] pairs = Draw(dropped, step);
            Assert.All(pairs, pair => Assert.True(pair.A.Length > 0 && pair.B.Length > 0));
            kept += pairs.Sum(pair => pair.A.Length + pair.B.Length);
        }

        // A passage of one token keeps it, so a little more than 0.4 is kept.
        Assert.InRange((double)kept / all, 0.39, 0.48);
    }

    [Theory]
    [InlineData(1.0, 1.0, 0.8)]
    [InlineData(0.0, 1.0, 0.5)]
    [InlineData(0.0, 3.0, 0.75)]
    public void Sources_are_drawn_from_by_weight_times_size_to_the_power_of_balance(
        double balance, double weight, double expected)
    {
        TokenSource large = Numbered(0, 160, 50) with { Weight = weight };
        TokenSource small = Numbered(50_000, 40, 50);
        var sampler = new PairSampler([large, small], End, Options with { Balance = balance, Batch = 16 });
        int[] firsts = [.. Enumerable.Range(0, 300).SelectMany(step => Draw(sampler, step)).Select(p => p.A[0])];
        Assert.Equal(expected, firsts.Count(first => first < 50_000) / (double)firsts.Length, 0.04);
    }

    [Fact]
    public void A_corpus_without_a_document_for_a_pair_is_refused()
    {
        InvalidDataException e =
            Assert.Throws<InvalidDataException>(() => new PairSampler([Numbered(0, 40, 7)], End, Options));
        Assert.Equal(
            "no document of the corpus has 8 tokens, which a pair of passages of 4 takes; "
            + "give longer documents or shorter passages",
            e.Message);
    }

    /// <summary>Documents whose tokens count up from a multiple of 100.</summary>
    private static TokenSource Numbered(int first, int documents, int length) =>
        new("numbered", [.. Enumerable.Range(0, documents)
            .SelectMany(document => Enumerable.Range(first + (100 * document), length).Append(End))]);

    private static (int[] A, int[] B)[] Draw(PairSampler sampler, int step)
    {
        var batch = new PassagePairs();
        sampler.Draw(step, batch);
        int[][] passages = [.. Enumerable.Range(0, 2 * batch.Count)
            .Select(p => batch.Tokens[batch.Starts[p]..batch.Starts[p + 1]].ToArray())];
        return [.. passages.Take(batch.Count).Zip(passages.Skip(batch.Count))];
    }

    private static int[] Flat((int[] A, int[] B)[] pairs) => [.. pairs.SelectMany(pair => pair.A.Concat(pair.B))];
}
