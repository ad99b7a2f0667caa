using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Steering;

/// <summary>A steered sequence has the same bits however it is cut, joined and shared out.</summary>
public sealed class SteeringEquivalenceTests : IDisposable
{
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();
    private static readonly SteeringTopic Topic = LayerEditTests.RandomTopic();

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;

    public SteeringEquivalenceTests() => _decoder = _tiny.Load();

    public static TheoryData<SteeringMethod> Methods => [.. Enum.GetValues<SteeringMethod>()];

    /// <summary>Every method in every mode that has it and with every activation.</summary>
    public static TheoryData<SteeringMethod, SteeringMode, SaeActivationKind> Cases
    {
        get
        {
            var cases = new TheoryData<SteeringMethod, SteeringMode, SaeActivationKind>();
            foreach (SteeringMethod method in Enum.GetValues<SteeringMethod>())
            {
                foreach (SteeringMode mode in Enum.GetValues<SteeringMode>().Where(
                    mode => mode == SteeringMode.Corrected || SteeringMethods.IsPublished(method)))
                {
                    foreach (SaeActivationKind kind in Enum.GetValues<SaeActivationKind>())
                    {
                        cases.Add(method, mode, kind);
                    }
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void In_one_block_cut_up_and_beside_others_the_logits_are_the_same(
        SteeringMethod method, SteeringMode mode, SaeActivationKind kind)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(kind);
        SteeringPlan plan = Plan(_decoder, sae, new SteeringOptions { Method = method, Mode = mode });
        int[][] ids =
            [WithEos(TinyModel.Ids(1, TinyModel.Context)), WithEos(TinyModel.Ids(2, 5)), WithEos(TinyModel.Ids(3, 33))];
        float[][] alone = [.. ids.Select(sequence => Logits(_decoder, plan, sequence, [sequence.Length]))];
        for (int i = 0; i < ids.Length; i++)
        {
            int[] blocks = Passes.Cut(ids[i].Length, 9, (ulong)i);
            Bits.Same(alone[i], Logits(_decoder, plan, ids[i], blocks), $"sequence {i} in blocks");
            Bits.Same(
                alone[i], Logits(_decoder, plan, ids[i], Enumerable.Repeat(1, ids[i].Length)),
                $"sequence {i} token by token");
        }

        float[][] together = TogetherLogits(plan, ids);
        for (int i = 0; i < ids.Length; i++)
        {
            Bits.Same(
                alone[i].AsSpan(alone[i].Length - TinyModel.Vocabulary), together[i], $"sequence {i} beside others");
        }

        bool unsteered = method == SteeringMethod.Original;
        Assert.Equal(unsteered, alone[0].AsSpan().SequenceEqual(Passes.Logits(_decoder, ids[0])));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Any_number_of_threads_and_any_width_give_the_same_logits(
        SteeringMethod method, SteeringMode mode, SaeActivationKind kind)
    {
        int[] ids = TinyModel.Ids(1, TinyModel.Context);
        float[]? expected = null;
        using var two = new WorkerPool(2);
        using var three = new WorkerPool(3);
        foreach (WorkerPool pool in Bits.Pools.Append(two).Append(three))
        {
            using Decoder decoder = Decoder.Load(_tiny.Path, new LoadOptions { Pool = pool });
            using SparseAutoencoder sae = TinyAutoencoder.Create(kind, pool);
            SteeringPlan plan = Plan(decoder, sae, new SteeringOptions { Method = method, Mode = mode });
            float[] logits = Logits(decoder, plan, ids, [ids.Length]);
            expected ??= logits;
            Bits.Same(expected, logits, "another pool");
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void At_strength_zero_nothing_is_hooked_and_nothing_differs(SteeringMethod method)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan plan = Plan(_decoder, sae, new SteeringOptions { Method = method, Strength = 0f });
        Assert.Null(new SteeringPass().HooksFor([new SteeredSequence(20, plan), new SteeredSequence(20, null)]));
        int[] ids = TinyModel.Ids(1, 20);
        Bits.Same(Passes.Logits(_decoder, ids), Logits(_decoder, plan, ids, [20]), "logits");
    }

    [Theory]
    [InlineData("present:0.2", 4.0)]
    [InlineData("absent:0.2", null)]
    [InlineData("cosine-above:0", 2.5)]
    [InlineData("cosine-below:0.05", null)]
    public void With_a_gate_and_a_half_life_blocks_give_the_same_logits(string gate, double? halfLife)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        foreach (SteeringMethod method in Enum.GetValues<SteeringMethod>().Where(SteeringMethods.NeedsScores))
        {
            var options = new SteeringOptions { Method = method, Gate = SteeringGate.Parse(gate), HalfLife = halfLife };
            SteeringPlan plan = Plan(_decoder, sae, options);
            int[] ids = TinyModel.Ids(1, TinyModel.Context);
            float[] whole = Logits(_decoder, plan, ids, [ids.Length], promptLength: 5);
            Bits.Same(whole, Logits(_decoder, plan, ids, Enumerable.Repeat(1, ids.Length), promptLength: 5), gate);
            Bits.Same(whole, Logits(_decoder, plan, ids, Passes.Cut(ids.Length, 7, 3), promptLength: 5), gate);
        }
    }

    [Fact]
    public void Scores_of_one_change_no_bit_of_the_logits()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        var ones =
            new LatentScores(Enumerable.Repeat(1.0, sae.DSae).ToArray(), Enumerable.Repeat(true, sae.DSae).ToArray());
        var options = new SteeringOptions { Strength = 2f };
        var edit = new LayerEdit(HookPoint.ResidualPost(1), sae, ones, options);
        var plan = new SteeringPlan(_decoder.Spec, options, [edit], []);
        int[] ids = TinyModel.Ids(1, 20);
        Bits.Same(Passes.Logits(_decoder, ids), Logits(_decoder, plan, ids, [20]), "logits");
    }

    [Theory]
    [InlineData("all", "0,1,2,3,4,5,6,7,8,9")]
    [InlineData("all-but-special", "1,2,3,4,6,7,8,9")]
    [InlineData("prompt", "1,2,3")]
    [InlineData("generated", "4,6,7,8,9")]
    [InlineData("2:8", "2,3,4,6,7")]
    public void Only_the_positions_of_the_policy_are_edited(string policy, string expected)
    {
        int[] ids = TinyModel.Ids(1, 10);
        ids[0] = TinyModel.Eos;
        ids[5] = TinyModel.Eos;
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        var options = new SteeringOptions { Positions = PositionPolicy.Parse(policy) };
        var point = HookPoint.ResidualPost(1);
        var plan =
            new SteeringPlan(_decoder.Spec, options, [new LayerEdit(point, sae, Scores, options)], [TinyModel.Eos]);
        float[] before = Passes.Values(_decoder, ids, point);
        var sequence = new SteeredSequence(promptLength: 4, plan);
        float[] after = Passes.Values(_decoder, ids, point, new SteeringPass().HooksFor([sequence]));
        IEnumerable<int> edited = Enumerable.Range(0, 10).Where(
            p => !before.AsSpan(p * 40, 40).SequenceEqual(after.AsSpan(p * 40, 40)));
        Assert.Equal(expected, string.Join(',', edited));
        Assert.Equal(expected.Split(',').Length, sequence.Statistics.Edits);
    }

    [Fact]
    public void A_steered_step_in_steady_state_allocates_nothing()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        foreach (SteeringMethod method in Enum.GetValues<SteeringMethod>().Where(SteeringMethods.NeedsScores))
        {
            var gate = new SteeringGate(GateKind.Latent, Above: false, 0.5f);
            SteeringPlan plan = Plan(_decoder, sae, new SteeringOptions { Method = method, Gate = gate, HalfLife = 9 });
            HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(1, plan)]);
            using DecoderRun run = _decoder.CreateRun(1);
            using KvCache cache = _decoder.CreateCache(TinyModel.Context);
            SequenceBlock[] block = [new SequenceBlock(cache, new[] { 7 })];
            Assert.Equal(0, SteadyState.BytesAllocated(TinyModel.Context, () => run.Forward(block, hooks)));
        }
    }

