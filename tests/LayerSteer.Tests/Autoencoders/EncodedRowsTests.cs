using CsCheck;
using LayerSteer.Autoencoders;
using LayerSteer.Numerics;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>Screened selections against those from all pre-activations, which the dense path computes.</summary>
public class EncodedRowsTests
{
    private const int DIn = 72;
    private const int DSae = 1000;

    public static TheoryData<string, SaeActivationKind> Hard => [.. new MatrixTheoryData<string, SaeActivationKind>(
        Rows.Keys, Enum.GetValues<SaeActivationKind>())];

    private static readonly Dictionary<string, Func<float[], float[]>> Rows = new()
    {
        ["ordinary"] = w => w,
        ["ties"] = w => Each(w, (i, v) => w[(i / DIn % 7 * DIn) + (i % DIn)]),
        ["near ties"] = w => Each(w, (i, _) => MathF.BitIncrement(w[i % DIn] + (i % 5 == 0 ? 1e-7f : 0f))),
        ["huge and tiny norms"] = w => Each(w, (i, v) => v * MathF.Pow(10f, (i / DIn % 41) - 20)),
        ["subnormal"] = w => Each(w, (i, v) => v * 1e-39f),
        ["zero rows"] = w => Each(w, (i, v) => i / DIn % 3 == 0 ? 0f : v),
        ["one large weight a row"] = w => Each(w, (i, v) => i % DIn == i / DIn % DIn ? v * 1e4f : v),
        ["one large row"] = w => Each(w, (i, v) => i / DIn == 500 ? v * 1e6f : v),
        ["all negative"] = w => Each(w, (i, v) => -MathF.Abs(v)),
        ["all positive"] = w => Each(w, (i, v) => MathF.Abs(v)),
    };

    private static readonly Dictionary<string, Func<float[], float[]>> Inputs = new()
    {
        ["ordinary"] = x => x,
        ["outliers"] = x => Each(x, (i, v) => i % DIn == 5 ? v * 1000f : v),
        ["one-hot"] = x => Each(x, (i, v) => i % DIn == i / DIn ? 1f : 0f),
        ["zero"] = x => new float[x.Length],
        ["tiny"] = x => Each(x, (i, v) => v * 1e-36f),
        ["large"] = x => Each(x, (i, v) => v * 1e12f),
        ["positive"] = x => Each(x, (i, v) => MathF.Abs(v)),
    };

    [Theory]
    [MemberData(nameof(Hard))]
    public void Hard_weights_and_inputs_give_the_latents_of_the_dense_path(string weights, SaeActivationKind kind)
    {
        float[] w = Rows[weights](RandomFloats.Of(1, DSae * DIn));
        foreach (float bias in new[] { 0f, 0.3f, -1000f, 1e8f })
        {
            using SparseAutoencoder sae = Create(w, RandomFloats.Of(2, DSae, bias), kind, k: 16);
            foreach ((string name, Func<float[], float[]> inputs) in Inputs)
            {
                Check(sae, inputs(RandomFloats.Of(3, 4 * DIn)), 4, $"{weights}, bias {bias}, input {name}");
            }
        }
    }

