using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

public class SparseAutoencoderTests
{
    private const int Rows = 9;
    private const int DIn = TinyAutoencoder.DIn;
    private const int DSae = TinyAutoencoder.DSae;

    [Theory]
    [MemberData(nameof(TinyAutoencoder.Kinds), MemberType = typeof(TinyAutoencoder))]
    public void Values_are_those_of_the_formula(SaeActivationKind kind)
    {
        using var tiny = new TinyAutoencoder(kind);
        using SparseAutoencoder sae = tiny.Load();
        float[] x = RandomFloats.Of(1, Rows * DIn, 4f);
        (float[] a, InputScale[] scales) = Encode(sae, x);
        var latents = new SparseLatents();
        float[] reconstruction = new float[DIn];
        for (int row = 0; row < Rows; row++)
        {
            double[] input = [.. x.Skip(row * DIn).Take(DIn).Select(v => (double)v)];
            double mean = kind == SaeActivationKind.Relu ? 0 : input.Average();
            double std =
                kind == SaeActivationKind.Relu ? 1 : Math.Sqrt(input.Sum(v => (v - mean) * (v - mean)) / (DIn - 1));
            double divisor = kind == SaeActivationKind.Relu ? 1 : std + 1e-5;
            for (int f = 0; f < DSae; f++)
            {
                double sum = tiny.Tensors["latent_bias"].Values[f];
                for (int i = 0; i < DIn; i++)
                {
                    double normalised = ((input[i] - mean) / divisor) - tiny.Tensors["pre_bias"].Values[i];
                    sum += normalised * tiny.Tensors["encoder.weight"].Values[(f * DIn) + i];
                }

                Assert.Equal(sum, a[(row * DSae) + f], 2e-5); // 40 products of up to 4, rounded one after another
            }

            float[] own = a[(row * DSae)..((row + 1) * DSae)];
            sae.Activate(own, latents);
            IEnumerable<int> kept = Enumerable.Range(0, DSae);
            if (kind != SaeActivationKind.Relu)
            {
                kept = kept.OrderByDescending(f => own[f]).ThenBy(f => f).Take(TinyAutoencoder.K).Order();
            }

            int[] active = [.. kept.Where(f => own[f] > 0)];
            Assert.Equal(active, latents.Indices.ToArray());
            Assert.Equal(active.Select(f => own[f]), latents.Values.ToArray());

            sae.Decode(latents, scales[row], reconstruction);
            for (int i = 0; i < DIn; i++)
            {
                double sum =
                    active.Sum(f => (double)own[f] * tiny.DecoderRow(f)[i]) + tiny.Tensors["pre_bias"].Values[i];
                Assert.Equal((sum * std) + mean, reconstruction[i], 1e-4);
            }
        }
    }

    [Fact]
    public void Identity_keeps_negative_values_and_relu_does_not()
    {
        float[] a = new float[DSae];
        Array.Fill(a, -5f);
        a[10] = 2f;
        a[20] = -1f;
        a[30] = -0f;
        a[40] = 0f;
        var latents = new SparseLatents();
        using SparseAutoencoder relu = TinyAutoencoder.Create(SaeActivationKind.TopK);
        relu.Activate(a, latents);
        Assert.Equal([10], latents.Indices.ToArray());
        using SparseAutoencoder identity = TinyAutoencoder.Create(SaeActivationKind.TopKIdentity);
        identity.Activate(a, latents);
        Assert.Equal([0, 1, 2, 10, 20], latents.Indices.ToArray());
    }

    [Theory]
    [MemberData(nameof(TinyAutoencoder.Kinds), MemberType = typeof(TinyAutoencoder))]
    public void A_row_among_others_and_any_width_and_threads_give_the_same_bits(SaeActivationKind kind)
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(kind);
        float[] x = RandomFloats.Of(1, Rows * DIn, 4f);
        (float[] together, InputScale[] scales) = Encode(sae, x);
        for (int row = 0; row < Rows; row++)
        {
            (float[] alone, InputScale[] scale) = Encode(sae, x[(row * DIn)..((row + 1) * DIn)]);
            Bits.Same(alone, together.AsSpan(row * DSae, DSae), $"row {row}");
            Assert.Equal(scale[0], scales[row]);
        }