    [Fact]
    public void A_step_of_a_mixed_batch_in_steady_state_allocates_nothing()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan?[] plans =
        [
            null,
            Plan(_decoder, sae, new SteeringOptions { Strength = 0f }),
            .. Enum.GetValues<SteeringMethod>().Select(
                method => Plan(_decoder, sae, new SteeringOptions { Method = method })),
            Plan(_decoder, sae, new SteeringOptions { Mode = SteeringMode.Seed }),
        ];
        HookSet? hooks = new SteeringPass().HooksFor([.. plans.Select(plan => new SteeredSequence(1, plan))]);
        using DecoderRun run = _decoder.CreateRun(plans.Length);
        KvCache[] caches = [.. plans.Select(_ => _decoder.CreateCache(TinyModel.Context))];
        SequenceBlock[] blocks = [.. caches.Select((cache, i) => new SequenceBlock(cache, new[] { i }))];
        Assert.Equal(0, SteadyState.BytesAllocated(TinyModel.Context, () => run.Forward(blocks, hooks)));
        Array.ForEach(caches, cache => cache.Dispose());
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _tiny.Dispose();
    }

    /// <summary>Edits at two layers; the special token is EOS.</summary>
    private static SteeringPlan Plan(Decoder decoder, SparseAutoencoder sae, SteeringOptions options) => new(
        decoder.Spec,
        options,
        [
            new LayerEdit(HookPoint.ResidualPost(0), sae, [Topic], options),
            new LayerEdit(new HookPoint(HookKind.ResidualMid, 2), sae, [Topic], options),
        ],
        [TinyModel.Eos]);

    private static int[] WithEos(int[] ids)
    {
        ids[0] = TinyModel.Eos;
        ids[ids.Length / 2] = TinyModel.Eos;
        return ids;
    }

    private static float[] Logits(
        Decoder decoder, SteeringPlan plan, int[] ids, IEnumerable<int> blocks, int? promptLength = null)
    {
        HookSet? hooks = new SteeringPass().HooksFor([new SteeredSequence(promptLength ?? ids.Length, plan)]);
        return Passes.Logits(decoder, ids, hooks, blocks);
    }

    /// <summary>The sequences read side by side in two passes; logits of their last positions.</summary>
    private float[][] TogetherLogits(SteeringPlan plan, int[][] ids)
    {
        HookSet? hooks =
            new SteeringPass().HooksFor([.. ids.Select(sequence => new SteeredSequence(sequence.Length, plan))]);
        using DecoderRun run = _decoder.CreateRun();
        KvCache[] caches = [.. ids.Select(sequence => _decoder.CreateCache(sequence.Length))];
        SequenceBlock Block(int i, Range range) => new(caches[i], ids[i].AsMemory()[range]);
        int[] all = [.. Enumerable.Range(0, ids.Length)];
        run.Forward([.. all.Select(i => Block(i, ..(ids[i].Length / 2)))], hooks, LogitRows.None);
        run.Forward([.. all.Select(i => Block(i, (ids[i].Length / 2)..))], hooks);
        Array.ForEach(caches, cache => cache.Dispose());
        return [.. all.Select(i => run.Logits(i).ToArray())];
    }
}
