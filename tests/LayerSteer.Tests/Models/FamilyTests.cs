using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>Every family computes what its formulas say, and the same bits however its tokens are read.</summary>
public sealed class FamilyTests
{
    private static readonly int[] Ids = TinyFamily.Ids(1, TinyFamily.Context);

    /// <summary>Tolerance: float32 roundings of values up to about 40, over three blocks.</summary>
    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Residuals_and_logits_are_those_of_the_formulas(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        (double[][][] residuals, double[][] logits) = new ScalarModel(tiny).Run(Ids);
        for (int layer = 0; layer < TinyFamily.Layers; layer++)
        {
            AssertClose(residuals[layer], Passes.Values(decoder, Ids, HookPoint.ResidualPost(layer)), $"{name} {layer}");
        }

        AssertClose(logits, Passes.Logits(decoder, Ids), $"{name} logits");
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Cached_cut_and_beside_others_the_logits_are_the_same_bits(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        float[] whole = Passes.Logits(decoder, Ids);
        Bits.Same(whole, Passes.Logits(decoder, Ids, blocks: Enumerable.Repeat(1, Ids.Length)), "token by token");
        Bits.Same(whole, Passes.Logits(decoder, Ids, blocks: Passes.Cut(Ids.Length, 11, 3)), "in blocks");

        using DecoderRun run = decoder.CreateRun();
        int[][] ids = [Ids, TinyFamily.Ids(2, 7), TinyFamily.Ids(3, 20)];
        KvCache[] caches = [.. ids.Select(_ => decoder.CreateCache(TinyFamily.Context))];
        run.Forward([.. ids.Select((tokens, i) => new SequenceBlock(caches[i], tokens))]);
        for (int i = 0; i < ids.Length; i++)
        {
            float[] alone = Passes.Logits(decoder, ids[i]);
            Bits.Same(alone.AsSpan(alone.Length - TinyFamily.Vocabulary), run.Logits(i), $"sequence {i}");
            caches[i].Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Any_threads_and_any_register_width_give_the_same_bits(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using var three = new WorkerPool(3);
        foreach (WeightType type in Enum.GetValues<WeightType>())
        {
            float[]? expected = null;
            foreach (WorkerPool pool in Bits.Pools.Append(three))
            {
                using Decoder decoder = tiny.Load(new LoadOptions { Pool = pool, Type = type });
                float[] logits = Passes.Logits(decoder, Ids, blocks: [40, 1, 7]);
                expected ??= logits;
                Bits.Same(expected, logits, $"{name} {type}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void A_step_in_steady_state_allocates_nothing(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        using DecoderRun run = decoder.CreateRun(1);
        using KvCache cache = decoder.CreateCache(TinyFamily.Context);
        SequenceBlock[] block = [new SequenceBlock(cache, new[] { 7 })];
        Assert.Equal(0, SteadyState.BytesAllocated(TinyFamily.Context, () => run.Forward(block)));
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Stored_in_bfloat16_a_model_stays_so_and_loses_nothing(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Write(TensorType.BF16);
        using Decoder narrow = tiny.Load();
        Assert.Equal(WeightType.BF16, narrow.Type);
        using Decoder wide = tiny.Load(new LoadOptions { Type = WeightType.F32 });
        Bits.Same(Passes.Logits(wide, Ids), Passes.Logits(narrow, Ids), name);
        Assert.True(narrow.BytesPerToken < wide.BytesPerToken * 0.56);
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Hooks_see_every_row_and_reading_and_writing_back_changes_nothing(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        float[] plain = Passes.Logits(decoder, Ids);
        foreach (HookKind kind in Enum.GetValues<HookKind>())
        {
            HookPoint point = PointOf(kind);
            int rows = 0;
            HookSet read = new HookSet().Add(point, seen =>
            {
                rows += seen.Count;
                seen.Values.ToArray().CopyTo(seen.Values);
            });
            if (!point.ExistsIn(decoder.Spec))
            {
                string refusal = Assert.Throws<ArgumentException>(() => Passes.Logits(decoder, Ids, read)).Message;
                Assert.StartsWith(
                    $"no hook point '{point}' in a {decoder.Spec.Family} model; there are hook_embed, ",
                    refusal,
                    StringComparison.Ordinal);
                Assert.DoesNotContain(point.ToString().Split('.')[^1] + ",", refusal, StringComparison.Ordinal);
                Assert.Throws<ArgumentException>(() => point.WidthIn(decoder.Spec));
                continue;
            }

            Bits.Same(plain, Passes.Logits(decoder, Ids, read), kind.ToString());
            Assert.Equal(Ids.Length, rows);
            HookSet write = new HookSet().Add(point, seen =>
            {
                foreach (ref float value in seen.Values)
                {
                    value = (value * 1.5f) + 0.25f;
                }
            });
            Assert.NotEqual(
                plain[^TinyFamily.Vocabulary..], Passes.Logits(decoder, Ids, write)[^TinyFamily.Vocabulary..]);
        }
    }

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void What_the_parts_add_makes_the_residual(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        float[] Of(HookKind kind) => Passes.Values(decoder, Ids, new HookPoint(kind, 1));
        float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];
        float[] middle = Sum(Of(HookKind.ResidualPre), Of(HookKind.AttentionOut));
        Bits.Same(Sum(middle, Of(HookKind.MlpOut)), Of(HookKind.ResidualPost), "resid_post");
        if (!decoder.Spec.ParallelResidual)
        {
            Bits.Same(middle, Of(HookKind.ResidualMid), "resid_mid");
        }
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("gemma2")]
    public void Hook_normalized_of_a_root_mean_square_norm_is_before_its_weight(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        using Decoder decoder = tiny.Load();
        float[] x = Passes.Values(decoder, Ids, new HookPoint(HookKind.ResidualPre, 1));
        float[] y = Passes.Values(decoder, Ids, new HookPoint(HookKind.Norm1, 1));
        for (int row = 0; row < Ids.Length; row++)
        {
            double[] values = [.. x.Skip(row * TinyFamily.DModel).Take(TinyFamily.DModel).Select(v => (double)v)];
            double size = Math.Sqrt(values.Average(v => v * v) + 1e-6);
            for (int i = 0; i < values.Length; i++)
            {
                Assert.Equal(values[i] / size, y[(row * TinyFamily.DModel) + i], 1e-5);
            }
        }
    }

    [Theory]
    [InlineData("mistral")]
    [InlineData("gemma2")]
    public void What_a_window_has_left_behind_counts_no_more(string name)
    {
        // In a model whose first block alone is left, the last logits depend on the window's tokens only.
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Text["num_hidden_layers"] = 1;
        foreach (string key in tiny.Tensors.Keys.Where(k => k.StartsWith("layers.1", StringComparison.Ordinal)
            || k.StartsWith("layers.2", StringComparison.Ordinal)).ToArray())
        {
            tiny.Tensors.Remove(key);
        }

        using Decoder decoder = tiny.Load();
        int[] other = [.. TinyFamily.Ids(9, 30 - TinyFamily.Window), .. Ids[(30 - TinyFamily.Window)..30]];
        Bits.Same(
            Passes.Logits(decoder, Ids[..30]).AsSpan(^TinyFamily.Vocabulary..),
            Passes.Logits(decoder, other).AsSpan(^TinyFamily.Vocabulary..),
            "last logits");
    }

    internal static HookPoint PointOf(HookKind kind) =>
        new(kind, kind is HookKind.Embed or HookKind.PositionEmbed or HookKind.FinalNorm ? -1 : 1);

    private static void AssertClose(double[][] expected, float[] actual, string what)
    {
        double[] all = [.. expected.SelectMany(row => row)];
        Assert.Equal(all.Length, actual.Length);
        double largest = all.Max(Math.Abs);
        double tolerance = 5e-6 * Math.Max(1, largest);
        double worst = all.Zip(actual, (e, a) => Math.Abs(e - a)).Max();
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: off by {worst:E2}, largest {largest:F2}");
        Assert.True(worst <= tolerance, $"{what}: off by {worst:E3}, tolerance {tolerance:E3}, largest {largest:F2}");
    }
}
