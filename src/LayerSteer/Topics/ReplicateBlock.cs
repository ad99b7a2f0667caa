using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// Some replicates of a resampling side by side, in tiles for <see cref="ReplicateKernel"/>: a number for each prompt
/// and replicate. A block is filled, used and filled again, so memory does not grow with the number of replicates.
/// </summary>
/// <param name="prompts">R.</param>
internal sealed class ReplicateBlock(int prompts)
{
    /// <summary>Tiles of a block; with a thousand prompts half a megabyte, and enough work for each start of threads.</summary>
    public const int Tiles = 4;

    /// <summary>Replicates of a block.</summary>
    public const int Width = Tiles * ReplicateKernel.Width;

    private readonly double[] _values = new double[prompts * Width];

    /// <summary>Sets every number to 0.</summary>
    public void Clear() => Array.Clear(_values);

    /// <summary>The number of a prompt in a replicate, to be set.</summary>
    public ref double At(int prompt, int replicate)
    {
        (int tile, int lane) = Math.DivRem(replicate, ReplicateKernel.Width);
        return ref _values[(((tile * prompts) + prompt) * ReplicateKernel.Width) + lane];
    }

    /// <summary>Σ_i values[i] · block[rows[i], j] of each replicate j.</summary>
    /// <param name="rows">[entries], below R.</param>
    /// <param name="values">[entries]</param>
    /// <param name="sums">Receives [<see cref="Width"/>].</param>
    public void Product(ReadOnlySpan<int> rows, ReadOnlySpan<double> values, Span<double> sums)
    {
        int size = prompts * ReplicateKernel.Width;
        for (int tile = 0; tile < Tiles; tile++)
        {
            ReplicateKernel.Product(
                rows,
                values,
                _values.AsSpan(tile * size, size),
                sums.Slice(tile * ReplicateKernel.Width, ReplicateKernel.Width));
        }
    }
}
