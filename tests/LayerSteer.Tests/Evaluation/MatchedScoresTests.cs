using LayerSteer.Evaluation;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class MatchedScoresTests
{
    private const int DSae = 130;

    private readonly double[] _values = [.. Enumerable.Range(0, DSae).Select(i => (i + 1.0) / DSae)];
    private readonly bool[] _supported = [.. Enumerable.Range(0, DSae).Select(i => i % 7 != 3)];
    private readonly long[] _frequencies = [.. Enumerable.Range(0, DSae).Select(i => (long)(i * 37 % DSae * 10))];

    [Fact]
    public void Scores_change_places_among_latents_of_like_frequency_and_none_keeps_its_own()
    {
        var scores = new LatentScores(_values, _supported, "topic");
        LatentScores matched = MatchedScores.Of(scores, _frequencies, 5);
        Assert.Equal(scores.Supported.ToArray(), matched.Supported.ToArray());
        Assert.Equal(scores.Values.ToArray().Order(), matched.Values.ToArray().Order());
        int[] order =
            [.. Enumerable.Range(0, DSae).Where(i => _supported[i]).OrderBy(latent => _frequencies[latent])];
        foreach (int[] block in order.Chunk(MatchedScores.BlockSize))
        {
            Assert.Equal(block.Select(i => _values[i]).Order(), block.Select(i => matched.Values[i]).Order());
            Assert.All(block, latent => Assert.NotEqual(_values[latent], matched.Values[latent]));
        }
    }

    [Fact]
    public void The_seed_chooses_the_places()
    {
        var scores = new LatentScores(_values, _supported, "topic");
        double[] Of(ulong seed) => MatchedScores.Of(scores, _frequencies, seed).Values.ToArray();
        Assert.Equal(Of(5), Of(5));
        Assert.NotEqual(Of(5), Of(6));
    }

    [Fact]
    public void Another_number_of_frequencies_is_refused()
    {
        var scores = new LatentScores(_values, _supported, "topic");
        Assert.Equal(
            "129 frequencies for 130 scores; expected one a latent",
            Assert.Throws<ArgumentException>(() => MatchedScores.Of(scores, _frequencies[1..], 0)).Message);
    }
}
