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

/// <summary>Steering a layer works alike in every family.</summary>
public sealed class FamilySteeringTests
{
    private static readonly LatentScores Scores = LayerEditTests.RandomScores();
    private static readonly int[] Ids = TinyFamily.Ids(1, TinyFamily.Context);

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void At_strength_zero_no_bit_differs_and_otherwise_the_logits_do(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        float[] plain = Passes.Logits(decoder, Ids);
        Bits.Same(plain, Logits(decoder, Plan(decoder, sae, 0f), Ids, [Ids.Length]), "strength 0");
        Assert.NotEqual(plain, Logits(decoder, Plan(decoder, sae, 1f), Ids, [Ids.Length]));
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Cached_beside_others_and_on_any_threads_the_steered_logits_are_the_same_bits(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan plan = Plan(decoder, sae, 1.5f);
        float[] whole = Logits(decoder, plan, Ids, [Ids.Length]);
        Bits.Same(whole, Logits(decoder, plan, Ids, Enumerable.Repeat(1, Ids.Length)), "token by token");

        using (var three = new WorkerPool(3))
        using (Decoder threaded = Decoder.Load(tiny.Path, new LoadOptions { Pool = three }))
        using (SparseAutoencoder other = TinyAutoencoder.Create(SaeActivationKind.TopK, three))
        {
            Bits.Same(whole, Logits(threaded, Plan(threaded, other, 1.5f), Ids, [20, 28]), "three threads");
        }

        using DecoderRun run = decoder.CreateRun();
        using KvCache steered = decoder.CreateCache(TinyFamily.Context);
        using KvCache unsteered = decoder.CreateCache(TinyFamily.Context);
        HookSet? hooks = new SteeringPass().HooksFor(
            [new SteeredSequence(Ids.Length, plan), new SteeredSequence(Ids.Length, null)]);
        run.Forward([new SequenceBlock(steered, Ids), new SequenceBlock(unsteered, Ids)], hooks);
        Bits.Same(whole.AsSpan(^TinyFamily.Vocabulary..), run.Logits(0), "beside another");
        Bits.Same(Passes.Logits(decoder, Ids).AsSpan(^TinyFamily.Vocabulary..), run.Logits(1), "the other");
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Over_shared_layers_each_sequence_has_the_bits_it_has_alone(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        SteeringPlan plan = Plan(decoder, sae, 1f);
        using DecoderRun run = decoder.CreateRun();
        using KvCache first = decoder.CreateCache(TinyFamily.Context);
        using KvCache second = decoder.CreateCache(TinyFamily.Context);
        HookSet? hooks = new SteeringPass().HooksFor(
            [new SteeredSequence(Ids.Length, null), new SteeredSequence(Ids.Length, plan)]);
        run.Prefill(
            [first, second], Ids, hooks, LogitRows.Last, plan.LayersBeforeEdits,
            cancellation: TestContext.Current.CancellationToken);
        Bits.Same(Passes.Logits(decoder, Ids).AsSpan(^TinyFamily.Vocabulary..), run.Logits(0), "unsteered");
        Bits.Same(
            Logits(decoder, plan, Ids, [Ids.Length]).AsSpan(^TinyFamily.Vocabulary..), run.Logits(1), "steered");
    }

    [Fact]
    public void An_autoencoder_at_a_hook_point_that_a_family_lacks_is_refused()
    {
        using TinyFamily tiny = TinyFamily.Create("gpt_neox");
        using Decoder decoder = tiny.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        Assert.Equal(
            "no hook point 'blocks.1.hook_resid_mid' in a gpt_neox model; there are hook_embed, "
            + "ln_final.hook_normalized, and in each block (blocks.L.…) hook_resid_pre, ln1.hook_normalized, "
            + "attn.hook_q, attn.hook_k, attn.hook_v, attn.hook_rot_q, attn.hook_rot_k, attn.hook_z, hook_attn_out, "
            + "ln2.hook_normalized, mlp.hook_pre, mlp.hook_post, hook_mlp_out, hook_resid_post",
            Assert.Throws<ArgumentException>(
                () => sae.RequireFits(decoder.Spec, new HookPoint(HookKind.ResidualMid, 1))).Message);
    }

    private static SteeringPlan Plan(Decoder decoder, SparseAutoencoder sae, float strength)
    {
        var options = new SteeringOptions { Strength = strength };
        return new SteeringPlan(
            decoder.Spec, options, [new LayerEdit(HookPoint.ResidualPost(1), sae, Scores, options)], [2]);
    }

    private static float[] Logits(Decoder decoder, SteeringPlan plan, int[] ids, IEnumerable<int> blocks) =>
        Passes.Logits(
            decoder, ids, new SteeringPass().HooksFor([new SteeredSequence(ids.Length, plan)]), blocks);
}
