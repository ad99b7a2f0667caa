using CsCheck;
using LayerSteer.Autoencoders;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

public class SparseLatentsTests
{
    private const int DSae = 200;

    private static readonly Gen<float[]> Dense = Gen.Select(Gen.Int[0, 2], Gen.Int[-3, 3])
        .Select((keep, value) => keep == 0 ? value : 0f).Array[DSae];

    [Fact]
    public void What_is_added_is_what_is_there() => Dense.Sample(dense =>
    {
        SparseLatents latents = Of(dense);
        Assert.Equal(dense.Count(v => v != 0), latents.Count);
        float[] copy = [.. Enumerable.Repeat(9f, DSae)];
        latents.CopyTo(copy);
        Assert.Equal(dense, copy);
        Assert.Equal(dense, Enumerable.Range(0, DSae).Select(i => latents[i]));
        latents.Clear();
        Assert.Equal(0, latents.Count);
    });

    [Fact]
    public void Sums_and_differences_hold_only_what_is_not_zero() => Gen.Select(Dense, Dense).Sample((a, b) =>
    {
        var result = new SparseLatents();
        result.SetSum(Of(a), Of(b));
        AssertIs(a.Zip(b, (x, y) => x + y), result);
        result.SetDifference(Of(a), Of(b));
        AssertIs(a.Zip(b, (x, y) => x - y), result);
        result.SetDifference(Of(a), Of(a));
        Assert.Equal(0, result.Count);
    });

    [Theory]
    [InlineData(5)]
    [InlineData(4)]
    public void Latents_must_ascend(int latent)
    {
        var latents = new SparseLatents();
        latents.Add(5, 1f);
        Assert.Equal(
            $"latent {latent} after 5; they must ascend (Parameter 'latent')",
            Assert.Throws<ArgumentException>(() => latents.Add(latent, 1f)).Message);
    }

    private static SparseLatents Of(float[] dense)
    {
        var latents = new SparseLatents();
        for (int i = 0; i < dense.Length; i++)
        {
            if (dense[i] != 0)
            {
                latents.Add(i, dense[i]);
            }
        }

        return latents;
    }

    private static void AssertIs(IEnumerable<float> dense, SparseLatents latents)
    {
        float[] expected = [.. dense];
        Assert.Equal(Enumerable.Range(0, DSae).Where(i => expected[i] != 0), latents.Indices.ToArray());
        Assert.Equal(expected.Where(v => v != 0), latents.Values.ToArray());
    }
}
