using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Where the n largest of many values end, by two histograms of their bits: positive floats ascend as their bits do.
/// Values that are not above 0 count for nothing. Items: blocks of values, each with a histogram of its own.
/// </summary>
internal readonly unsafe struct LargestKernel : IKernel
{
    private const int Blocks = 16;
    private const int LowBits = 16;
    private const int Bins = 1 << LowBits;

    private readonly float* _values;
    private readonly long _count;
    private readonly int* _histograms;
    private readonly int _prefix;

    private LargestKernel(float* values, long count, int* histograms, int prefix)
    {
        _values = values;
        _count = count;
        _histograms = histograms;
        _prefix = prefix;
    }

    /// <summary>Finds the n-th largest value.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="values">The values; none NaN.</param>
    /// <param name="n">At least 1.</param>
    /// <returns>
    /// It, and how many of the values equal to it are among the n largest; (0, 0) if fewer are above 0.
    /// </returns>
    public static (float Least, long Ties) Run(WorkerPool pool, ReadOnlySpan<float> values, long n)
    {
        int[] histograms = new int[Blocks * Bins];
        fixed (float* v = values)
        {
            fixed (int* h = histograms)
            {
                var upper = new LargestKernel(v, values.Length, h, -1);
                pool.Run(ref upper, Blocks, values.Length);
                (int prefix, long left) = Find(histograms, n);
                if (prefix < 0)
                {
                    return (0f, 0);
                }

                Array.Clear(histograms);
                var lower = new LargestKernel(v, values.Length, h, prefix);
                pool.Run(ref lower, Blocks, values.Length);
                (int rest, long ties) = Find(histograms, left);
                return (BitConverter.Int32BitsToSingle((prefix << LowBits) | rest), ties);
            }
        }
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (int block = begin; block < end; block++)
        {
            int* histogram = _histograms + ((long)block * Bins);
            long stop = _count * (block + 1) / Blocks;
            for (long i = _count * block / Blocks; i < stop; i++)
            {
                int bits = BitConverter.SingleToInt32Bits(_values[i]);
                if (bits <= 0)
                {
                    continue;
                }

                if (_prefix < 0)
                {
                    histogram[bits >> LowBits]++;
                }
                else if (bits >> LowBits == _prefix)
                {
                    histogram[bits & (Bins - 1)]++;
                }
            }
        }
    }

    /// <summary>The bin of the n-th from above, and its number within the bin; bin −1 if there are fewer.</summary>
    private static (int Bin, long Left) Find(int[] histograms, long n)
    {
        for (int bin = Bins - 1; bin >= 0; bin--)
        {
            long count = 0;
            for (int block = 0; block < Blocks; block++)
            {
                count += histograms[(block * Bins) + bin];
            }

            if (count >= n)
            {
                return (bin, n);
            }

            n -= count;
        }

        return (-1, 0);
    }
}
