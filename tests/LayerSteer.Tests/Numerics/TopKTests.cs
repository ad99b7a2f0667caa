using CsCheck;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Numerics;

public class TopKTests
{
    /// <summary>So few that most of many are tied; both zeros are among them.</summary>
    private static readonly float[] Few = [0f, -0f, 1f, -1f, 2f, float.MaxValue, float.NegativeInfinity, float.Epsilon];

    private static readonly Gen<float[]> Tied = Gen.Int[0, 7].Select(i => Few[i]).Array[0, 60];

    [Fact]
    public void The_largest_are_selected_and_ties_go_to_the_lower_index() => Gen
        .Select(Gen.OneOf(Tied, Gen.Float[-1f, 1f].Array[0, 200]), Gen.Int[0, 70])
        .Sample(
            (values, k) =>
            {
                IEnumerable<int> all = Enumerable.Range(0, values.Length);
                int[] ranked = [.. all.OrderByDescending(i => values[i]).ThenBy(i => i).Take(k)];
                int[] selected = new int[k];
                int count = TopK.Select(values, selected);
                Assert.Equal(ranked.Order(), selected[..count]);

                int[] sorted = new int[k];
                Assert.Equal(count, TopK.SelectSorted(values, sorted));
                Assert.Equal(ranked, sorted[..count]);
            },
            iter: 2000,
            threads: 1);

    [Fact]
    public void Minus_zero_and_zero_are_equal()
    {
        int[] selected = new int[2];
        TopK.SelectSorted([-0f, 0f, -0f], selected);
        Assert.Equal([0, 1], selected);
        TopK.Select([-1f, -0f, 0f, 0f], selected);
        Assert.Equal([1, 2], selected);
    }

    [Fact]
    public void No_more_are_selected_than_there_are()
    {
        int[] selected = [-1, -1, -1];
        Assert.Equal(2, TopK.Select([5f, 6f], selected));
        Assert.Equal([0, 1, -1], selected);
        Assert.Equal(0, TopK.Select([], selected));
        Assert.Equal(0, TopK.SelectSorted([1f], []));
    }
}
