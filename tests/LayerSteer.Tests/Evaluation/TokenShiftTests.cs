using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public sealed class TokenShiftTests : IDisposable
{
    private static readonly HookPoint Point = HookPoint.ResidualPost(1);
    private static readonly int[] Prompt = [TinyModel.Eos, 3, 70];
    private static readonly int[] Hinted = [TinyModel.Eos, 12, 5, 3, 70];
    private static readonly int[] Written = [8, 8, 9, 200, TinyModel.Eos, 31];

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _sae = TinyAutoencoder.Create(SaeActivationKind.TopK);

    public TokenShiftTests() => _decoder = _tiny.Load();

    public void Dispose()
    {
        _sae.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SteeringMethod.Swap)]
    [InlineData(SteeringMethod.Weight)]
    [InlineData(SteeringMethod.Clamp)]
    [InlineData(SteeringMethod.Reconstruction)]
    public void A_shift_is_that_of_two_plain_passes(SteeringMethod method)
    {
        SteeringPlan plan = Plan(method, 1f);
        Compare(Logs(_decoder, Prompt, plan), Of(Prompt, plan));
    }

    [Fact]
    public void A_hint_is_compared_with_the_bare_prompt_and_another_model_with_the_unsteered_one()
    {
        Compare(Logs(_decoder, Hinted, null), Of(Hinted, null));
        using var other = new TinyModel(77);
        using Decoder tuned = other.Load();
        Compare(Logs(tuned, Prompt, null), Of(Prompt, null, tuned));
    }

    [Theory]
    [InlineData(SteeringMethod.Original, 1f)]
    [InlineData(SteeringMethod.Swap, 0f)]
    public void What_edits_nothing_shifts_nothing_to_the_bit(SteeringMethod method, float strength)
    {
        IReadOnlyList<TokenShift> shifts = Of(Prompt, Plan(method, strength));
        Assert.Equal(Written, shifts.Select(shift => shift.Token));
        Assert.All(shifts, shift =>
        {
            Assert.Equal(0.0, shift.Divergence);
            Assert.Equal(shift.Unsteered, shift.Probability);
            Assert.Empty(shift.Moves);
        });
        Assert.All(Of(Prompt, null), shift => Assert.Equal(0.0, shift.Divergence));
    }

    [Fact]
    public void Positions_before_the_first_edit_are_exactly_as_they_were()
    {
        SteeringPlan plan = Plan(SteeringMethod.Swap, 2f, PositionPolicy.Parse($"{Prompt.Length + 2}:"));
        IReadOnlyList<TokenShift> shifts = Of(Prompt, plan);
        Assert.All(shifts.Take(3), shift =>
        {
            Assert.Equal(0.0, shift.Divergence);
            Assert.Equal(shift.Unsteered, shift.Probability);
            Assert.Empty(shift.Moves);
        });
        Assert.All(shifts.Skip(3).Take(1), shift => Assert.True(shift.Divergence > 0));
    }

    [Theory]
    [InlineData(SteeringMethod.Swap)]
    [InlineData(SteeringMethod.Clamp)]
    public void Moves_are_the_largest_changes_where_the_token_was_drawn(SteeringMethod method)
    {
        const int Count = 4;
        SteeringPlan plan = Plan(method, 2f);
        int[] ids = [.. Prompt, .. Written[..^1]];
        float[] edited = EditedLatents.Of(_decoder, plan, ids, Cancellation)[0].Latents;
        float[] unedited = Latents(ids);
        IReadOnlyList<TokenShift> shifts = TokenShifts.Of(
            _decoder, new(Prompt, Prompt, Written, plan), null, Count, Cancellation);
        for (int t = 0; t < Written.Length; t++)
        {
            int position = Prompt.Length - 1 + t;
            double[] change =
            [
                .. Enumerable.Range(0, _sae.DSae).Select(f => ids[position] == TinyModel.Eos
                    ? 0.0
                    : (double)edited[(position * _sae.DSae) + f] - unedited[(position * _sae.DSae) + f]),
            ];
            int[] expected =
            [
                .. Enumerable.Range(0, change.Length).Where(f => change[f] != 0)
                    .OrderByDescending(f => Math.Abs(change[f])).Take(Count),
            ];
            Assert.Equal(expected.Length, shifts[t].Moves.Count);
            Assert.All(shifts[t].Moves, move =>
            {
                Assert.Equal(Point, move.Point);
                Assert.Equal(change[move.Latent], move.Mean, 1e-5);
            });
            Assert.Equal(
                expected.Sum(f => Math.Abs(change[f])), shifts[t].Moves.Sum(move => Math.Abs(move.Mean)), 1e-4);
        }
    }

    private IReadOnlyList<TokenShift> Of(int[] prompt, SteeringPlan? plan, Decoder? writer = null) =>
        TokenShifts.Of(_decoder, new(prompt, Prompt, Written, plan), writer, 5, Cancellation);

    private void Compare(double[][] own, IReadOnlyList<TokenShift> shifts)
    {
        double[][] unsteered = Logs(_decoder, Prompt, null);
        Assert.Equal(Written, shifts.Select(shift => shift.Token));
        for (int t = 0; t < Written.Length; t++)
        {
            double divergence = own[t].Select((log, v) => Math.Exp(log) * (log - unsteered[t][v])).Sum();
            Assert.Equal(divergence, shifts[t].Divergence, 1e-12);
            Assert.Equal(Math.Exp(own[t][Written[t]]), shifts[t].Probability, 1e-12);
            Assert.Equal(Math.Exp(unsteered[t][Written[t]]), shifts[t].Unsteered, 1e-12);
        }

        Assert.True(shifts.Average(shift => shift.Divergence) > 1e-4);
    }

    private SteeringPlan Plan(SteeringMethod method, float strength, PositionPolicy? positions = null)
    {
        double[] values = [.. Enumerable.Range(0, _sae.DSae).Select(i => i % 3 == 0 ? 1.0 : 0.1)];
        var options = new SteeringOptions { Method = method, Strength = strength, Positions = positions };
        var scores = new LatentScores(values, [.. values.Select(_ => true)]);
        LayerEdit[] edits = options.IsIdentity ? [] : [new LayerEdit(Point, _sae, scores, options)];
        return new SteeringPlan(_decoder.Spec, options, edits, [TinyModel.Eos]);
    }

    /// <summary>Token after token, with a cache.</summary>
    private static double[][] Logs(Decoder decoder, int[] prompt, SteeringPlan? plan)
    {
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(TinyModel.Context);
        HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(prompt.Length, plan)]);
        var logs = new List<double[]>();
        run.Prefill([cache], prompt, hooks);
        logs.Add(LogSoftmax(run.Logits(0)));
        foreach (int id in Written[..^1])
        {
            run.Forward([new SequenceBlock(cache, new[] { id })], hooks);
            logs.Add(LogSoftmax(run.Logits(0)));
        }

        return [.. logs];
    }

    private static double[] LogSoftmax(ReadOnlySpan<float> logits)
    {
        double[] values = [.. logits.ToArray().Select(logit => (double)logit)];
        double log = Math.Log(values.Sum(value => Math.Exp(value - values.Max()))) + values.Max();
        return [.. values.Select(value => value - log)];
    }

    /// <summary>z of the unsteered model, [tokens, dSae].</summary>
    private float[] Latents(int[] ids)
    {
        float[] latents = new float[ids.Length * _sae.DSae];
        var hooks = new HookSet();
        hooks.Add(Point, rows =>
        {
            _sae.PreActivations(rows.Values, rows.Count, latents, new InputScale[rows.Count]);
            var sparse = new SparseLatents();
            for (int row = 0; row < rows.Count; row++)
            {
                Span<float> dense = latents.AsSpan(row * _sae.DSae, _sae.DSae);
                _sae.Activate(dense, sparse);
                sparse.CopyTo(dense);
            }
        });
        using DecoderRun run = _decoder.CreateRun();
        using KvCache cache = _decoder.CreateCache(ids.Length);
        run.Prefill([cache], ids, hooks, LogitRows.None);
        return latents;
    }
}
