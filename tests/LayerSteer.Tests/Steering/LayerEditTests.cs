using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public sealed class LayerEditTests : IDisposable
{
    private static readonly HookPoint Point = HookPoint.ResidualPost(1);

    private readonly float[] _x = RandomFloats.Of(1, TinyAutoencoder.DIn, 3f);
    private readonly TinyAutoencoder _tiny = new(SaeActivationKind.TopK);
    private readonly SparseAutoencoder _sae;

    public LayerEditTests() => _sae = _tiny.Load();

    [Theory]
    [InlineData(SaeActivationKind.Relu)]
    [InlineData(SaeActivationKind.TopK)]
    [InlineData(SaeActivationKind.TopKIdentity)]
    public void An_edit_that_changes_no_latent_changes_no_bit(SaeActivationKind kind)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(kind);
        float[] x = [.. _x[..^2], -0f, float.Epsilon];
        LatentScores ones = Scores(_ => 1.0);
        foreach (SteeringMethod method in new[] { SteeringMethod.Swap, SteeringMethod.Weight })
        {
            var edit = new LayerEdit(Point, sae, ones, new SteeringOptions { Method = method, Strength = 3f });
            Bits.Same(x, Apply(edit, x), method.ToString());
        }

        var clamp =
            new LayerEdit(Point, sae, ones, new SteeringOptions { Method = SteeringMethod.Clamp, ClampAmount = 0f });
        Bits.Same(x, Apply(clamp, x), "clamp by 0");
    }

    [Fact]
    public void Clamp_with_the_error_kept_adds_its_direction_and_needs_no_latents()
    {
        LatentScores scores = Scores(i => i / 100.0);
        var options =
            new SteeringOptions { Method = SteeringMethod.Clamp, Strength = 0.5f, ClampAmount = 3f, ClampCount = 4 };
        var edit = new LayerEdit(Point, _sae, scores, options);
        Assert.False(edit.Encodes);
        Assert.Equal([86, 87, 88, 89], edit.TargetLatents.ToArray());
        float std = _sae.ScaleOf(_x).Scale;
        float[] expected = new float[_x.Length];
        for (int i = 0; i < _x.Length; i++)
        {
            float direction = 0f;
            foreach (int latent in edit.TargetLatents)
            {
                direction = MathF.FusedMultiplyAdd(1.5f, _tiny.DecoderRow(latent)[i], direction);
            }

            expected[i] = MathF.FusedMultiplyAdd(std, direction, _x[i]);
        }

        Bits.Same(expected, Apply(edit, _x), "clamp");
    }

    [Theory]
    [InlineData(SteeringMethod.Clamp)]
    [InlineData(SteeringMethod.Weight)]
    [InlineData(SteeringMethod.Swap)]
    public void Without_the_error_the_residual_becomes_what_the_latents_decode_to(SteeringMethod method)
    {
        LatentScores scores = RandomScores();
        var kept = new SteeringOptions { Method = method, Strength = 0.7f };
        float[] replaced = Apply(new LayerEdit(Point, _sae, scores, kept with { KeepErrorTerm = false }), _x);
        (SparseLatents z, InputScale scale) = Latents(_x);
        SparseLatents edited = Edited(kept, scores, z);
        float[] expected = new float[_x.Length];
        _sae.Decode(edited, scale, expected);
        Bits.Same(expected, replaced, "decode(z')");

        // x + decode(z') − decode(z), in double; the sums are of some ten products of up to 30.
        float[] steered = Apply(new LayerEdit(Point, _sae, scores, kept), _x);
        float[] unedited = new float[_x.Length];
        _sae.Decode(z, scale, unedited);
        for (int i = 0; i < _x.Length; i++)
        {
            Assert.Equal(_x[i] + (double)expected[i] - unedited[i], steered[i], 2e-5);
        }
    }

    [Theory]
    [InlineData(SteeringMode.Corrected)]
    [InlineData(SteeringMode.Seed)]
    public void Reconstruction_is_what_the_unedited_latents_decode_to(SteeringMode mode)
    {
        (SparseLatents z, InputScale scale) = Latents(_x);
        float[] expected = new float[_x.Length];
        _sae.Decode(z, scale, expected);
        var options = new SteeringOptions { Method = SteeringMethod.Reconstruction, Mode = mode };
        Bits.Same(expected, Apply(new LayerEdit(Point, _sae, (LatentScores?)null, options), _x), "reconstruction");
    }

    [Theory]
    [InlineData(SteeringMethod.Clamp)]
    [InlineData(SteeringMethod.Weight)]
    [InlineData(SteeringMethod.Swap)]
    public void As_the_strength_goes_to_zero_so_does_the_change(SteeringMethod method)
    {
        LatentScores scores = RandomScores();
        double ChangeAt(float strength)
        {
            var options = new SteeringOptions { Method = method, Strength = strength };
            float[] y = Apply(new LayerEdit(Point, _sae, scores, options), _x);
            return Math.Sqrt(y.Zip(_x, (a, b) => ((double)a - b) * ((double)a - b)).Sum());
        }

        Assert.True(ChangeAt(1f) > 0.1);
        if (method == SteeringMethod.Swap)
        {
            Assert.Equal(0, ChangeAt(1e-6f)); // the same latents are selected, and they keep their values
            return;
        }

        // The change is linear in a small strength.
        Assert.InRange(ChangeAt(1e-3f), 1e-4, 0.1);
        Assert.InRange(ChangeAt(1e-3f) / ChangeAt(1e-4f), 8, 12);
    }

    [Fact]
    public void Statistics_tell_what_was_done()
    {
        bool[] supported = [.. Enumerable.Range(0, TinyAutoencoder.DSae).Select(i => i % 3 != 0)];
        var scores = new LatentScores(Scores(i => (i + 1) / 100.0).Values, supported);
        var statistics = new EditStatistics();
        float[] y = Apply(new LayerEdit(Point, _sae, scores, new SteeringOptions()), _x, statistics);
        (SparseLatents z, _) = Latents(_x);
        double unsupported = 0;
        double all = 0;
        for (int i = 0; i < z.Count; i++)
        {
            all += z.Values[i];
            unsupported += supported[z.Indices[i]] ? 0 : z.Values[i];
        }

        double Norm(IEnumerable<double> v) => Math.Sqrt(v.Sum(value => value * value));
        Assert.Equal(1, statistics.Edits);
        Assert.Equal(
            Norm(y.Zip(_x, (a, b) => (double)a - b)) / Norm(_x.Select(v => (double)v)), statistics.MeanRelativeChange,
            1e-12);
        Assert.NotNull(statistics.UnsupportedShare);
        Assert.Equal(unsupported / all, statistics.UnsupportedShare.Value, 1e-12);
        Assert.InRange(statistics.UnsupportedShare.Value, 0.01, 0.99);
    }

    [Fact]
    public void Statistics_without_edits_are_nothing()
    {
        var statistics = new EditStatistics();
        Assert.Equal((0, 0.0, null), (statistics.Edits, statistics.MeanRelativeChange, statistics.UnsupportedShare));
    }

    [Fact]
    public void An_edit_that_cannot_be_made_is_refused()
    {
        string Refusal(LatentScores? scores, SteeringMethod method, SteeringMode mode = SteeringMode.Corrected) =>
            Assert.Throws<ArgumentException>(
                () => new LayerEdit(Point, _sae, scores, new SteeringOptions { Method = method, Mode = mode })).Message;

        Assert.Equal("method swap needs scores", Refusal(null, SteeringMethod.Swap));
        Assert.Equal(
            "2 scores for an autoencoder of 90 latents; expected one a latent",
            Refusal(new LatentScores([1.0, 2.0], [true, true]), SteeringMethod.Weight));
        Assert.Equal(
            "no latent has a score above 0, so clamp has none to edit", Refusal(Scores(_ => 0), SteeringMethod.Clamp));
    }

    [Fact]
    public void The_published_clamp_counts_gaps_as_zero_and_gives_ties_to_the_lower_latent()
    {
        var scores = new LatentScores(Scores(i => i is 50 or 60 ? 0.9 : 0).Values, Scores(_ => 1).Supported);
        var options = new SteeringOptions { Method = SteeringMethod.Clamp, Mode = SteeringMode.Seed };
        Assert.Equal([0, 1, 2, 50, 60], new LayerEdit(Point, _sae, scores, options).TargetLatents.ToArray());
        options = options with { Mode = SteeringMode.Corrected };
        Assert.Equal([50, 60], new LayerEdit(Point, _sae, scores, options).TargetLatents.ToArray());
    }

    [Fact]
    public void A_plan_that_does_not_fit_the_model_is_refused()
    {
        using var model = new TinyModel();
        using Decoder decoder = model.Load();
        LatentScores scores = RandomScores();
        LayerEdit At(HookPoint point) => new(point, _sae, scores, new SteeringOptions());
        string Refusal(params LayerEdit[] edits) => Assert.Throws<ArgumentException>(
            () => new SteeringPlan(decoder.Spec, new SteeringOptions(), edits, [])).Message;

        Assert.Equal("method swap needs a layer and an autoencoder", Refusal());
        Assert.Equal("two edits at one hook point; expected each once", Refusal(At(Point), At(Point)));
        Assert.Equal(
            "no hook point 'blocks.3.hook_resid_post'; this model has layers 0 to 2",
            Refusal(At(HookPoint.ResidualPost(3))));
        var zero = new SteeringPlan(decoder.Spec, new SteeringOptions { Strength = 0f }, [], []);
        Assert.Null(new SteeringPass().HooksFor([new SteeredSequence(1, zero)]));
    }

    public void Dispose()
    {
        _sae.Dispose();
        _tiny.Dispose();
    }

    private static LatentScores Scores(Func<int, double> score) => new(
        Enumerable.Range(0, TinyAutoencoder.DSae).Select(score).ToArray(),
        Enumerable.Repeat(true, TinyAutoencoder.DSae).ToArray());

    /// <summary>Scores from 0.05 to 1 with a gap at every fifth latent, and largest activations from 0.5 to 2.5.</summary>
    internal static LatentScores RandomScores() => new(
        RandomFloats.Of(9, TinyAutoencoder.DSae).Select(v => 0.525 + (v * 0.475)).ToArray(),
        Enumerable.Range(0, TinyAutoencoder.DSae).Select(i => i % 5 != 0).ToArray(),
        "random",
        RandomFloats.Of(10, TinyAutoencoder.DSae).Select(v => 1.5f + v).ToArray());

    /// <summary>A topic of <see cref="RandomScores"/> with all that methods may ask for.</summary>
    internal static SteeringTopic RandomTopic() =>
        new(RandomScores()) { MeanDifference = RandomFloats.Of(11, TinyAutoencoder.DIn, 0.5f) };

    internal static float[] Apply(LayerEdit edit, float[] x, EditStatistics? statistics = null, int generated = 0)
    {
        float[] y = [.. x];
        var scratch = new EditScratch(edit.Autoencoder);
        if (edit.Encodes)
        {
            edit.Autoencoder.Encode(x, 1, scratch.Encoded);
        }

        edit.Apply(y, 0, edit.Autoencoder.ScaleOf(x), generated, scratch, statistics ?? new EditStatistics());
        return y;
    }

    private (SparseLatents Latents, InputScale Scale) Latents(float[] x)
    {
        (float[] a, InputScale scale) = PreActivations(x);
        var latents = new SparseLatents();
        _sae.Activate(a, latents);
        return (latents, scale);
    }

    private (float[] A, InputScale Scale) PreActivations(float[] x)
    {
        float[] a = new float[TinyAutoencoder.DSae];
        var scales = new InputScale[1];
        _sae.PreActivations(x, 1, a, scales);
        return (a, scales[0]);
    }

    private SparseLatents Edited(SteeringOptions options, LatentScores scores, SparseLatents z)
    {
        var edited = new SparseLatents();
        if (options.Method == SteeringMethod.Clamp)
        {
            var raised = new SparseLatents();
            foreach (int latent in scores.Top(options.ClampCount).Order())
            {
                raised.Add(latent, options.ClampAmount * options.Strength);
            }

            edited.SetSum(z, raised);
            return edited;
        }

        var selection = new LatentSelection([new SteeringTopic(scores)], options);
        _sae.Activation.Select(
            [],
            PreActivations(_x).A,
            selection.Keys,
            selection.TakesKeys,
            new float[TinyAutoencoder.DSae],
            new int[TinyAutoencoder.K],
            edited);
        return edited;
    }
}
