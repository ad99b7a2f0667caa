using CsCheck;
using LayerSteer.Generation;
using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Generation;

public class SamplerTests
{
    private static readonly float[] Logits = RandomFloats.Of(1, 50, 4f);

    public static TheoryData<SamplerOptions, string> Refused => new()
    {
        { new() { Temperature = 0 }, "temperature is 0, expected a finite number above 0; greedy is the limit of 0" },
        {
            new() { Temperature = double.NaN },
            "temperature is NaN, expected a finite number above 0; greedy is the limit of 0"
        },
        {
            new() { Temperature = double.PositiveInfinity },
            "temperature is Infinity, expected a finite number above 0; greedy is the limit of 0"
        },
        { new() { TopP = 0 }, "top-p is 0, expected a number above 0 and at most 1" },
        { new() { TopP = 1.1 }, "top-p is 1.1, expected a number above 0 and at most 1" },
        { new() { TopK = -1 }, "top-k is -1, expected at least 1" },
        { new() { Kind = SamplingKind.UniformTopK }, "top-k is 0, expected at least 1" },
        { new() { Picks = [0, -1] }, "picks are ranks from 0 on; one is negative" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Options_out_of_range_are_refused(SamplerOptions options, string message) =>
        Assert.Equal(message, Assert.Throws<ArgumentException>(() => new Sampler(options)).Message);

    [Fact]
    public void Greedy_takes_the_largest_and_of_equals_the_lowest()
    {
        var sampler = new Sampler(new SamplerOptions());
        Assert.Equal(1, sampler.Next([0f, 3f, 3f, -1f], 0));
        Assert.Equal(0, sampler.Next([-0f, 0f], 1));
    }

    [Fact]
    public void Draws_are_those_of_the_naive_sampler() => Gen
        .Select(Gen.Double[0.1, 3], Gen.Int[0, 60], Gen.Double[0.05, 1], Gen.ULong, Gen.Int[0, 1000], Gen.Bool)
        .Sample(
            (temperature, topK, topP, seed, step, wholeNucleus) =>
            {
                var options = new SamplerOptions
                {
                    Kind = SamplingKind.Softmax,
                    Temperature = temperature,
                    TopK = topK,
                    TopP = wholeNucleus ? 1 : topP,
                    Seed = seed,
                };
                Assert.Equal(NaiveDraw(Logits, options, step), new Sampler(options).Next(Logits, step));
            },
            threads: 1);

    [Fact]
    public void Draws_follow_the_softmax_of_the_logits_over_the_temperature()
    {
        float[] logits = [1f, 0f, 2f, -1f];
        var options = new SamplerOptions { Kind = SamplingKind.Softmax, Temperature = 1.5, Seed = 7 };
        double[] weights = [.. logits.Select(l => Math.Exp(l / 1.5))];
        AssertDistribution(logits, options, [.. weights.Select(w => w / weights.Sum())]);
    }

    [Fact]
    public void Uniform_draws_take_each_of_the_largest_equally_often()
    {
        float[] logits = [9f, 1f, 8f, 7f, -3f, 6f, 5f];
        var options = new SamplerOptions { Kind = SamplingKind.UniformTopK, TopK = 5, Seed = 3 };
        AssertDistribution(logits, options, [0.2, 0, 0.2, 0.2, 0, 0.2, 0.2]);
    }

    [Fact]
    public void A_uniform_draw_from_more_than_there_are_takes_any()
    {
        var sampler = new Sampler(new SamplerOptions { Kind = SamplingKind.UniformTopK, TopK = 100 });
        int[] drawn = [.. Enumerable.Range(0, 200).Select(step => sampler.Next([1f, 2f, 3f], step)).Distinct().Order()];
        Assert.Equal([0, 1, 2], drawn);
    }

    [Theory]
    [InlineData(SamplingKind.Softmax)]
    [InlineData(SamplingKind.UniformTopK)]
    public void A_draw_depends_on_seed_and_step_alone(SamplingKind kind)
    {
        var options = new SamplerOptions { Kind = kind, TopK = 20, Seed = 11 };
        var forwards = new Sampler(options);
        int[] expected = [.. Enumerable.Range(0, 50).Select(step => forwards.Next(Logits, step))];
        var backwards = new Sampler(options);
        int[] reversed = [.. Enumerable.Range(0, 50).Reverse().Select(step => backwards.Next(Logits, step)).Reverse()];
        Assert.Equal(expected, reversed);
        var another = new Sampler(options with { Seed = 12 });
        Assert.NotEqual(expected, Enumerable.Range(0, 50).Select(step => another.Next(Logits, step)));
    }

    [Fact]
    public void Picks_take_the_rank_given_for_each_step()
    {
        var sampler = new Sampler(new SamplerOptions { Kind = SamplingKind.Picks, Picks = [1, 0, 2, 9] });
        float[] logits = [5f, 7f, 6f];
        Assert.Equal([2, 1, 0], Enumerable.Range(0, 3).Select(step => sampler.Next(logits, step)));
        Assert.Equal(
            "pick 9 of step 3 is beyond the vocabulary of 3",
            Assert.Throws<ArgumentException>(() => sampler.Next(logits, 3)).Message);
        Assert.Equal(
            "step 4 has no pick; 4 were given",
            Assert.Throws<ArgumentException>(() => sampler.Next(logits, 4)).Message);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Logits_that_are_not_finite_are_refused(float bad) => Assert.Equal(
        "logits of step 3 are not finite; the edit drove the model out of range",
        Assert.Throws<InvalidDataException>(() => new Sampler(new SamplerOptions()).Next([0f, bad], 3)).Message);

    /// <summary>Ranks, cuts by k, cuts by probability, then goes through what is left up to the draw.</summary>
    private static int NaiveDraw(float[] logits, SamplerOptions options, int step)
    {
        bool cuts = options.TopK > 0 || options.TopP < 1;
        IEnumerable<int> ids = Enumerable.Range(0, logits.Length);
        int[] kept = cuts ? [.. ids.OrderByDescending(i => logits[i]).ThenBy(i => i)] : [.. ids];
        kept = options.TopK > 0 ? [.. kept.Take(options.TopK)] : kept;
        double[] p = [.. kept.Select(i => Math.Exp(((double)logits[i] - logits.Max()) / options.Temperature))];
        double all = p.Sum();
        int count = kept.Length;
        for (int i = 0; options.TopP < 1 && i < p.Length; i++)
        {
            if (p.Take(i + 1).Sum() >= options.TopP * all)
            {
                count = i + 1;
                break;
            }
        }

        var key = new SplitMix64(options.Seed);
        var generator = new SplitMix64(unchecked(key.Next() + (ulong)step));
        double target = generator.NextDouble() * p.Take(count).Sum();
        for (int i = 0; i < count; i++)
        {
            target -= p[i];
            if (target < 0)
            {
                return kept[i];
            }
        }

        return kept[count - 1];
    }

    /// <summary>
    /// Pearson's test on 5,000 draws of a fixed seed; 18.47 is the 0.1 % limit for 4 degrees of freedom.
    /// </summary>
    private static void AssertDistribution(float[] logits, SamplerOptions options, double[] expected)
    {
        const int Draws = 5000;
        var sampler = new Sampler(options);
        int[] counts = new int[logits.Length];
        for (int step = 0; step < Draws; step++)
        {
            counts[sampler.Next(logits, step)]++;
        }

        double chiSquare = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            if (expected[i] == 0)
            {
                Assert.Equal(0, counts[i]);
                continue;
            }

            double wanted = expected[i] * Draws;
            chiSquare += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
        }

        Assert.InRange(chiSquare, 0, 18.47);
    }
}
