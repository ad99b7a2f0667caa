using CsCheck;
using LayerSteer.Autoencoders;
using LayerSteer.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

/// <summary>Score-weighted selection where latents are kept by their own value, or within groups.</summary>
public class ThresholdSelectionTests
{
    private const int DSae = 60;

    private static readonly Gen<float[]> PreActivations =
        Gen.OneOf(Gen.Float[-2f, 2f], Gen.Int[-2, 2].Select(i => i / 2f)).Array[DSae];

    /// <summary>Of gated ones some are below 0, which holds nothing back.</summary>
    private static readonly Gen<float[]> Thresholds =
        Gen.OneOf(Gen.Float[-0.5f, 1.5f], Gen.Int[0, 2].Select(i => i / 2f)).Array[DSae];

    /// <summary>Scores from 0 to 1; a negative number stands for a gap.</summary>
    private static readonly Gen<double[]> Scores =
        Gen.OneOf(Gen.Double[0.01, 1], Gen.Int[-1, 1].Select(i => (double)i)).Array[DSae];

    [Fact]
    public void Jump_relu_compares_the_weighted_pre_activation_with_the_threshold() => Gen
        .Select(PreActivations, Thresholds, Scores, Gen.Float[0.01f, 3f], Gen.Bool)
        .Sample(
            (a, thresholds, scores, strength, weighs) =>
            {
                float[] w = [.. scores.Select(s => s > 0 ? (float)Math.Pow(s, strength) : Math.Max(0, 1 - strength))];
                int[] expected = [.. Enumerable.Range(0, DSae).Where(i =>
                    w[i] > 0 && a[i] > 0 && a[i] * w[i] > 0 && a[i] * w[i] > thresholds[i])];
                var activation = new SaeActivation(SaeActivationKind.JumpRelu, 0) { Thresholds = thresholds };
                SparseLatents selected = Select(a, scores, activation, strength, weighs);
                Assert.Equal(expected, selected.Indices.ToArray());
                Assert.Equal(expected.Select(i => weighs ? a[i] * w[i] : a[i]), selected.Values.ToArray());
            },
            threads: 1);

    [Fact]
    public void Weights_above_0_change_nothing_for_relu_and_let_no_latent_in_for_jump_relu() => Gen
        .Select(PreActivations, Thresholds, Gen.Double[0.01, 1].Array[DSae], Gen.Float[0.01f, 3f])
        .Sample(
            (a, thresholds, scores, strength) =>
            {
                var relu = new SaeActivation(SaeActivationKind.Relu, 0);
                int[] kept =
                [
                    .. Active(relu, a).Indices.ToArray()
                        .Where(i => a[i] * (float)Math.Pow(scores[i], strength) > 0), // of 1e-44 there may be nothing left
                ];
                Assert.Equal(kept, Select(a, scores, relu, strength, false).Indices.ToArray());
                var jump = new SaeActivation(SaeActivationKind.JumpRelu, 0) { Thresholds = thresholds };
                int[] active = Active(jump, a).Indices.ToArray();
                Assert.All(
                    Select(a, scores, jump, strength, false).Indices.ToArray(), latent => Assert.Contains(latent, active));
            },
            threads: 1);

    [Fact]
    public void Groups_are_ranked_again_by_weighted_pre_activations() => Gen
        .Select(PreActivations, Scores, Gen.Int[0, 3].Select(i => new[] { 1, 4, 10, 60 }[i]), Gen.Float[0.01f, 3f])
        .Sample(
            (a, scores, size, strength) =>
            {
                float[] w = [.. scores.Select(s => s > 0 ? (float)Math.Pow(s, strength) : Math.Max(0, 1 - strength))];
                float[] keys = [.. a.Select((value, i) => value > 0 && w[i] > 0 ? value * w[i] : 0)];
                int[] expected = [.. Enumerable.Range(0, DSae / size)
                    .Select(group => Enumerable.Range(group * size, size).MaxBy(i => keys[i]))
                    .Where(i => keys[i] > 0)];
                var activation = new SaeActivation(SaeActivationKind.GroupMax, DSae / size) { GroupSize = size };
                SparseLatents selected = Select(a, scores, activation, strength, weighs: false);
                Assert.Equal(expected, selected.Indices.ToArray());
                Assert.Equal(expected.Select(i => a[i]), selected.Values.ToArray());
            },
            threads: 1);

    [Fact]
    public void At_strength_0_the_selection_is_that_of_the_activation() => Gen
        .Select(PreActivations, Thresholds, Scores)
        .Sample(
            (a, thresholds, scores) =>
            {
                foreach (SaeActivation activation in new[]
                {
                    new SaeActivation(SaeActivationKind.Relu, 0),
                    new SaeActivation(SaeActivationKind.JumpRelu, 0) { Thresholds = thresholds },
                    new SaeActivation(SaeActivationKind.GroupMax, 6) { GroupSize = 10 },
                })
                {
                    SparseLatents expected = Active(activation, a);
                    SparseLatents selected = Select(a, scores, activation, 0f, weighs: true);
                    Assert.Equal(expected.Indices.ToArray(), selected.Indices.ToArray());
                    Assert.Equal(expected.Values.ToArray(), selected.Values.ToArray());
                }
            },
            threads: 1);

    private static SparseLatents Active(SaeActivation activation, float[] a)
    {
        var latents = new SparseLatents();
        activation.Select([], a, LatentKeys.Plain, takesKeys: false, new float[DSae], new int[60], latents);
        return latents;
    }

    private static SparseLatents Select(
        float[] a, double[] scores, SaeActivation activation, float strength, bool weighs)
    {
        var selection = new LatentSelection(
            [new SteeringTopic(new LatentScores(scores, [.. scores.Select(s => s >= 0)]))],
            new SteeringOptions
            {
                Method = weighs ? SteeringMethod.Weight : SteeringMethod.Swap,
                Strength = strength,
            });
        var latents = new SparseLatents();
        activation.Select([], a, selection.Keys, selection.TakesKeys, new float[DSae], new int[60], latents);
        return latents;
    }
}
