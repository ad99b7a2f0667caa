using CsCheck;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public sealed class SplitMix64Tests
{
    [Fact]
    public void The_first_numbers_of_seed_1234567_are_the_published_ones()
    {
        var generator = new SplitMix64(1234567);

        ulong[] numbers = [generator.Next(), generator.Next(), generator.Next(), generator.Next(), generator.Next()];

        Assert.Equal(
            [
                6457827717110365317UL,
                3203168211198807973UL,
                9817491932198370423UL,
                4593380528125082431UL,
                16408922859458223821UL,
            ],
            numbers);
    }

    [Fact]
    public void A_double_is_the_upper_53_bits_and_below_one() =>
        Gen.ULong.Sample(seed =>
        {
            var generator = new SplitMix64(seed);
            var bits = new SplitMix64(seed);
            double value = generator.NextDouble();
            return value >= 0 && value < 1 && value * Math.Pow(2, 53) == bits.Next() >> 11;
        });

    [Fact]
    public void An_integer_is_within_its_bound() =>
        Gen.Select(Gen.ULong, Gen.Int[1, int.MaxValue]).Sample((seed, bound) =>
        {
            var generator = new SplitMix64(seed);
            int value = generator.NextInt(bound);
            return value >= 0 && value < bound;
        });

    [Fact]
    public void Integers_fall_evenly_on_their_values()
    {
        var generator = new SplitMix64(7);
        int[] counts = new int[6];

        for (int i = 0; i < 60_000; i++)
        {
            counts[generator.NextInt(6)]++;
        }

        double chiSquare = counts.Sum(count => Math.Pow(count - 10_000, 2) / 10_000);
        Assert.InRange(chiSquare, 0, 20.5);
    }

    [Fact]
    public void A_shuffle_keeps_every_item_and_repeats_with_its_seed() =>
        Gen.Select(Gen.ULong, Gen.Int[0, 50]).Sample((seed, count) =>
        {
            int[] first = [.. Enumerable.Range(0, count)];
            int[] second = [.. first];
            var one = new SplitMix64(seed);
            var two = new SplitMix64(seed);
            one.Shuffle<int>(first);
            two.Shuffle<int>(second);
            return first.SequenceEqual(second) && first.Order().SequenceEqual(Enumerable.Range(0, count));
        });

    [Fact]
    public void A_bound_below_one_is_refused()
    {
        var generator = new SplitMix64(1);

        Assert.Throws<ArgumentOutOfRangeException>(() => generator.NextInt(0));
    }
}
