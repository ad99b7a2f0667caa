using LayerSteer.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

public sealed class HookTests : IDisposable
{
    private static readonly int[] Ids = TinyModel.Ids(1, 13);

    private readonly TinyModel _tiny = new();
    private readonly Decoder _decoder;

    public HookTests() => _decoder = _tiny.Load();

    /// <summary>Those of GPT-2; <see cref="FamilyTests"/> has the others.</summary>
    public static TheoryData<HookKind> Kinds => [.. Enum.GetValues<HookKind>().Where(kind => kind is not (
        HookKind.RotatedQuery or HookKind.RotatedKey or HookKind.MlpPreLinear))];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_hook_sees_every_row_once_in_its_width_and_reading_changes_nothing(HookKind kind)
    {
        HookPoint point = PointOf(kind);
        int calls = 0;
        HookSet hooks = new HookSet().Add(point, rows =>
        {
            calls++;
            Assert.Equal(point.WidthIn(_decoder.Spec), rows.Width);
            Assert.Equal(Ids.Length * rows.Width, rows.Values.Length);
            Assert.Equal(Ids, rows.Tokens.ToArray());
            Assert.Equal(Enumerable.Range(0, Ids.Length), rows.Positions.ToArray());
            Assert.Equal(new int[Ids.Length], rows.Sequences.ToArray());
            rows.Values.ToArray().CopyTo(rows.Values);
        });
        Bits.Same(Passes.Logits(_decoder, Ids), Passes.Logits(_decoder, Ids, hooks), kind.ToString());
        Assert.Equal(1, calls);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_a_hook_writes_is_what_the_model_goes_on_with(HookKind kind)
    {
        // A query or key alone may not change the pattern of position 0, so the last row is the one to look at.
        HookSet hooks = new HookSet().Add(PointOf(kind), rows =>
        {
            foreach (ref float value in rows.Values)
            {
                value = (value * 1.5f) + 0.25f;
            }
        });
        float[] before = Passes.Logits(_decoder, Ids);
        float[] after = Passes.Logits(_decoder, Ids, hooks);
        Assert.NotEqual(before[^TinyModel.Vocabulary..], after[^TinyModel.Vocabulary..]);
    }

    [Fact]
    public void Hooks_of_one_point_run_in_the_order_in_which_they_were_added()
    {
        var point = HookPoint.ResidualPost(1);
        float[] seen = [];
        HookSet hooks = new HookSet()
            .Add(point, rows => rows.Values.Fill(2f))
            .Add(point, rows => seen = rows.Values.ToArray())
            .Add(point, rows => rows.Values.Clear());
        Assert.All(seen = Passes.Values(_decoder, Ids, point, hooks), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void The_residual_that_leaves_a_block_enters_the_next_edited_or_not()
    {
        HookSet edit = new HookSet().Add(HookPoint.ResidualPost(0), rows => rows.Values[3] = 7f);
        foreach (HookSet? hooks in new[] { null, edit })
        {
            float[] leaving = Passes.Values(_decoder, Ids, HookPoint.ResidualPost(0), hooks);
            float[] entering = Passes.Values(_decoder, Ids, new HookPoint(HookKind.ResidualPre, 1), hooks);
            Bits.Same(leaving, entering, "residual");
        }
    }

    [Fact]
    public void A_block_whose_parts_add_nothing_passes_the_residual_on()
    {
        const int Layer = 1;
        HookSet nothing = new HookSet()
            .Add(new HookPoint(HookKind.AttentionOut, Layer), rows => rows.Values.Clear())
            .Add(new HookPoint(HookKind.MlpOut, Layer), rows => rows.Values.Clear());
        float[] before = Passes.Values(_decoder, Ids, new HookPoint(HookKind.ResidualPre, Layer), nothing);
        Bits.Same(before, Passes.Values(_decoder, Ids, HookPoint.ResidualPost(Layer), nothing), "resid_post");
        Bits.Same(
            before, Passes.Values(_decoder, Ids, new HookPoint(HookKind.ResidualMid, Layer), nothing), "resid_mid");
    }

    [Fact]
    public void The_residual_is_the_sum_of_what_the_hooks_of_its_parts_see()
    {
        float[] Of(HookKind kind, int layer = 1) => Passes.Values(_decoder, Ids, new HookPoint(kind, layer));
        float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];
        Bits.Same(
            Sum(Of(HookKind.Embed, -1), Of(HookKind.PositionEmbed, -1)), Of(HookKind.ResidualPre, 0), "resid_pre");
        Bits.Same(Sum(Of(HookKind.ResidualPre), Of(HookKind.AttentionOut)), Of(HookKind.ResidualMid), "resid_mid");
        Bits.Same(Sum(Of(HookKind.ResidualMid), Of(HookKind.MlpOut)), Of(HookKind.ResidualPost), "resid_post");
    }

    [Fact]
    public void The_final_norm_sees_only_the_rows_that_get_logits()
    {
        using DecoderRun run = _decoder.CreateRun();
        using KvCache first = _decoder.CreateCache(20);
        using KvCache second = _decoder.CreateCache(20);
        int[] positions = [];
        int[] sequences = [];
        int[] tokens = [];
        HookSet hooks = new HookSet().Add(new HookPoint(HookKind.FinalNorm, -1), rows =>
        {
            positions = rows.Positions.ToArray();
            sequences = rows.Sequences.ToArray();
            tokens = rows.Tokens.ToArray();
        });
        run.Forward([new SequenceBlock(first, Ids), new SequenceBlock(second, new[] { 5, 6 })], hooks);
        Assert.Equal([Ids.Length - 1, 1], positions);
        Assert.Equal([0, 1], sequences);
        Assert.Equal([Ids[^1], 6], tokens);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_name_reads_back_to_its_point(HookKind kind)
    {
        HookPoint point = PointOf(kind);
        Assert.Equal(point, HookPoint.Parse(point.ToString()));
    }

    [Theory]
    [InlineData("hook_resid_post")]
    [InlineData("blocks.x.hook_resid_post")]
    [InlineData("blocks.-1.hook_resid_post")]
    [InlineData("blocks.1.hook_resid")]
    [InlineData("blocks.99999999999.hook_resid_post")]
    [InlineData("")]
    public void Another_name_is_refused_with_those_there_are(string name) => Assert.Equal(
        $"no hook point '{name}'; there are hook_embed, hook_pos_embed, ln_final.hook_normalized, "
        + "and in each block (blocks.L.…) "
        + "hook_resid_pre, ln1.hook_normalized, attn.hook_q, attn.hook_k, attn.hook_v, attn.hook_rot_q, "
        + "attn.hook_rot_k, attn.hook_z, hook_attn_out, hook_resid_mid, ln2.hook_normalized, mlp.hook_pre, "
        + "mlp.hook_pre_linear, mlp.hook_post, hook_mlp_out, hook_resid_post",
        Assert.Throws<ArgumentException>(() => HookPoint.Parse(name)).Message);

    [Fact]
    public void A_hook_that_would_never_be_called_is_refused()
    {
        string Refusal(HookPoint point, int? lastLayer = null) => Assert.Throws<ArgumentException>(
            () => Passes.Values(_decoder, Ids, point, null, lastLayer)).Message;

        Assert.Equal(
            "no hook point 'blocks.3.hook_resid_post'; this model has layers 0 to 2",
            Refusal(HookPoint.ResidualPost(3)));
        Assert.Equal(
            "no hook point 'blocks.1.attn.hook_rot_q' in a gpt2 model; there are hook_embed, hook_pos_embed, "
            + "ln_final.hook_normalized, and in each block (blocks.L.…) hook_resid_pre, ln1.hook_normalized, "
            + "attn.hook_q, attn.hook_k, attn.hook_v, attn.hook_z, hook_attn_out, hook_resid_mid, "
            + "ln2.hook_normalized, mlp.hook_pre, mlp.hook_post, hook_mlp_out, hook_resid_post",
            Refusal(new HookPoint(HookKind.RotatedQuery, 1)));
        Assert.Equal(
            "no hook point 'blocks.-1.hook_resid_post'; this model has layers 0 to 2",
            Refusal(HookPoint.ResidualPost(-1)));
        Assert.Equal(
            "hook point 'hook_embed' belongs to no layer; expected -1, found 0",
            Refusal(new HookPoint(HookKind.Embed, 0)));
        Assert.Equal(
            "the pass ends after layer 1 and does not reach 'blocks.2.hook_resid_post'",
            Refusal(HookPoint.ResidualPost(2), 1));
        Assert.Equal(
            "the pass ends after layer 1 and does not reach 'ln_final.hook_normalized'",
            Refusal(new HookPoint(HookKind.FinalNorm, -1), 1));
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _tiny.Dispose();
    }

    private static HookPoint PointOf(HookKind kind) =>
        new(kind, kind is HookKind.Embed or HookKind.PositionEmbed or HookKind.FinalNorm ? -1 : 1);
}
