using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

/// <summary>The methods beyond the published ones, against their formulas in plain double.</summary>
public sealed class TargetMethodTests : IDisposable
{
    private const int Targets = 6;

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();

    private readonly float[] _x = RandomFloats.Of(21, TinyAutoencoder.DIn, 3f);
    private readonly TinyAutoencoder _tiny = new(SaeActivationKind.Relu);
    private readonly SparseAutoencoder _sae;
    private readonly float[] _z = new float[TinyAutoencoder.DSae];

    public TargetMethodTests()
    {
        _sae = _tiny.Load();
        EncodedRows rows = _sae.CreateRows(1);
        _sae.Encode(_x, 1, rows);
        var latents = new SparseLatents();
        rows.Activate(0, latents);
        latents.CopyTo(_z);
    }

    public static TheoryData<SteeringMethod, float, double> Cases
    {
        get
        {
            var cases = new TheoryData<SteeringMethod, float, double>();
            foreach (SteeringMethod method in new[]
            {
                SteeringMethod.Clamp, SteeringMethod.Add, SteeringMethod.Set, SteeringMethod.MinClamp, SteeringMethod.Scale,
                SteeringMethod.Ablate,
            })
            {
                foreach (float strength in new[] { 0.3f, 1f, 2.5f })
                {
                    cases.Add(method, strength, 1);
                    cases.Add(method, strength, -2);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_change_is_that_of_the_formula(SteeringMethod method, float strength, double weight)
    {
        var options = new SteeringOptions { Method = method, Strength = strength, ClampCount = Targets, LatentCount = Targets };
        var edit = new LayerEdit(Point, _sae, [new SteeringTopic(Scores, weight)], options);
        Assert.Equal(Scores.Top(Targets).Order(), edit.TargetLatents.ToArray());
        double[] edited = [.. _z.Select(value => (double)value)];
        foreach (int f in Scores.Top(Targets))
        {
            edited[f] = Edited(method, _z[f], Scores.Maxima[f], strength * Math.Sign(weight));
        }

        AssertChange(edited, LayerEditTests.Apply(edit, _x));
    }

    [Fact]
    public void Topics_share_the_strength_by_their_weights()
    {
        LatentScores other = Only(Enumerable.Range(40, 10));
        var options = new SteeringOptions { Method = SteeringMethod.Add, Strength = 2f, ClampCount = Targets, LatentCount = Targets };
        var edit = new LayerEdit(Point, _sae, [new SteeringTopic(Scores, 3), new SteeringTopic(other, -1)], options);
        double[] edited = [.. _z.Select(value => (double)value)];
        foreach ((LatentScores scores, double share) in new[] { (Scores, 0.75), (other, -0.25) })
        {
            foreach (int f in scores.Top(Targets))
            {
                edited[f] += 2 * share * Scores.Maxima[f];
            }
        }

        AssertChange(edited, LayerEditTests.Apply(edit, _x));
    }

    [Fact]
    public void Swap_away_from_a_topic_keeps_what_the_topic_does_not_score()
    {
        var options = new SteeringOptions { Strength = 50f };
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        LatentScores scores = Only(Enumerable.Range(0, TinyAutoencoder.DSae / 2));
        var away = new LayerEdit(Point, sae, [new SteeringTopic(scores, -1)], options);
        float[] edited = new float[sae.DSae];
        away.WriteEdited(_x, edited, new EditScratch(sae));
        Assert.All(Enumerable.Range(0, sae.DSae / 2), f => Assert.Equal(0f, edited[f]));
        Assert.Contains(edited, value => value > 0);
    }

    [Fact]
    public void Project_takes_out_the_direction_whatever_its_sign()
    {
        var options = new SteeringOptions { Method = SteeringMethod.Project, ClampCount = Targets, LatentCount = Targets };
        double[] direction = new double[_x.Length];
        foreach (int f in Scores.Top(Targets))
        {
            for (int i = 0; i < direction.Length; i++)
            {
                direction[i] += Scores.Maxima[f] * _tiny.DecoderRow(f)[i];
            }
        }

        foreach (double weight in new[] { 1.0, -1.0 })
        {
            float[] after = LayerEditTests.Apply(
                new LayerEdit(Point, _sae, [new SteeringTopic(Scores, weight)], options), _x);
            Assert.Equal(0, Dot(after, direction) / Math.Sqrt(Dot(direction, direction)), 1e-5);
            double left = Dot(_x, direction) / Dot(direction, direction);
            for (int i = 0; i < _x.Length; i++)
            {
                Assert.Equal(_x[i] - (left * direction[i]), after[i], 1e-5);
            }
        }
    }

    [Fact]
    public void Diffmean_adds_its_vector_and_reads_no_latent()
    {
        SteeringTopic topic = LayerEditTests.RandomTopic();
        var options = new SteeringOptions { Method = SteeringMethod.DiffMean, Strength = 0.5f };
        var edit = new LayerEdit(Point, _sae, [topic], options);
        Assert.False(edit.Encodes);
        float[] after = LayerEditTests.Apply(edit, _x);
        for (int i = 0; i < _x.Length; i++)
        {
            Assert.Equal(_x[i] + (0.5 * topic.MeanDifference![i]), after[i], 1e-6);
        }

        ControlVector vector = ControlVector.OfEdit(edit, SteeringMethod.DiffMean);
        Assert.Equal(topic.MeanDifference!.Select(value => 0.5f * value), vector.Values.ToArray());
    }

    [Theory]
    [InlineData(SteeringMethod.Add)]
    [InlineData(SteeringMethod.Scale)]
    [InlineData(SteeringMethod.Swap)]
    [InlineData(SteeringMethod.DiffMean)]
    public void A_half_life_halves_the_change_of_generated_tokens_and_leaves_the_prompt(SteeringMethod method)
    {
        var options = new SteeringOptions { Method = method, HalfLife = 4 };
        var edit = new LayerEdit(Point, _sae, [LayerEditTests.RandomTopic()], options);
        float[] prompt = LayerEditTests.Apply(edit, _x, generated: 0);
        Bits.Same(
            LayerEditTests.Apply(new LayerEdit(Point, _sae, [LayerEditTests.RandomTopic()], options with { HalfLife = null }), _x),
            prompt, "in the prompt");
        float[] later = LayerEditTests.Apply(edit, _x, generated: 8);
        for (int i = 0; i < _x.Length; i++)
        {
            Assert.Equal((prompt[i] - (double)_x[i]) / 4, later[i] - (double)_x[i], 1e-5);
        }
    }

    [Fact]
    public void A_gate_opens_by_the_most_active_of_the_topics_latents()
    {
        double presence = Scores.Top(Targets).Max(f => _z[f] / (double)Scores.Maxima[f]);
        Assert.True(presence > 0);
        foreach ((string kind, double factor, bool opens) in new[]
        {
            ("present", 0.99, true), ("present", 1.01, false), ("absent", 0.99, false), ("absent", 1.01, true),
        })
        {
            AssertGate(FormattableString.Invariant($"{kind}:{presence * factor}"), opens);
        }
    }

    [Fact]
    public void A_gate_opens_by_the_cosine_with_the_direction()
    {
        float[] direction = new float[_x.Length];
        var pushes = new SparseLatents();
        foreach (int f in Scores.Top(Targets).Order())
        {
            pushes.Add(f, Scores.Maxima[f]);
        }

        _sae.AddChange(pushes, new InputScale(0f, 1f), direction);
        double[] d = [.. direction.Select(value => (double)value)];
        double cosine = Dot(_x, d) / Math.Sqrt(Dot(d, d) * _x.Sum(value => (double)value * value));
        AssertGate(FormattableString.Invariant($"cosine-above:{cosine - 0.01}"), true);
        AssertGate(FormattableString.Invariant($"cosine-above:{cosine + 0.01}"), false);
        AssertGate(FormattableString.Invariant($"cosine-below:{cosine + 0.01}"), true);
        AssertGate(FormattableString.Invariant($"cosine-below:{cosine - 0.01}"), false);
    }

    [Theory]
    [InlineData("present", "present:0")]
    [InlineData("absent:0.25", "absent:0.25")]
    [InlineData("cosine-above:-0.1", "cosine-above:-0.1")]
    public void A_gate_reads_back_as_it_is_written(string text, string written) =>
        Assert.Equal(SteeringGate.Parse(text), SteeringGate.Parse(SteeringGate.Parse(written).ToString()));

    [Theory]
    [InlineData("cosine-above")]
    [InlineData("present:x")]
    [InlineData("present:NaN")]
    [InlineData("sometimes")]
    public void What_is_no_gate_is_refused_with_those_there_are(string text) => Assert.Equal(
        $"no gate '{text}'; there are present, absent, present:SHARE, absent:SHARE, cosine-above:VALUE, cosine-below:VALUE",
        Assert.Throws<ArgumentException>(() => SteeringGate.Parse(text)).Message);

    [Fact]
    public void What_a_method_needs_and_a_topic_does_not_hold_is_refused()
    {
        var plain = new LatentScores(Scores.Values, Scores.Supported, "med.csv");
        string Refusal(SteeringOptions options, params SteeringTopic[] topics) =>
            Assert.Throws<ArgumentException>(() => new LayerEdit(Point, _sae, topics, options)).Message;

        const string NoMaxima = "scores 'med.csv' do not hold the latents' largest activations, which ";
        const string Remedy = " measures in; use a topic made by this version of `layersteer topic`, or clamp with an amount";
        Assert.Equal(
            $"{NoMaxima}set{Remedy}", Refusal(new() { Method = SteeringMethod.Set }, new SteeringTopic(plain)));
        Assert.Equal(
            $"{NoMaxima}a gate on latents{Remedy}",
            Refusal(new() { Gate = SteeringGate.Parse("present") }, new SteeringTopic(plain)));
        Assert.Equal(
            "topic 'random' holds no mean difference, which method diffmean adds; make the topic with "
            + "`layersteer topic --model MODEL --sae SAE`",
            Refusal(new() { Method = SteeringMethod.DiffMean }, new SteeringTopic(Scores)));
        Assert.Equal(
            "topic 'random' has weight 0, expected a finite number that is not 0",
            Refusal(new(), new SteeringTopic(Scores, 0)));
        Assert.Equal(
            "seed mode steers toward one topic: it is the published formulas; use corrected mode for several, or for away",
            Refusal(new() { Mode = SteeringMode.Seed }, new SteeringTopic(Scores, -1)));
        Assert.Equal(
            "a gate looks for a topic, and method sae has none",
            Refusal(new() { Method = SteeringMethod.Reconstruction, Gate = SteeringGate.Parse("present") }));
    }

    public void Dispose()
    {
        _sae.Dispose();
        _tiny.Dispose();
    }

    /// <summary>The formulas of the methods, for one latent; g is below 0 for away.</summary>
    private static double Edited(SteeringMethod method, double z, double most, double g)
    {
        double left = Math.Max(0, 1 - Math.Abs(g));
        return method switch
        {
            SteeringMethod.Clamp => z + (10 * g),
            SteeringMethod.Add => z + (g * most),
            SteeringMethod.Set => g * most,
            SteeringMethod.MinClamp => g > 0 ? Math.Max(z, g * most) : Math.Min(z, left * most),
            SteeringMethod.Scale => g > 0 ? (1 + g) * z : left * z,
            _ => left * z,
        };
    }

    private static LatentScores Only(IEnumerable<int> latents)
    {
        bool[] supported = new bool[TinyAutoencoder.DSae];
        foreach (int latent in latents)
        {
            supported[latent] = true;
        }

        return new LatentScores([.. supported.Select((one, f) => one ? 1 - (f / 1000.0) : 0)], supported, "only", Scores.Maxima);
    }

    private static double Dot(IEnumerable<double> a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double Dot(float[] a, double[] b) => Dot(a.Select(value => (double)value), b);

    private void AssertGate(string gate, bool opens)
    {
        var options = new SteeringOptions
        {
            Method = SteeringMethod.Add,
            LatentCount = Targets,
            Gate = SteeringGate.Parse(gate),
        };
        var statistics = new EditStatistics();
        float[] after = LayerEditTests.Apply(new LayerEdit(Point, _sae, Scores, options), _x, statistics);
        Assert.Equal(opens ? 1 : 0, statistics.Edits);
        Assert.Equal(!opens, after.AsSpan().SequenceEqual(_x));
    }

    /// <summary>x' = x + std·Σ_f (z'_f − z_f) d_f.</summary>
    private void AssertChange(double[] edited, float[] after)
    {
        double std = _sae.ScaleOf(_x).Scale;
        for (int i = 0; i < _x.Length; i++)
        {
            double change = 0;
            for (int f = 0; f < edited.Length; f++)
            {
                change += (edited[f] - _z[f]) * _tiny.DecoderRow(f)[i];
            }

            Assert.Equal(_x[i] + (std * change), after[i], 1e-4);
        }
    }
}
