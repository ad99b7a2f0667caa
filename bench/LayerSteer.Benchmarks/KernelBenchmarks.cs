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
    private static readonly WeightStore Store = new();

    private readonly float[] _bias = new float[DMlp];
    private readonly int[] _top = new int[32];
    private WeightMatrix _weights = null!;
    private static readonly NativeBuffer Keys = new(Heads * 512 * DHead);
    private AttentionRow[] _rows = [];
    private float[] _rowMajor = [];
    private float[] _x = [];
    private float[] _y = [];
    private float[] _scratch = [];
    private float[] _values = [];

    /// <summary>Tokens at once: one step, a small batch, a prompt.</summary>
    [Params(1, 8, 256)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var generator = new SplitMix64(1);
        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(generator.NextDouble() - 0.5))];
        _rowMajor = Random(D * DMlp);
        _weights = WeightMatrix.FromRows(
            Store, "w", WeightType.F32, DMlp, D, (start, to) => _rowMajor.AsSpan((int)start, to.Length).CopyTo(to));
        Random(Heads * 512 * DHead).CopyTo(Keys.Span(0, Heads * 512 * DHead));
        _rows = [.. Enumerable.Range(0, Rows).Select(i => new AttentionRow(Keys, Keys, 0, 512, 512 - Rows + i + 1))];
        _x = Random(Rows * D);
        _y = new float[Rows * DMlp];
        _scratch = new float[AttentionKernel.ScratchLength(Heads, 512)];
        _values = Random(32_768);
    }

    [Benchmark]
    public void MatrixOf3072By768() => MatrixKernel.Run(Pool, _weights, _bias, _x, _y, Rows);

    /// <summary>The naive version of the product, one thread: what the kernel is compared with.</summary>
    [Benchmark(Baseline = true)]
    public void NaiveMatrixOf3072By768()
    {
        for (int row = 0; row < Rows; row++)
        {
            for (int output = 0; output < DMlp; output++)
            {
                float sum = 0f;
                for (int k = 0; k < D; k++)
                {
                    sum = MathF.FusedMultiplyAdd(_x[(row * D) + k], _rowMajor[(output * D) + k], sum);
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
}
