using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

/// <summary>Sequences of plans of their own, side by side or over shared layers, keep their bits.</summary>
public sealed class MixedPlansTests : IDisposable
{
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;
    private readonly SparseAutoencoder _topK = TinyAutoencoder.Create(SaeActivationKind.TopK);
    private readonly SparseAutoencoder _relu = TinyAutoencoder.Create(SaeActivationKind.Relu);

    public MixedPlansTests() => _decoder = _tiny.Load();

    /// <summary>Every hook point of the autoencoder's width, at the first, a middle and the last layer.</summary>
    public static TheoryData<HookKind, int> Points => new MatrixTheoryData<HookKind, int>(
        HookTests.Kinds.Select(row => row.Data).Where(kind => kind is not (
            HookKind.Embed or HookKind.PositionEmbed or HookKind.FinalNorm or HookKind.MlpPre or HookKind.MlpPost)),
        Enumerable.Range(0, TinyModel.Layers));

    [Theory]
    [MemberData(nameof(Points))]
    public void Over_shared_layers_every_method_has_the_bits_it_has_alone(HookKind kind, int layer)
    {
        SteeringPlan?[] plans = [null, .. AllPlans(_topK, new HookPoint(kind, layer))];
        int[] ids = WithEos(TinyModel.Ids(4, 39));
        int shared = plans.Min(plan => plan?.LayersBeforeEdits ?? TinyModel.Layers);
        Assert.Equal(kind == HookKind.ResidualPost ? layer + 1 : layer, shared);
        Outcome[] alone = [.. plans.Select(plan => Run([plan], [ids], 0)[0])];
        int[][] same = [.. plans.Select(_ => ids)];
        Compare(alone, Run(plans, same, shared), "in one pass");
        Compare(alone, Run(plans, same, shared, maxRows: (5 * plans.Length) + 3), "in passes of five tokens");
        Compare(alone, Run(plans, same, shared, maxRows: plans.Length), "token by token");
    }

    [Fact]
    public void Plans_at_different_points_share_the_layers_below_the_first_edit_of_any()
    {
        SteeringPlan?[] plans =
        [
            Swap(_topK, HookPoint.ResidualPost(2)),
            Swap(_relu, HookPoint.ResidualPost(1)),
            null,
            Swap(_topK, HookPoint.ResidualPost(1), new HookPoint(HookKind.MlpOut, 2)),
            Swap(_topK, new HookPoint(HookKind.ResidualPre, 2)),
        ];
        int[] ids = WithEos(TinyModel.Ids(5, 40));
        Outcome[] alone = [.. plans.Select(plan => Run([plan], [ids], 0)[0])];
        int[][] same = [.. plans.Select(_ => ids)];
        Assert.Equal([3, 2, 2, 2], plans.OfType<SteeringPlan>().Select(plan => plan.LayersBeforeEdits));
        for (int shared = 0; shared <= 2; shared++)
        {
            Compare(alone, Run(plans, same, shared), $"{shared} shared layers");
        }
    }

    [Fact]
    public void Different_texts_with_different_plans_and_autoencoders_have_the_bits_they_have_alone()
    {
        HookPoint point = HookPoint.ResidualPost(1);
        SteeringPlan?[] plans = [.. AllPlans(_topK, point), null, .. AllPlans(_relu, point), null];
        int[][] ids = [.. plans.Select((_, i) => WithEos(TinyModel.Ids((ulong)i, 1 + (5 * i % 11))))];
        Assert.InRange(ids.Sum(sequence => sequence.Length), 2 * EditScratch.Rows, DecoderRun.DefaultRows);
        Outcome[] alone = [.. plans.Select((plan, i) => Run([plan], [ids[i]], 0)[0])];
        Compare(alone, Run(plans, ids, 0), "side by side");
    }

