namespace LayerSteer.Numerics;

/// <summary>
/// A computation over independent items: output panels, rows, heads. <see cref="Run{T}"/> does a range of them; any
/// split into ranges must give the same bits, since <see cref="WorkerPool"/> splits as it has threads. Methods with
/// loops are marked <c>AggressiveOptimization</c>: the first prompt would otherwise run in code that is not optimised.
/// </summary>
internal interface IKernel
{
    /// <summary>Does the items [<paramref name="begin"/>, <paramref name="end"/>) with lanes of type T.</summary>
    void Run<T>(int begin, int end) where T : struct, ILanes<T>;
}
