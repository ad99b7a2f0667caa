using LayerSteer.Autoencoders;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public sealed class TopicConflictTests : IDisposable
{
    private static readonly SteeringOptions Options = new() { LatentCount = 2 };

    private readonly SparseAutoencoder _sae;

    /// <summary>Latents 0 to 4 write in the plane of the first two components of x, at these angles.</summary>
    public TopicConflictTests()
    {
        using var files = new TinyAutoencoder(SaeActivationKind.Relu);
        double[] cosines = [1, -1, 0, -0.29, -0.31];
        float[] decoder = files.Tensors["decoder.weight"].Values;
        for (int latent = 0; latent < cosines.Length; latent++)
        {
            double sine = Math.Sqrt(1 - (cosines[latent] * cosines[latent]));
            for (int i = 0; i < TinyAutoencoder.DIn; i++)
            {
                decoder[(i * TinyAutoencoder.DSae) + latent] = (float)(i == 0 ? cosines[latent] : i == 1 ? sine : 0);
            }
        }

        _sae = files.Load();
    }

    public void Dispose() => _sae.Dispose();

    [Fact]
    public void Topics_that_point_against_each_other_are_in_conflict_unless_one_is_steered_away_from()
    {
        TopicConflict found = Assert.Single(Among(Topic("a", 1, 0), Topic("b", 2, 1)));
        Assert.Equal(("a", "b", 0), (found.First, found.Second, found.SharedLatents));
        Assert.Equal(-1, found.Cosine, 1e-6);
        Assert.Empty(Among(Topic("a", 1, 0), Topic("b", -2, 1)));
        Assert.Single(Among(Topic("a", -1, 0), Topic("b", -2, 1)));
    }

    [Fact]
    public void Toward_and_away_from_one_direction_is_a_conflict()
    {
        TopicConflict found = Assert.Single(Among(Topic("a", 1, 0), Topic("b", -0.5, 0)));
        Assert.Equal(1, found.Cosine, 1e-6);
        Assert.Equal(1, found.SharedLatents);
        Assert.Empty(Among(Topic("a", 1, 0), Topic("b", 1, 0)));
    }

    [Fact]
    public void From_the_threshold_on_it_is_one()
    {
        Assert.Empty(Among(Topic("a", 1, 0), Topic("across", 1, 2)));
        Assert.Empty(Among(Topic("a", 1, 0), Topic("b", 1, 3)));
        Assert.Equal(-0.31, Assert.Single(Among(Topic("a", 1, 0), Topic("b", 1, 4))).Cosine, 1e-6);
        Assert.Empty(Among(Topic("a", 1, 0), Topic("b", -1, 4)));
    }

    [Fact]
    public void Largest_activations_weigh_the_latents_of_a_direction_and_every_pair_is_looked_at()
    {
        // Toward 3·(1, 0) + 1·(0, 1), against (−1, 0): −3/√10.
        float[] maxima = [.. Enumerable.Repeat(1f, TinyAutoencoder.DSae)];
        maxima[0] = 3f;
        IReadOnlyList<TopicConflict> found =
            Among(Topic("a", 1, maxima, 0, 2), Topic("b", 1, maxima, 1), Topic("c", -1, maxima, 0));
        Assert.Equal([("a", "b"), ("a", "c")], found.Select(one => (one.First, one.Second)));
        Assert.Equal([-3 / Math.Sqrt(10), 3 / Math.Sqrt(10)], found.Select(one => Math.Round(one.Cosine, 6)), Near);
        Assert.Equal([0, 1], found.Select(one => one.SharedLatents));
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) < 1e-5;

    private IReadOnlyList<TopicConflict> Among(params SteeringTopic[] topics) =>
        TopicConflict.Among(_sae, topics, Options);

    private static SteeringTopic Topic(string name, double weight, params int[] latents) =>
        Topic(name, weight, [], latents);

    private static SteeringTopic Topic(string name, double weight, float[] maxima, params int[] latents) => new(
        new LatentScores(
            [.. Enumerable.Range(0, TinyAutoencoder.DSae).Select(latent => latents.Contains(latent) ? 1.0 : 0)],
            [.. Enumerable.Repeat(true, TinyAutoencoder.DSae)],
            name,
            maxima),
        weight);
}