    [Fact]
    public void A_plan_that_edits_nothing_leaves_its_sequence_untouched_beside_steered_ones()
    {
        HookPoint point = HookPoint.ResidualPost(1);
        var zero = new SteeringOptions { Strength = 0f };
        SteeringPlan?[] plans =
        [
            Swap(_topK, point),
            Plan(new SteeringOptions { Method = SteeringMethod.Original }),
            null,
            Plan(zero, new LayerEdit(point, _topK, Scores, zero)),
            Swap(_topK, point),
        ];
        int[] ids = TinyModel.Ids(6, 20);
        Outcome unsteered = Run([null], [ids], 0)[0];
        Bits.Same(Passes.Logits(_decoder, ids), unsteered.Logits.AsSpan(0, 20 * TinyModel.Vocabulary), "without hooks");
        foreach (int shared in new[] { 0, 2 })
        {
            Outcome[] together = Run(plans, [.. plans.Select(_ => ids)], shared);
            foreach (int i in new[] { 1, 2, 3 })
            {
                Compare([unsteered], [together[i]], $"sequence {i}");
                Assert.Equal(0, together[i].Statistics.Edits);
            }

            Assert.False(unsteered.Logits.AsSpan().SequenceEqual(together[0].Logits));
            Compare([together[0]], [together[4]], "the steered ones");
        }
    }

    [Fact]
    public void An_edit_within_shared_layers_is_refused()
    {
        int[] ids = TinyModel.Ids(7, 4);
        string Refusal(int shared, params SteeringPlan?[] plans) => Assert.Throws<ArgumentException>(
            () => Run(plans, [.. plans.Select(_ => ids)], shared)).Message;

        SteeringPlan middle = Swap(_topK, new HookPoint(HookKind.ResidualMid, 1));
        const string Expected = "edits at blocks.1.hook_resid_mid of 2 sequences, but the pass has rows of 1 there; "
            + "layers that sequences share must end before the first edit";
        Assert.Equal(Expected, Refusal(2, middle, null));
        Assert.Equal(Expected, Refusal(2, null, middle));
        Assert.Equal(Expected, Refusal(3, middle, middle));
        Assert.Equal(
            Expected.Replace("resid_mid", "resid_post", StringComparison.Ordinal),
            Refusal(3, null, Swap(_topK, HookPoint.ResidualPost(1))));
    }

    [Fact]
    public void A_pass_of_other_sequences_than_the_edits_are_for_is_refused()
    {
        int[] ids = TinyModel.Ids(7, 4);
        HookSet? hooks =
            new SteeringPass().HooksFor([new SteeredSequence(4, Swap(_topK, HookPoint.ResidualPost(1)))]);
        using DecoderRun run = _decoder.CreateRun();
        using KvCache first = _decoder.CreateCache(4);
        using KvCache second = _decoder.CreateCache(4);
        Assert.Equal(
            "edits at blocks.1.hook_resid_post of 1 sequences, but the pass has rows of 2 there; "
            + "layers that sequences share must end before the first edit",
            Assert.Throws<ArgumentException>(
                () => run.Forward([new SequenceBlock(first, ids), new SequenceBlock(second, ids)], hooks)).Message);
    }

    public void Dispose()
    {
        _topK.Dispose();
        _relu.Dispose();
        _decoder.Dispose();
        _tiny.Dispose();
    }

    /// <summary>Logits of all positions and of two more tokens, the cache and the statistics of a sequence.</summary>
    private sealed record Outcome(float[] Logits, float[] Cache, EditStatistics Statistics);

    private static int[] WithEos(int[] ids)
    {
        ids[0] = TinyModel.Eos;
        ids[ids.Length / 2] = TinyModel.Eos;
        return ids;
    }

    private static void Compare(Outcome[] expected, Outcome[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Bits.Same(expected[i].Logits, actual[i].Logits, $"{what}: logits of sequence {i}");
            Bits.Same(expected[i].Cache, actual[i].Cache, $"{what}: cache of sequence {i}");
            Assert.Equal(expected[i].Statistics.Edits, actual[i].Statistics.Edits);
            Assert.Equal(expected[i].Statistics.MeanRelativeChange, actual[i].Statistics.MeanRelativeChange);
            Assert.Equal(expected[i].Statistics.UnsupportedShare, actual[i].Statistics.UnsupportedShare);
        }
    }