    [Fact]
    public void Random_weights_and_inputs_give_the_latents_of_the_dense_path() => Gen
        .Select(Gen.ULong, Gen.Int[1, 90], Gen.Int[1, 700], Gen.Int[1, 40], Gen.Int[0, 4], Gen.Int[-30, 15])
        .Sample(
            (seed, dIn, dSae, k, kind, exponent) =>
            {
                using SparseAutoencoder sae = Create(
                    RandomFloats.Of(seed, dSae * dIn),
                    RandomFloats.Of(seed + 1, dSae, 0.1f),
                    (SaeActivationKind)kind,
                    Math.Min(k, dSae),
                    dIn,
                    dSae);
                Check(sae, RandomFloats.Of(seed + 2, 3 * dIn, MathF.Pow(10f, exponent)), 3, "random");
            },
            iter: 150,
            threads: 1);

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(3e38f)]
    public void What_the_dense_path_refuses_is_refused(float bad)
    {
        using SparseAutoencoder sae = Create(
            RandomFloats.Of(1, DSae * DIn, 10f), new float[DSae], SaeActivationKind.TopK, k: 16);
        float[] x = RandomFloats.Of(3, 2 * DIn);
        x[DIn + 3] = bad;
        EncodedRows encoded = sae.CreateRows(2);
        sae.Encode(x, 2, encoded);
        encoded.Activate(0, new SparseLatents());
        Assert.Equal(
            "'memory': a pre-activation is not finite; the residual stream or the autoencoder holds NaN or infinity",
            Assert.Throws<InvalidDataException>(() => encoded.Activate(1, new SparseLatents())).Message);
        Assert.Throws<InvalidDataException>(() => encoded.PreActivations(1));
    }

    [Fact]
    public void Ordinary_inputs_read_few_rows_of_the_encoder()
    {
        const int Latents = 8192;
        const int Width = 256;
        const int Count = 20;
        using SparseAutoencoder sae = Create(
            RandomFloats.Of(1, Latents * Width), new float[Latents], SaeActivationKind.TopK, 32, Width, Latents);
        EncodedRows encoded = sae.CreateRows(Count);
        sae.Encode(RandomFloats.Of(3, Count * Width), Count, encoded);
        for (int row = 0; row < Count; row++)
        {
            encoded.Activate(row, new SparseLatents());
        }

        Assert.Equal(0, encoded.DenseSelections);
        Assert.InRange(encoded.Candidates, 32 * Count, 200 * Count);
    }

    [Fact]
    public void Too_many_candidates_are_left_to_the_dense_path()
    {
        using SparseAutoencoder sae = Create(
            Each(RandomFloats.Of(1, DSae * DIn), (_, _) => 0.5f), new float[DSae], SaeActivationKind.TopK, k: 16);
        EncodedRows encoded = sae.CreateRows(1);
        float[] x = [.. RandomFloats.Of(3, DIn).Select(MathF.Abs)];
        sae.Encode(x, 1, encoded);
        var latents = new SparseLatents();
        encoded.Activate(0, latents);
        Assert.Equal(1, encoded.DenseSelections);
        Assert.Equal(Enumerable.Range(0, 16), latents.Indices.ToArray());
    }

    [Fact]
    public void Every_width_and_number_of_threads_selects_the_same()
    {
        float[] w = RandomFloats.Of(1, DSae * DIn);
        float[] x = RandomFloats.Of(3, 5 * DIn);
        foreach (WorkerPool pool in (WorkerPool[])[.. Bits.Pools, WorkerPool.Shared])
        {
            using SparseAutoencoder sae = Create(w, new float[DSae], SaeActivationKind.TopK, k: 16, pool: pool);
            Check(sae, x, 5, $"{pool.Threads} threads");
        }
    }

    [Fact]
    public void Bounds_hold_for_every_output()
    {
        foreach ((string name, Func<float[], float[]> rows) in Rows)
        {
            float[] w = rows(RandomFloats.Of(1, DSae * DIn));
            foreach ((string input, Func<float[], float[]> inputs) in Inputs)
            {
                CheckBounds(w, inputs(RandomFloats.Of(3, DIn))[..DIn], $"{name}, input {input}");
            }
        }
    }

    private static unsafe void CheckBounds(float[] w, float[] x, string what)
    {
        using var store = new WeightStore();
        float[] bias = RandomFloats.Of(2, DSae);
        var encoder = new ScreenedEncoder(store, DSae, DIn, bias, Reader(w));
        float[] words = new float[QuantiseKernel.Words(DIn)];
        float[] scale = new float[1];
        float[] approximate = new float[DSae];
        float[] exact = new float[DSae];
        WorkerPool pool = WorkerPool.Shared;
        QuantiseKernel.Run(pool, x, DIn, words, scale, 1);
        MatrixKernel.RunInt8(pool, encoder.Quantised, bias, words, scale, approximate, 1);
        encoder.Rows.Product(pool, bias, x, exact, 1, new float[encoder.Rows.ScratchLength]);
        int groups = ScreenKernel.Groups(DSae);
        float[] lower = new float[groups];
        float[] upper = new float[groups];
        float[] magnitude = new float[groups];
        float[] uppers = new float[DSae];
        fixed (float* pa = approximate, pl = lower, pu = upper, pm = magnitude, pe = uppers)
        {
            ScreenKernel.Run(
                pool,
                encoder.Outputs(pa, ScreenedEncoder.BoundFactors(x, words, scale[0])),
                KeyKind.Plain,
                null,
                new ScreenedKeys(pl, pu, pm, pe));
        }

        for (int group = 0; group < groups; group++)
        {
            int[] own = [.. Enumerable.Range(0, DSae).Where(i => (i / 256 * 16) + (i % 16) == group)];
            if (own.Length == 0)
            {
                Assert.Equal(float.NegativeInfinity, upper[group]);
                continue;
            }

            float largest = own.Max(i => exact[i]);
            Assert.True(lower[group] <= largest, $"{what}: group {group}, {lower[group]} against {largest}");
            Assert.True(magnitude[group] >= own.Max(i => MathF.Abs(exact[i])), $"{what}: magnitude of group {group}");
            foreach (int i in own)
            {
                Assert.True(exact[i] <= uppers[i], $"{what}: latent {i}, {exact[i]} against {uppers[i]}");
                Assert.True(upper[group] >= uppers[i], $"{what}: group {group}");
            }
        }
    }

    private static void Check(SparseAutoencoder sae, float[] x, int rows, string what)
    {
        EncodedRows encoded = sae.CreateRows(rows);
        sae.Encode(x, rows, encoded);
        float[] dense = new float[rows * sae.DSae];
        sae.PreActivations(x, rows, dense, new InputScale[rows]);
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> a = dense.AsSpan(row * sae.DSae, sae.DSae);
            foreach ((string name, LatentKeys keys) in KeysOf(sae.DSae))
            {
                foreach (bool takesKeys in new[] { false, true })
                {
                    var expected = new SparseLatents();
                    var actual = new SparseLatents();
                    sae.Activation.Select(
                        [], a, keys, takesKeys, new float[a.Length], new int[sae.Activation.K], expected);
                    encoded.Select(row, keys, takesKeys, actual);
                    Assert.True(
                        expected.Indices.SequenceEqual(actual.Indices), $"{what}: other latents of row {row}, {name}");
                    Bits.Same(expected.Values, actual.Values, $"{what}: row {row}, {name}");
                }
            }

            Bits.Same(a, encoded.PreActivations(row), $"{what}: row {row}, dense");
        }
    }

    private static IEnumerable<(string Name, LatentKeys Keys)> KeysOf(int count)
    {
        float[] random = RandomFloats.Of(9, count);
        yield return ("plain", LatentKeys.Plain);
        yield return ("weights", LatentKeys.PositiveScaled([.. random.Select(MathF.Abs)]));
        yield return ("weights with zeros", LatentKeys.PositiveScaled([.. random.Select(v => MathF.Max(v, 0f))]));
        yield return ("few weights", LatentKeys.PositiveScaled([.. random.Select((v, i) => i % 97 == 0 ? 1f : 0f)]));
        yield return ("steep weights", LatentKeys.PositiveScaled([.. random.Select(v => MathF.Pow(10f, 30 * v))]));
        yield return ("scores", LatentKeys.Scaled([.. random.Select(v => Math.Abs((double)v))]));
        yield return ("scores with gaps", LatentKeys.Scaled([.. random.Select(v => Math.Max(v, 0.0))]));
        yield return ("tiny scores", LatentKeys.Scaled([.. random.Select(v => Math.Abs((double)v) * 1e-44)]));
    }

    private static SparseAutoencoder Create(
        float[] w,
        float[] bias,
        SaeActivationKind kind,
        int k,
        int dIn = DIn,
        int dSae = DSae,
        WorkerPool? pool = null)
    {
        WeightStore? store = new();
        try
        {
            var autoencoder = new SparseAutoencoder(
                "memory",
                new ScreenedEncoder(store, dSae, dIn, bias, Reader(w)),
                store.Take("decoder", (long)dSae * dIn, _ => { }),
                new float[dIn],
                ActivationOf(kind, k, dSae),
                InputNormalisation.None,
                store,
                new Lazy<string>("no file"),
                pool ?? WorkerPool.Shared);
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    private static SaeActivation ActivationOf(SaeActivationKind kind, int k, int dSae) => kind switch
    {
        SaeActivationKind.Relu => new SaeActivation(kind, 0),
        SaeActivationKind.JumpRelu => new SaeActivation(kind, 0)
        {
            Thresholds = Each(RandomFloats.Of(77, dSae, 0.5f), (_, v) => v + 0.4f),
        },
        SaeActivationKind.GroupMax => new SaeActivation(kind, (dSae + k - 1) / k) { GroupSize = k },
        _ => new SaeActivation(kind, k),
    };

    private static float[] Each(float[] values, Func<int, float, float> change) =>
        [.. values.Select((value, i) => change(i, value))];

    private static ElementReader Reader(float[] values) =>
        (start, destination) => values.AsSpan((int)start, destination.Length).CopyTo(destination);
}
