using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

public class LatentMovesTests
{
    private const int PromptLength = 6;

    private static readonly HookPoint Point = HookPoint.ResidualPost(1);

    [Theory]
    [InlineData(SteeringMethod.Swap)]
    [InlineData(SteeringMethod.Weight)]
    [InlineData(SteeringMethod.Clamp)]
    public void A_move_is_the_mean_change_of_a_latent_over_the_edited_positions(SteeringMethod method)
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan plan = Plan(decoder, autoencoder, new SteeringOptions { Method = method, Strength = 2f });
        int[] ids = [TinyModel.Eos, .. TinyModel.Ids(9, 19)];
        float[] edited = EditedLatents.Of(decoder, plan, ids, TestContext.Current.CancellationToken)[0].Latents;
        float[] unedited = Latents(decoder, autoencoder, ids);
        double[] expected = new double[TinyAutoencoder.DSae];
        int positions = ids.Count(id => id != TinyModel.Eos);
        for (int position = 0; position < ids.Length; position++)
        {
            for (int f = 0; f < expected.Length && ids[position] != TinyModel.Eos; f++)
            {
                int at = (position * expected.Length) + f;
                expected[f] += ((double)edited[at] - unedited[at]) / positions;
            }
        }

        IReadOnlyList<LatentMove> moves =
            LatentMoves.Of(decoder, plan, ids, PromptLength, TestContext.Current.CancellationToken);
        Assert.Equal(expected.Count(mean => mean != 0), moves.Count);
        Assert.All(moves, move => Assert.Equal(expected[move.Latent], move.Mean, 1e-5));
        Assert.Equal(moves.OrderByDescending(move => Math.Abs(move.Mean)), moves);
        Assert.All(moves, move => Assert.Equal(Point, move.Point));
    }

    [Fact]
    public void A_clamp_that_keeps_the_error_moves_its_latents_by_its_amount()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
        var options = new SteeringOptions { Method = SteeringMethod.Clamp, ClampAmount = 3f, ClampCount = 2 };
        SteeringPlan plan = Plan(decoder, autoencoder, options);
        IReadOnlyList<LatentMove> moves = LatentMoves.Of(
            decoder, plan, TinyModel.Ids(4, 12), PromptLength, TestContext.Current.CancellationToken);
        Assert.Equal(plan.Edits[0].TargetLatents.ToArray(), moves.Select(move => move.Latent));
        Assert.All(moves, move => Assert.Equal(3, move.Mean));
    }

    [Fact]
    public void Only_the_positions_that_are_edited_count()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
        int[] ids = TinyModel.Ids(5, 8);
        SteeringPlan last = Plan(
            decoder, autoencoder, new SteeringOptions { Positions = PositionPolicy.Parse("7:8") });
        SteeringPlan none = Plan(
            decoder, autoencoder, new SteeringOptions { Positions = PositionPolicy.Parse("8:") });
        float[] edited = EditedLatents.Of(decoder, last, ids, TestContext.Current.CancellationToken)[0].Latents;
        float[] unedited = Latents(decoder, autoencoder, ids);
        IReadOnlyList<LatentMove> moves =
            LatentMoves.Of(decoder, last, ids, PromptLength, TestContext.Current.CancellationToken);
        Assert.NotEmpty(moves);
        Assert.All(moves, move => Assert.Equal(
            (double)edited[(7 * TinyAutoencoder.DSae) + move.Latent]
                - unedited[(7 * TinyAutoencoder.DSae) + move.Latent],
            move.Mean,
            1e-5));
        Assert.Empty(LatentMoves.Of(decoder, none, ids, PromptLength, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(SteeringMethod.Swap, 0f)]
    [InlineData(SteeringMethod.Original, 1f)]
    [InlineData(SteeringMethod.Reconstruction, 1f)]
    public void What_changes_no_latent_moves_none(SteeringMethod method, float strength)
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder autoencoder = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan plan = Plan(
            decoder, autoencoder, new SteeringOptions { Method = method, Strength = strength });
        Assert.Empty(LatentMoves.Of(
            decoder, plan, TinyModel.Ids(4, 12), PromptLength, TestContext.Current.CancellationToken));
    }

    private static SteeringPlan Plan(Decoder decoder, SparseAutoencoder autoencoder, SteeringOptions options)
    {
        double[] values = [.. Enumerable.Range(0, TinyAutoencoder.DSae).Select(f => (f * 37 % 91) / 91.0)];
        var scores = new LatentScores(values, [.. values.Select(_ => true)]);
        LayerEdit[] edits = options.IsIdentity ? [] : [new LayerEdit(Point, autoencoder, scores, options)];
        return new SteeringPlan(decoder.Spec, options, edits, [TinyModel.Eos]);
    }

    /// <summary>z of the unsteered model, [tokens, dSae], from all pre-activations.</summary>
    private static float[] Latents(Decoder decoder, SparseAutoencoder autoencoder, int[] ids)
    {
        float[] latents = new float[ids.Length * autoencoder.DSae];
        var hooks = new HookSet();
        hooks.Add(Point, rows =>
        {
            autoencoder.PreActivations(rows.Values, rows.Count, latents, new InputScale[rows.Count]);
            var sparse = new SparseLatents();
            for (int row = 0; row < rows.Count; row++)
            {
                Span<float> dense = latents.AsSpan(row * autoencoder.DSae, autoencoder.DSae);
                autoencoder.Activate(dense, sparse);
                sparse.CopyTo(dense);
            }
        });
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(ids.Length);
        run.Prefill([cache], ids, hooks, LogitRows.None);
        return latents;
    }
}