    private SteeringPlan Plan(SteeringOptions options, params LayerEdit[] edits) =>
        new(_decoder.Spec, options, edits, [TinyModel.Eos]);

    private SteeringPlan Swap(SparseAutoencoder sae, params HookPoint[] points)
    {
        var options = new SteeringOptions();
        return Plan(options, [.. points.Select(point => new LayerEdit(point, sae, Scores, options))]);
    }

    /// <summary>A plan for each method in each mode that has it, one of generated tokens only, and one with a gate.</summary>
    private IEnumerable<SteeringPlan> AllPlans(SparseAutoencoder sae, HookPoint point) =>
        from options in Enum.GetValues<SteeringMethod>()
            .SelectMany(method => Enum.GetValues<SteeringMode>()
                .Where(mode => mode == SteeringMode.Corrected || SteeringMethods.IsPublished(method))
                .Select(mode => new SteeringOptions { Method = method, Mode = mode }))
            .Append(new SteeringOptions { Positions = new PositionPolicy(PositionKind.Generated) })
            .Append(new SteeringOptions { Gate = new SteeringGate(GateKind.Latent, Above: true, 0.1f), HalfLife = 1 })
        select Plan(options, new LayerEdit(point, sae, [LayerEditTests.RandomTopic()], options));

    /// <summary>
    /// The sequences read side by side; those that share layers, together. Then two more tokens each, which differ.
    /// </summary>
    private Outcome[] Run(
        SteeringPlan?[] plans, int[][] ids, int sharedLayers, int maxRows = DecoderRun.DefaultRows * 2)
    {
        SteeredSequence[] sequences = [.. plans.Select((plan, i) => new SteeredSequence(ids[i].Length, plan))];
        HookSet? hooks = new SteeringPass().HooksFor(sequences);
        List<float>[] logits = [.. ids.Select(_ => new List<float>())];
        KvCache[] caches = [.. ids.Select(sequence => _decoder.CreateCache(sequence.Length + 2))];
        try
        {
            using DecoderRun run = _decoder.CreateRun(maxRows);
            if (ids.All(sequence => sequence == ids[0]))
            {
                run.Prefill(caches, ids[0], hooks, LogitRows.All, sharedLayers, afterPass: () =>
                    Collect(run, logits, [.. ids.Select(_ => run.LogitCount / ids.Length)]));
            }
            else
            {
                run.Forward(
                    [.. caches.Select((cache, i) => new SequenceBlock(cache, ids[i]))], hooks, LogitRows.All);
                Collect(run, logits, [.. ids.Select(sequence => sequence.Length)]);
            }

            for (int step = 0; step < 2; step++)
            {
                // Which token follows depends on the text and plan alone.
                run.Forward(
                    [.. caches.Select((cache, i) => new SequenceBlock(cache, new[] { Likeliest(logits[i]) }))], hooks);
                Collect(run, logits, [.. ids.Select(_ => 1)]);
            }

            return
            [
                .. caches.Select((cache, i) => new Outcome(
                    [.. logits[i]], Passes.Held(cache), sequences[i].Statistics)),
            ];
        }
        finally
        {
            Array.ForEach(caches, cache => cache.Dispose());
        }
    }

    private static int Likeliest(List<float> logits)
    {
        List<float> last = logits[^TinyModel.Vocabulary..];
        return last.IndexOf(last.Max());
    }

    private static void Collect(DecoderRun run, List<float>[] logits, int[] rows)
    {
        int row = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            for (int end = row + rows[i]; row < end; row++)
            {
                logits[i].AddRange(run.Logits(row));
            }
        }
    }
}
