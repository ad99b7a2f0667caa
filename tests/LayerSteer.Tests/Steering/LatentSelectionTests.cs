using CsCheck;
using LayerSteer.Autoencoders;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public class LatentSelectionTests
{
    private const int DSae = TinyAutoencoder.DSae;

    /// <summary>Pre-activations: some tied, zeros of both signs among them.</summary>
    private static readonly Gen<float[]> PreActivations = Gen
        .OneOf(Gen.Float[-2f, 2f], Gen.Int[-2, 2].Select(i => i / 2f), Gen.Int[0, 1].Select(i => i == 0 ? 0f : -0f))
        .Array[DSae];

    /// <summary>Scores from 0 to 1; a negative number stands for a gap.</summary>
    private static readonly Gen<double[]> Scores =
        Gen.OneOf(Gen.Double[0.01, 1], Gen.Int[-1, 1].Select(i => (double)i)).Array[DSae];

    private static readonly Gen<SaeActivation> Activations = Gen.Select(Gen.Int[0, 2], Gen.Int[1, 20])
        .Select((kind, k) => new SaeActivation((SaeActivationKind)kind, kind == 0 ? 0 : k));

    private static readonly Gen<SteeringMethod> Methods = Gen.Int[3, 4].Select(i => (SteeringMethod)i);

    [Fact]
    public void At_strength_zero_the_selection_is_that_of_the_activation() => Gen
        .Select(PreActivations, Scores, Gen.Enum<SaeActivationKind>(), Methods)
        .Sample(
            (a, scores, kind, method) =>
            {
                using SparseAutoencoder sae = TinyAutoencoder.Create(kind);
                var expected = new SparseLatents();
                sae.Activate(a, expected);
                var options = new SteeringOptions { Method = method, Strength = 0f };
                AssertSame(expected, Select(a, scores, sae.Activation, options));
            },
            iter: 60,
            threads: 1);

    [Fact]
    public void The_corrected_selection_is_that_of_the_formula() => Gen
        .Select(PreActivations, Scores, Activations, Methods, Gen.Float[0.01f, 3f])
        .Sample(
            (a, scores, activation, method, strength) =>
            {
                float[] w = [.. scores.Select(s => s > 0 ? (float)Math.Pow(s, strength) : Math.Max(0, 1 - strength))];
                float[] keys = [.. a.Select((value, i) => value > 0 ? value * w[i] : value)];
                IEnumerable<int> candidates = Enumerable.Range(0, DSae).Where(i => w[i] > 0);
                AssertIs(Reference(candidates, keys, activation), method == SteeringMethod.Weight ? keys : a, Select(
                    a, scores, activation, new SteeringOptions { Method = method, Strength = strength }));
            },
            threads: 1);

    [Fact]
    public void The_published_selection_reads_gaps_as_zero() => Gen
        .Select(PreActivations, Scores, Activations, Methods)
        .Sample(
            (a, scores, activation, method) =>
            {
                float[] keys = [.. a.Select((value, i) => (float)(value * Math.Max(0, scores[i])))];
                AssertIs(
                    Reference(Enumerable.Range(0, DSae), keys, activation),
                    method == SteeringMethod.Weight ? keys : a,
                    Select(a, scores, activation, new SteeringOptions { Method = method, Mode = SteeringMode.Seed }));
            },
            threads: 1);

    [Fact]
    public void From_strength_one_on_a_latent_without_a_score_above_zero_is_never_selected() => Gen
        .Select(PreActivations, Scores, Activations, Methods, Gen.Float[1f, 4f])
        .Sample(
            (a, scores, activation, method, strength) =>
            {
                SparseLatents selected =
                    Select(a, scores, activation, new SteeringOptions { Method = method, Strength = strength });
                Assert.All(selected.Indices.ToArray(), latent => Assert.True(scores[latent] > 0));
            },
            threads: 1);

    [Fact]
    public void A_strength_that_makes_a_weight_infinite_is_refused()
    {
        double[] scores = [.. Enumerable.Repeat(1.0, DSae - 1), 1e30];
        var options = new SteeringOptions { Strength = 2f };
        Assert.Equal(
            "strength 2 takes the score 1E+30 of latent 89 out of range; use a lower strength",
            Assert.Throws<ArgumentException>(() => Select(new float[DSae], scores, default, options)).Message);
    }

    /// <summary>The latents that stay active, in ascending order.</summary>
    private static int[] Reference(IEnumerable<int> candidates, float[] keys, SaeActivation activation)
    {
        IEnumerable<int> kept = activation.Kind == SaeActivationKind.Relu
            ? candidates
            : candidates.OrderByDescending(i => keys[i]).ThenBy(i => i).Take(activation.K).Order();
        return [.. kept.Where(i => activation.Kind == SaeActivationKind.TopKIdentity ? keys[i] != 0 : keys[i] > 0)];
    }

    private static SparseLatents Select(float[] a, double[] scores, SaeActivation activation, SteeringOptions options)
    {
        var latents = new SparseLatents();
        bool[] supported = [.. scores.Select(s => s >= 0)];
        var selection = new LatentSelection([new SteeringTopic(new LatentScores(scores, supported))], options);
        activation.Select(
            [], a, selection.Keys, selection.TakesKeys, new float[DSae], new int[activation.K], latents);
        return latents;
    }

    private static void AssertIs(int[] selected, float[] values, SparseLatents actual)
    {
        Assert.Equal(selected, actual.Indices.ToArray());
        Assert.Equal(selected.Select(i => values[i]), actual.Values.ToArray());
    }

    private static void AssertSame(SparseLatents expected, SparseLatents actual)
    {
        Assert.Equal(expected.Indices.ToArray(), actual.Indices.ToArray());
        Assert.Equal(expected.Values.ToArray(), actual.Values.ToArray());
    }
}
