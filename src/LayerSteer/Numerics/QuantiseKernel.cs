using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Rows of X as 16-bit integers with a scale a row, for int8 weights:
/// <code>
/// s = max|x| / A,  q = round(x / s), ties to even;  A = min(32767, (2³¹ − 1) / (127·k))
/// x [rows, k] → words [rows, k rounded up to 32, / 2]: word s of a group of 32 inputs holds inputs s and s + 16
/// </code>
/// With |q_w| ≤ 127 no sum of k products can leave 32 bits. A row of zeros has s = 0; a row with NaN or infinity has
/// s = NaN, so that its outputs are NaN and not a number that looks right. Items: rows.
/// </summary>
internal unsafe struct QuantiseKernel : IKernel
{
    /// <summary>Inputs that share 16 words.</summary>
    public const int Group = 2 * Lanes.Count;

    /// <summary>The largest magnitude of a weight.</summary>
    public const int LargestWeight = 127;

    private readonly float* _x;
    private readonly int _inputs;
    private readonly float* _words;
    private readonly float* _scales;

    private QuantiseKernel(float* x, int inputs, float* words, float* scales)
    {
        _x = x;
        _inputs = inputs;
        _words = words;
        _scales = scales;
    }

    /// <summary>The words of one row.</summary>
    public static int Words(int inputs) => (inputs + Group - 1) / Group * Lanes.Count;

    /// <summary>A: the largest magnitude of an input of which k products with weights fit 32 bits.</summary>
    public static int LargestInput(int inputs) => Math.Min(short.MaxValue, int.MaxValue / LargestWeight / inputs);

    /// <summary>Quantises <paramref name="rows"/> rows of <paramref name="inputs"/> inputs.</summary>
    public static void Run(
        WorkerPool pool, ReadOnlySpan<float> x, int inputs, Span<float> words, Span<float> scales, int rows)
    {
        Shape.Require(x.Length >= (long)rows * inputs && words.Length >= (long)rows * Words(inputs));
        Shape.Require(scales.Length >= rows);
        fixed (float* px = x, pw = words, ps = scales)
        {
            var kernel = new QuantiseKernel(px, inputs, pw, ps);
            pool.Run(ref kernel, rows, (long)rows * inputs);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int row = begin; row < end; row++)
        {
            RunRow<T>(_x + ((long)row * _inputs), _words + ((long)row * Words(_inputs)), _scales + row);
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private readonly void RunRow<T>(float* x, float* words, float* scale) where T : struct, ILanes<T>
    {
        float largest = Largest<T>(x);
        int bound = LargestInput(_inputs);
        float inverse = bound / largest;
        *scale = largest / bound;
        if (!float.IsFinite(largest))
        {
            *scale = float.NaN;
            inverse = 0f;
        }
        else if (!float.IsFinite(inverse))
        {
            // Below 1e-34, where 1/s overflows: nothing beside any bias.
            *scale = 0f;
            inverse = 0f;
        }

        T inverses = T.Broadcast(inverse);
        for (int k = 0; k < _inputs; k += Group)
        {
            T low = Round(LoadUpTo<T>(x + k, _inputs - k), inverses);
            T high = Round(LoadUpTo<T>(x + k + Lanes.Count, _inputs - k - Lanes.Count), inverses);
            T.JoinPairs(low, high).Store(words);
            words += Lanes.Count;
        }
    }

    [MethodImpl(KernelCode.Loop)]
    private readonly float Largest<T>(float* x) where T : struct, ILanes<T>
    {
        T zero = T.Broadcast(0f);
        T most = zero;
        for (int k = 0; k < _inputs; k += Lanes.Count)
        {
            T v = LoadUpTo<T>(x + k, _inputs - k);
            most = T.Max(most, T.Max(v, zero - v));
        }

        return most.Largest();
    }

    /// <summary>Integers in the low bits; NaN and infinity, which only a scale of NaN goes with, as any.</summary>
    private static T Round<T>(T x, T inverse) where T : struct, ILanes<T> =>
        T.Fma(x, inverse, T.Broadcast(Lanes.RoundingShift));

    private static T LoadUpTo<T>(float* x, int count) where T : struct, ILanes<T> =>
        count >= Lanes.Count ? T.Load(x) : Lanes.LoadFirst<T>(x, count);
}
