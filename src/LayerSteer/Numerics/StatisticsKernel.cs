namespace LayerSteer.Numerics;

/// <summary>Mean and sum of squared deviations of a row.</summary>
internal readonly record struct RowStatistics(float Mean, float SquaredDeviations);

/// <summary>
/// Mean, Σ(x − mean)² and finiteness of one row, in 16 lanes by absolute index and the fixed tree. Items: the row.
/// </summary>
internal unsafe struct StatisticsKernel : IKernel
{
    private readonly float* _x;
    private readonly int _length;
    private readonly RowStatistics* _result;

    private StatisticsKernel(float* x, int length, RowStatistics* result)
    {
        _x = x;
        _length = length;
        _result = result;
    }

    /// <summary>Mean and squared deviations of x, which must not be empty.</summary>
    public static RowStatistics Of(ReadOnlySpan<float> x)
    {
        RowStatistics result;
        fixed (float* px = x)
        {
            var kernel = new StatisticsKernel(px, x.Length, &result);
            WorkerPool.RunHere(ref kernel, 1);
        }

        return result;
    }

    /// <summary>Whether no element is NaN or infinite.</summary>
    public static bool AllFinite(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            var kernel = new FiniteKernel(px, x.Length);
            WorkerPool.RunHere(ref kernel, 1);
            return kernel.AllFinite;
        }
    }

    public readonly void Run<T>(int begin, int end) where T : struct, ILanes<T>
    {
        float mean = Statistics.Mean<T>(_x, _length);
        *_result = new RowStatistics(mean, Statistics.SquaredDeviations<T>(_x, _length, mean));
    }

    private struct FiniteKernel(float* x, int length) : IKernel
    {
        public bool AllFinite { get; private set; }

        public void Run<T>(int begin, int end) where T : struct, ILanes<T> =>
            AllFinite = Statistics.AllFinite<T>(x, length);
    }
}
