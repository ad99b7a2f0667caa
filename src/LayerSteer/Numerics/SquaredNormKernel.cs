using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// Σ x², in double: blocks of 4096 elements each in one chain, then the blocks in order, so that the sum does not
/// depend on the number of threads. Items: blocks.
/// </summary>
internal readonly unsafe struct SquaredNormKernel : IKernel
{
    private const int Block = 4096;

    private readonly float* _x;
    private readonly long _length;
    private readonly double* _sums;

    private SquaredNormKernel(float* x, long length, double* sums)
    {
        _x = x;
        _length = length;
        _sums = sums;
    }

    /// <summary>The sum of the squares; NaN or infinite if an element is.</summary>
    public static double Of(WorkerPool pool, ReadOnlySpan<float> x)
    {
        double[] sums = new double[(x.Length + Block - 1) / Block];
        fixed (float* px = x)
        {
            fixed (double* ps = sums)
            {
                var kernel = new SquaredNormKernel(px, x.Length, ps);
                pool.Run(ref kernel, sums.Length, x.Length);
            }
        }

        double total = 0;
        foreach (double sum in sums)
        {
            total += sum;
        }

        return total;
    }

    [MethodImpl(KernelCode.Loop)]
    public void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        for (long block = begin; block < end; block++)
        {
            double sum = 0;
            long last = Math.Min((block + 1) * Block, _length);
            for (long i = block * Block; i < last; i++)
            {
                sum += (double)_x[i] * _x[i];
            }

            _sums[block] = sum;
        }
    }
}
