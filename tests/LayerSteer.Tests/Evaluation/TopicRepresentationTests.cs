using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Topics;
using LayerSteer.Text;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class TopicRepresentationTests : IDisposable
{
    private const int DSae = TinyAutoencoder.DSae;

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly string[] Texts =
        ["the hen and the fox went to the river", "another text, of other words", "0123456789 and so on"];

    private readonly TemporaryFolder _folder = new();
    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;

    public TopicRepresentationTests()
    {
        _decoder = _tiny.Load();
        _tokenizer = _tiny.LoadTokenizer();
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _tiny.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void An_autoencoder_that_changes_nothing_represents_everything()
    {
        using SparseAutoencoder sae = Identity();
        ProfileRepresentation read = Measure(sae, WithEffective(_ => 5), out _, out _);
        Assert.Equal(0, read.Fvu!.Value, 1e-9);
        Assert.Equal(0, read.FvuLow!.Value, 1e-9);
        Assert.Equal(0, read.FvuHigh!.Value, 1e-9);
        Assert.Equal(0, read.OtherFvu!.Value, 1e-9);
        Assert.Equal(0, read.LossChange!.Value, 1e-6);
        Assert.Equal(1, read.LossRecovered!.Value, 1e-5);
        Assert.Equal(0, read.Divergence!.Value, 1e-6);
        Assert.Equal(1, read.Cosine, 1e-6);
        Assert.Equal(1, read.NormRatio, 1e-6);
        Assert.Equal(TinyModel.DModel, read.L0, 1.0);
        Assert.Equal((1.0, 1.0, 1.0), (read.SupportedMass1, read.SupportedMass2, read.SupportedMass5));
    }

    [Fact]
    public void An_autoencoder_that_writes_nothing_recovers_nothing()
    {
        using var files = new TinyAutoencoder(SaeActivationKind.Relu);
        Array.Clear(files.Tensors["decoder.weight"].Values);
        Array.Clear(files.Tensors["pre_bias"].Values);
        using SparseAutoencoder sae = files.Load();
        ProfileRepresentation read = Measure(sae, WithEffective(_ => 5), out TopicActivations own, out _);
        Assert.Equal(0, read.LossRecovered!.Value, 1e-6);
        Assert.Equal(own.Errors.Sum(text => text.Squares) / own.Scatter.Sum(), read.Fvu!.Value, 1e-6);
        Assert.True(read.Fvu >= 1);
    }

    [Fact]
    public void Loss_and_fvu_are_those_of_plain_passes_with_the_reconstruction_in_place()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        ProfileRepresentation read = Measure(sae, WithEffective(_ => 5), out TopicActivations own, out _);
        int[][] windows =
        [
            .. Texts.SelectMany(text => _tokenizer.Encode(text)).Chunk(TinyModel.Context - 1)
                .Where(window => window.Length == TinyModel.Context - 1),
        ];
        Assert.NotEmpty(windows);
        double original = Loss(windows, null);
        double spliced = Loss(windows, rows => EachBehindTheFirst(rows, (x, row) =>
        {
            float[] a = new float[DSae];
            sae.PreActivations(row, 1, a, new InputScale[1]);
            var z = new SparseLatents();
            sae.Activate(a, z);
            sae.Decode(z, sae.ScaleOf(row), x);
        }));
        double ablated = Loss(windows, rows => EachBehindTheFirst(rows, (x, _) => Array.Clear(x)));
        Assert.Equal(spliced - original, read.LossChange!.Value, 1e-6);
        Assert.Equal((ablated - spliced) / (ablated - original), read.LossRecovered!.Value, 1e-4);
        Assert.True(read.Divergence > 0);
        Assert.Equal(own.Errors.Sum(text => text.Error) / own.Scatter.Sum(), read.Fvu!.Value, 1e-6);
        Assert.InRange(read.Fvu.Value, read.FvuLow!.Value, read.FvuHigh!.Value);
    }

    [Fact]
    public void Masses_count_the_activation_on_latents_with_enough_effective_prompts()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        TopicProfile profile = WithEffective(latent => latent % 3 == 0 ? 1 : latent % 3 == 1 ? 2 : 7);
        ProfileRepresentation read = Measure(sae, profile, out TopicActivations own, out ReferenceIndex index);
        double Mass(Func<int, bool> counts) =>
            profile.Scores.Latents.Where(counts).Sum(latent => own.Sum[latent]) / own.Sum.Sum();
        Assert.Equal(Mass(_ => true), read.SupportedMass1!.Value, 1e-12);
        Assert.Equal(Mass(latent => latent % 3 != 0), read.SupportedMass2!.Value, 1e-12);
        Assert.Equal(Mass(latent => latent % 3 == 2), read.SupportedMass5!.Value, 1e-12);
        Assert.InRange(read.SupportedMass5.Value, 0.05, read.SupportedMass2.Value - 0.05);

        int top = profile.ToLatentScores().Top(1)[0];
        double share = own.Sum[top] / own.Sum.Sum();
        double there = index.LatentStatistics[top].Sum / index.LatentStatistics.Sum(latent => latent.Sum);
        Assert.Equal(share, read.TopMass!.Value, 1e-12);
        Assert.Equal(share / there, read.TopMassLift!.Value, 1e-9);
        ProfileRepresentation plain = Measure(sae, profile with { Uncertainty = null }, out _, out _);
        Assert.Equal((null, null, null), (plain.SupportedMass1, plain.SupportedMass2, plain.SupportedMass5));
    }

    [Fact]
    public void The_correlation_is_of_scores_and_lifts_and_the_same_for_a_seed()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        TopicProfile profile = WithEffective(_ => 5);
        ProfileRepresentation read = Measure(sae, profile, out TopicActivations own, out ReferenceIndex index);
        LatentScores scores = profile.ToLatentScores();
        double there = index.Tokens.Sum(tokens => (double)tokens);
        (double Score, double Lift)[] pairs =
        [
            .. profile.Scores.Latents
                .Where(latent => own.TokensActive[latent] + index.LatentStatistics[latent].TokensActive > 0)
                .Select(latent => (
                    scores.Values[latent],
                    Math.Log((own.TokensActive[latent] + 0.5) / own.Tokens)
                        - Math.Log((index.LatentStatistics[latent].TokensActive + 0.5) / there))),
        ];
        double rho = RankCorrelation.Spearman([.. pairs.Select(p => p.Score)], [.. pairs.Select(p => p.Lift)])!.Value;
        Assert.Equal(rho, read.UseCorrelation!.Value, 0.02); // equal lifts may differ by rounding here
        Assert.True(read.UseLow < read.UseHigh);
        Assert.InRange(read.UseCorrelation.Value, read.UseLow!.Value, read.UseHigh!.Value);
        Assert.Equal(read, Measure(sae, profile, out _, out _));
    }

    [Fact]
    public void Where_no_window_is_full_no_loss_is_measured()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        ProfileRepresentation read = Measure(sae, WithEffective(_ => 5), out _, out _, "one", "two");
        Assert.Equal((null, null, null), (read.LossChange, read.LossRecovered, read.Divergence));
        Assert.NotNull(read.Fvu);
    }

    private ProfileRepresentation Measure(
        SparseAutoencoder sae,
        TopicProfile profile,
        out TopicActivations own,
        out ReferenceIndex index,
        params string[] texts)
    {
        texts = texts.Length > 0 ? texts : Texts;
        index = ReferenceIndex.Open(_folder["index"]);
        own = Read(texts);
        return TopicRepresentation.Measure(
            _decoder, _tokenizer, new SteeringSite(Point, sae), index, profile, texts, own,
            Read(["other words than those", "and more"]), cancellation: TestContext.Current.CancellationToken);

        TopicActivations Read(string[] some) => TopicActivations.Measure(
            _decoder, _tokenizer, sae, Point, some, cancellation: TestContext.Current.CancellationToken);
    }

    /// <summary>A profile of all latents but the last, from an index that is written too.</summary>
    private TopicProfile WithEffective(Func<int, double> effective)
    {
        PromptSummary[] prompts = SampleIndex.Prompts(14, seed: 3, dSae: DSae, active: 80);
        ReferenceIndex index = ReferenceIndex.Open(
            SampleIndex.Build(_folder["index"], SampleIndex.Manifest(prompts, DSae), prompts));
        var generator = new SplitMix64(9);
        float[] alignment =
        [
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
            .. SampleIndex.Unit(SampleIndex.DEmbedding, ref generator),
        ];
        UncertaintyCard card = UncertaintyCard.Measure(
            index, alignment, options: new UncertaintyOptions { Replicates = 100, Permutations = 99 });
        TopicProfile profile = TopicProfile.From(
            "medical",
            index.Manifest,
            new FeatureScorer(index).Score(alignment),
            new AlignmentSource("medical.csv", ReferenceSource.DigestOf(["a", "b"]), 2, 2),
            new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero),
            card);
        Assert.Equal(DSae - 1, profile.Scores.Latents.Length);
        return profile with
        {
            Uncertainty = profile.Uncertainty! with
            {
                EffectivePrompts = [.. profile.Scores.Latents.Select(effective)],
            },
        };
    }

    /// <summary>z = (max(x, 0), max(−x, 0)), x̂ = x.</summary>
    private static SparseAutoencoder Identity()
    {
        using var files = new TinyAutoencoder(SaeActivationKind.Relu);
        foreach ((_, float[] values) in files.Tensors.Values)
        {
            Array.Clear(values);
        }

        for (int i = 0; i < TinyModel.DModel; i++)
        {
            for (int side = 0; side < 2; side++)
            {
                int latent = i + (side * TinyModel.DModel);
                float sign = side == 0 ? 1f : -1f;
                files.Tensors["encoder.weight"].Values[(latent * TinyModel.DModel) + i] = sign;
                files.Tensors["decoder.weight"].Values[(i * DSae) + latent] = sign;
            }
        }

        return files.Load();
    }

    private static void EachBehindTheFirst(HookRows rows, Action<float[], float[]> change)
    {
        for (int row = 0; row < rows.Count; row++)
        {
            if (rows.Positions[row] > 0)
            {
                float[] x = rows[row].ToArray();
                change(x, rows[row].ToArray());
                x.CopyTo(rows[row]);
            }
        }
    }

    /// <summary>The mean of −log p of every token of the windows, each behind BOS.</summary>
    private double Loss(int[][] windows, Action<HookRows>? change)
    {
        var losses = new List<double>();
        foreach (int[] window in windows)
        {
            HookSet? hooks = change is null ? null : new HookSet().Add(Point, rows => change(rows));
            float[] logits = Passes.Logits(_decoder, [TinyModel.Eos, .. window[..^1]], hooks);
            for (int t = 0; t < window.Length; t++)
            {
                double[] row =
                [
                    .. logits.Skip(t * TinyModel.Vocabulary).Take(TinyModel.Vocabulary).Select(logit => (double)logit),
                ];
                losses.Add(Math.Log(row.Sum(Math.Exp)) - row[window[t]]);
            }
        }

        return losses.Average();
    }
}