        foreach (WorkerPool pool in Bits.Pools.Append(new WorkerPool(3)))
        {
            using SparseAutoencoder other = TinyAutoencoder.Create(kind, pool);
            Bits.Same(together, Encode(other, x).PreActivations, "another pool");
        }
    }

    [Fact]
    public void A_change_adds_its_decoder_rows_times_the_scale()
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK);
        using SparseAutoencoder sae = tiny.Load();
        float[] x = RandomFloats.Of(1, DIn);
        var change = new SparseLatents();
        change.Add(3, 0.5f);
        change.Add(77, -2f);
        float[] expected = [.. x];
        for (int i = 0; i < DIn; i++)
        {
            float direction = MathF.FusedMultiplyAdd(-2f, tiny.DecoderRow(77)[i], 0.5f * tiny.DecoderRow(3)[i]);
            expected[i] = MathF.FusedMultiplyAdd(1.7f, direction, x[i]);
        }

        sae.AddChange(change, new InputScale(9f, 1.7f), x);
        Bits.Same(expected, x, "changed");
    }

    [Fact]
    public void An_empty_change_keeps_every_bit()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.TopK);
        float[] x = [.. RandomFloats.Of(1, DIn - 2), -0f, float.Epsilon];
        float[] before = [.. x];
        sae.AddChange(new SparseLatents(), new InputScale(0f, 1f), x);
        Bits.Same(before, x, "unchanged");
    }

    [Fact]
    public void A_residual_that_is_not_finite_is_refused()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.Relu);
        float[] x = RandomFloats.Of(1, DIn);
        x[5] = float.PositiveInfinity;
        Assert.EndsWith(
            "autoencoder.safetensors': a pre-activation is not finite; the residual stream or the "
            + "autoencoder holds NaN or infinity",
            Assert.Throws<InvalidDataException>(() => Encode(sae, x)).Message);
    }

    [Fact]
    public void Lengths_that_are_too_short_are_refused()
    {
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.Relu);
        float[] x = new float[DIn];
        Assert.Equal(
            "x has 40 elements, expected 80 (Parameter 'x')",
            Assert.Throws<ArgumentException>(
                () => sae.PreActivations(x, 2, new float[2 * DSae], new InputScale[2])).Message);
        Assert.Equal(
            "preActivations has 89 elements, expected 90 (Parameter 'preActivations')",
            Assert.Throws<ArgumentException>(
                () => sae.PreActivations(x, 1, new float[DSae - 1], new InputScale[1])).Message);
        Assert.Throws<ArgumentException>(() => sae.PreActivations(x, 1, new float[DSae], []));
        Assert.Throws<ArgumentException>(() => sae.AddChange(new SparseLatents(), default, new float[DIn - 1]));
        Assert.Throws<ArgumentException>(() => sae.Decode(new SparseLatents(), default, new float[DIn - 1]));
    }

    [Fact]
    public void It_sits_only_where_its_width_fits()
    {
        using var model = new TinyModel();
        using Decoder decoder = model.Load();
        using SparseAutoencoder sae = TinyAutoencoder.Create(SaeActivationKind.Relu);
        string Refusal(HookPoint point) =>
            Assert.Throws<ArgumentException>(() => sae.RequireFits(decoder.Spec, point)).Message;
        sae.RequireFits(decoder.Spec, HookPoint.ResidualPost(2));
        Assert.Equal(
            "no hook point 'blocks.3.hook_resid_post'; this model has layers 0 to 2",
            Refusal(HookPoint.ResidualPost(3)));
        Assert.Equal(
            "no hook point 'hook_embed'; this model has layers 0 to 2", Refusal(new HookPoint(HookKind.Embed, -1)));
        Assert.Equal(
            $"'{sae.Path}': the autoencoder's input has width 40, but blocks.1.mlp.hook_post of this "
            + "model has width 72",
            Refusal(new HookPoint(HookKind.MlpPost, 1)));
    }

    private static (float[] PreActivations, InputScale[] Scales) Encode(SparseAutoencoder sae, float[] x)
    {
        int rows = x.Length / DIn;
        float[] a = new float[rows * DSae];
        var scales = new InputScale[rows];
        sae.PreActivations(x, rows, a, scales);
        return (a, scales);
    }
}
