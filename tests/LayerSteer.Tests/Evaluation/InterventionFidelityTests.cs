using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Steering;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class InterventionFidelityTests : IDisposable
{
    private const double Rounding = 1e-9; // the passes are the same to the bit, and both sum in double

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();

    private static readonly int[][] Texts =
        [[TinyModel.Eos, .. TinyModel.Ids(2, 12)], [TinyModel.Eos, .. TinyModel.Ids(3, 7)], TinyModel.Ids(4, 20)];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public InterventionFidelityTests() => _decoder = _tiny.Load();

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void An_edit_that_edits_nothing_costs_nothing()
    {
        var nothing = new InterventionFidelity(12 + 7 + 19, 0, 0, 0, 0, 1, null, null);
        Assert.Equal(nothing, Measure(Plan(new SteeringOptions { Strength = 0f })));
        Assert.Equal(nothing, Measure(new SteeringPlan(
            _decoder.Spec, new SteeringOptions { Method = SteeringMethod.Original }, [], [])));
        Assert.Equal(1, nothing.PerplexityRatio);
    }

    [Theory]
    [InlineData(SteeringMethod.Swap)]
    [InlineData(SteeringMethod.Add)]
    [InlineData(SteeringMethod.DiffMean)]
    [InlineData(SteeringMethod.Reconstruction)]
    public void Costs_are_those_of_two_plain_passes(SteeringMethod method)
    {
        SteeringPlan plan = Plan(new SteeringOptions { Method = method });
        InterventionFidelity measured = Measure(plan);
        var divergences = new List<double>();
        var losses = new List<double>();
        var others = new List<bool>();
        var changes = new List<double>();
        var cosines = new List<double>();
        foreach (int[] ids in Texts)
        {
            HookSet? Edits() => new SteeringPass().HooksFor([new SteeredSequence(ids.Length, plan)]);
            double[][] before = LogProbabilities(Passes.Logits(_decoder, ids));
            double[][] after = LogProbabilities(Passes.Logits(_decoder, ids, Edits()));
            for (int t = 0; t + 1 < ids.Length; t++)
            {
                divergences.Add(before[t].Zip(after[t], (p, q) => Math.Exp(p) * (p - q)).Sum());
                losses.Add(before[t][ids[t + 1]] - after[t][ids[t + 1]]);
                others.Add(Array.IndexOf(before[t], before[t].Max()) != Array.IndexOf(after[t], after[t].Max()));
            }

            float[][] x = [.. Passes.Values(_decoder, ids, Point).Chunk(TinyModel.DModel)];
            float[][] y = [.. Passes.Values(_decoder, ids, Point, Edits()).Chunk(TinyModel.DModel)];
            for (int t = 0; t < ids.Length; t++)
            {
                if (ids[t] != TinyModel.Eos)
                {
                    changes.Add(Norm(y[t].Zip(x[t], (a, b) => (double)a - b)) / Norm(x[t].Select(v => (double)v)));
                    cosines.Add(x[t].Zip(y[t], (a, b) => (double)a * b).Sum()
                        / (Norm(x[t].Select(v => (double)v)) * Norm(y[t].Select(v => (double)v))));
                }
            }
        }

        Assert.Equal(divergences.Count, measured.Tokens);
        Assert.Equal(divergences.Average(), measured.Divergence, Rounding);
        Assert.Equal(losses.Average(), measured.LossChange, Rounding);
        Assert.Equal(others.Average(other => other ? 1.0 : 0), measured.FirstChoiceChanged, Rounding);
        Assert.Equal(changes.Average(), measured.Change, Rounding);
        Assert.Equal(cosines.Average(), measured.Cosine, Rounding);
        Assert.Equal(Math.Exp(losses.Average()), measured.PerplexityRatio, Rounding);
        Assert.True(measured.Divergence > 1e-4 && measured.Change > 0.01, $"{measured}");
    }

    [Fact]
    public void What_moves_is_counted_by_whether_it_is_the_topics()
    {
        // 1 % of 90 latents is one: the best. Clamp raises four by one amount, add each by its largest activation.
        int[] best = Scores.Top(4);
        InterventionFidelity clamp =
            Measure(Plan(new SteeringOptions { Method = SteeringMethod.Clamp, ClampCount = 4 }), Scores);
        Assert.Equal(0.75, clamp.OffTopicMass!.Value, 1e-6);
        InterventionFidelity add =
            Measure(Plan(new SteeringOptions { Method = SteeringMethod.Add, LatentCount = 4 }), Scores);
        double all = best.Sum(latent => (double)Scores.Maxima[latent]);
        Assert.Equal(1 - (Scores.Maxima[best[0]] / all), add.OffTopicMass!.Value, 1e-6);
        Assert.Null(Measure(Plan(new SteeringOptions { Method = SteeringMethod.Clamp })).OffTopicMass);
    }

    [Fact]
    public void The_overlap_is_of_the_latents_that_are_active_before_and_after()
    {
        SteeringPlan plan = Plan(new SteeringOptions { Method = SteeringMethod.Clamp, ClampCount = 4 });
        int[] raised = Scores.Top(4);
        var overlaps = new List<double>();
        foreach (int[] ids in Texts)
        {
            float[][] x = [.. Passes.Values(_decoder, ids, Point).Chunk(TinyModel.DModel)];
            for (int t = 0; t < ids.Length; t++)
            {
                if (ids[t] != TinyModel.Eos)
                {
                    int[] active = Active(x[t]);
                    overlaps.Add((double)active.Length / active.Union(raised).Count());
                }
            }
        }

        Assert.Equal(overlaps.Average(), Measure(plan).Overlap!.Value, Rounding);
        Assert.InRange(overlaps.Average(), 0.3, 0.99);
    }

    [Fact]
    public void Passing_through_the_autoencoder_moves_no_latent_but_costs()
    {
        InterventionFidelity sae =
            Measure(Plan(new SteeringOptions { Method = SteeringMethod.Reconstruction }), Scores);
        Assert.True(sae.Divergence > 0);
        Assert.Equal((1, null), (sae.Overlap, sae.OffTopicMass));
        InterventionFidelity vector = Measure(Plan(new SteeringOptions { Method = SteeringMethod.Project }), Scores);
        Assert.Equal((null, null), (vector.Overlap, vector.OffTopicMass));
        Assert.True(vector.Change > 0);
    }

    [Fact]
    public void What_edits_generated_tokens_alone_is_looked_at_behind_the_first()
    {
        var options = new SteeringOptions { Method = SteeringMethod.DiffMean };
        int[] ids = TinyModel.Ids(5, 2);
        InterventionFidelity all = Measure(Plan(options), null, ids);
        InterventionFidelity generated =
            Measure(Plan(options with { Positions = new PositionPolicy(PositionKind.Generated) }), null, ids);
        Assert.True(all.Divergence > 0);
        Assert.Equal(0, generated.Divergence); // the second token is edited, and nothing is predicted from it
        Assert.True(generated.Change > 0);
    }

    [Fact]
    public void Neutral_texts_begin_with_bos_and_fit_the_context()
    {
        IReadOnlyList<int[]> neutral = InterventionFidelity.NeutralIds(_decoder, _tiny.LoadTokenizer());
        Assert.Equal(NeutralText.Paragraphs.Count, neutral.Count);
        Assert.All(neutral, ids => Assert.Equal((TinyModel.Eos, TinyModel.Context), (ids[0], ids.Length)));
        Assert.Equal(2, InterventionFidelity.NeutralIds(_decoder, _tiny.LoadTokenizer(), 2).Count);
    }

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    private static double[][] LogProbabilities(float[] logits) =>
    [
        .. logits.Chunk(TinyModel.Vocabulary).Select(row =>
        {
            double largest = row.Max();
            double log = largest + Math.Log(row.Sum(logit => Math.Exp(logit - largest)));
            return row.Select(logit => logit - log).ToArray();
        }),
    ];

    private int[] Active(float[] x)
    {
        float[] a = new float[TinyAutoencoder.DSae];
        _sae.PreActivations(x, 1, a, new InputScale[1]);
        var latents = new SparseLatents();
        _sae.Activate(a, latents);
        return latents.Indices.ToArray();
    }

    private SteeringPlan Plan(SteeringOptions options) => new(
        _decoder.Spec, options, [new LayerEdit(Point, _sae, [LayerEditTests.RandomTopic()], options)], [TinyModel.Eos]);

    private InterventionFidelity Measure(SteeringPlan plan, LatentScores? scores = null, params int[][] texts) =>
        InterventionFidelity.Measure(
            _decoder, plan, texts.Length > 0 ? texts : Texts, scores, TestContext.Current.CancellationToken);
}
