using BenchmarkDotNet.Attributes;
using LayerSteer.Numerics;

namespace LayerSteer.Benchmarks;

/// <summary>Single kernels on one thread, at the shapes of GPT-2 small.</summary>
[MemoryDiagnoser]
public class KernelBenchmarks
{
    private const int D = 768;
    private const int DMlp = 3072;
    private const int Heads = 12;
    private const int DHead = 64;

    private static readonly WorkerPool Pool = new(1);

    private readonly float[] _bias = new float[DMlp];
    private readonly int[] _top = new int[32];
    private Weights _weights = null!;
    private int[] _chosen = [];
    private float[] _words = [];
    private static Weights? _shared;
    private static readonly NativeBuffer Keys = new(Heads * 512 * DHead);
    private AttentionRow[] _rows = [];
    private float[] _x = [];
    private float[] _y = [];
    private float[] _scratch = [];
    private float[] _values = [];
    private readonly float[] _scratchRows = new float[D];
    private readonly float[] _gathered = new float[128 * D * 8];
    private readonly float[] _groups = new float[3 * 2048];
    private readonly float[] _uppers = new float[32_768];

    /// <summary>Tokens at once: one step, a small batch, a prompt.</summary>
    [Params(1, 8, 96)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var generator = new SplitMix64(1);
        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(generator.NextDouble() - 0.5))];
        _weights = _shared ??= new Weights();
        _chosen = [.. Enumerable.Range(0, 128).Select(i => i * 23)];
        _words = new float[Rows * (QuantiseKernel.Words(D) + 1)];
        Random(Heads * 512 * DHead).CopyTo(Keys.Span(0, Heads * 512 * DHead));
        _rows = [.. Enumerable.Range(0, Rows).Select(i => new AttentionRow(Keys, Keys, 0, 512, 512 - Rows + i + 1))];
        _x = Random(Rows * D);
        _y = new float[Rows * DMlp];
        _scratch = new float[AttentionKernel.ScratchLength(Heads, 512)];
        _values = Random(32_768);
    }

    [Benchmark]
    public void Float32Matrix3072By768() => MatrixKernel.Run(Pool, _weights.F32, _bias, _x, _y, Rows);

    [Benchmark]
    public void BFloat16Matrix3072By768() => MatrixKernel.Run(Pool, _weights.BF16, _bias, _x, _y, Rows);

    [Benchmark]
    public void Int8Matrix3072By768() => MatrixKernel.Run(Pool, _weights.Int8, _bias, _x, _y, Rows);

    /// <summary>The naive version of the product, one thread: what the kernel is compared with.</summary>
    [Benchmark(Baseline = true)]
    public void NaiveMatrix3072By768()
    {
        for (int row = 0; row < Rows; row++)
        {
            for (int output = 0; output < DMlp; output++)
            {
                float sum = 0f;
                for (int k = 0; k < D; k++)
                {
                    sum = MathF.FusedMultiplyAdd(_x[(row * D) + k], _weights.RowMajor[(output * D) + k], sum);
                }

                _y[(row * DMlp) + output] = sum + _bias[output];
            }
        }
    }

    [Benchmark]
    public void AttentionOver512Keys() =>
        AttentionKernel.Run(Pool, _rows, _x, _y.AsSpan(0, Rows * D), _scratch, Heads, Heads, DHead, 0.125f);

    [Benchmark]
    public int TopKOf32768()
    {
        int selected = 0;
        for (int row = 0; row < Rows; row++)
        {
            selected += TopK.Select(_values, _top);
        }

        return selected;
    }

    [Benchmark]
    public void QuantiseRowsOf768()
    {
        int words = Rows * QuantiseKernel.Words(D);
        QuantiseKernel.Run(Pool, _x, D, _words.AsSpan(0, words), _words.AsSpan(words), Rows);
    }

    [Benchmark]
    public void LayerNormOf768() =>
        LayerNormKernel.Run(Pool, _x, _y, _bias.AsSpan(0, D), _bias.AsSpan(0, D), Rows, 1e-5f);

    [Benchmark]
    public void GeluOf3072() => ActivationKernel.Run(Pool, Activation.GeluTanh, _y.AsSpan(0, Rows * DMlp));

    [Benchmark]
    public void AddOf768() => AddKernel.Run(Pool, _y.AsSpan(0, Rows * D), _x);

    /// <summary>What a rescoring of 128 candidates costs, for one row.</summary>
    [Benchmark]
    public void ProductOf128ChosenRows() =>
        _weights.Table.Product(Pool, _chosen, _x, _scratchRows.AsSpan(0, _chosen.Length), _gathered);

    /// <summary>A sum of 32 rows of the decoder, for one row.</summary>
    [Benchmark]
    public void SumOf32Rows() =>
        RowSumKernel.Run(Pool, Keys, D, _chosen.AsSpan(0, 32), _x.AsSpan(0, 32), _scratchRows.AsSpan(0, D));

    [Benchmark]
    public void BoundsOf32768Latents() => Screen();

    private unsafe void Screen()
    {
        fixed (float* values = _values, groups = _groups, uppers = _uppers)
        {
            int count = ScreenKernel.Groups(_values.Length);
            ScreenKernel.Run(
                Pool,
                new ScreenedOutputs(values, values, values, _values.Length, 0.01f, 0.001f),
                KeyKind.Plain,
                null,
                new ScreenedKeys(groups, groups + count, groups + (2 * count), uppers));
        }
    }

    /// <summary>One matrix in every form, made once for all benchmarks.</summary>
    private sealed class Weights : IDisposable
    {
        private readonly WeightStore _store = new();

        public Weights()
        {
            ElementReader read = (start, to) => RowMajor.AsSpan((int)start, to.Length).CopyTo(to);
            F32 = WeightMatrix.FromRows(_store, "f32", WeightType.F32, DMlp, D, read);
            BF16 = WeightMatrix.FromRows(_store, "bf16", WeightType.BF16, DMlp, D, read);
            Int8 = WeightMatrix.FromRows(_store, "int8", WeightType.I8, DMlp, D, read);
            Table = new RowMatrix(_store, "table", DMlp, D, read);
        }

        public float[] RowMajor { get; } = [.. Enumerable.Range(0, D * DMlp).Select(i => (i % 997 / 997f) - 0.5f)];

        public void Dispose() => _store.Dispose();

        public WeightMatrix F32 { get; }

        public WeightMatrix BF16 { get; }

        public WeightMatrix Int8 { get; }

        public RowMatrix Table { get; }
    }
}
