using System.Runtime.CompilerServices;

namespace LayerSteer.Numerics;

/// <summary>
/// A computation over independent items: output panels, rows, heads. <see cref="Run{T}"/> does a range of them; any
/// split into ranges must give the same bits, since <see cref="WorkerPool"/> splits as it has threads.
/// </summary>
internal interface IKernel
{
    /// <summary>Does the items [<paramref name="begin"/>, <paramref name="end"/>) with lanes of type T.</summary>
    void Run<T>(int begin, int end) where T : struct, ILanes<T>;
}

/// <summary>How the JIT compiles the methods of kernels.</summary>
internal static class KernelCode
{
    /// <summary>
    /// For methods with loops: optimised from the first call, since the first prompt would otherwise run in slow code;
    /// and on their own, since a caller that takes them in may have no budget left for what they call in the loop
    /// (measured: decoding three times slower, from some step on).
    /// </summary>
    public const MethodImplOptions Loop = MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining;
}
