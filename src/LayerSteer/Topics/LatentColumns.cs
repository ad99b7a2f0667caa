namespace LayerSteer.Topics;

/// <summary>
/// The summaries of an index by latent, over the prompts on which something fired: those that take part. Immutable.
/// </summary>
internal sealed class LatentColumns
{
    private readonly int[] _starts;
    private readonly int[] _rows;
    private readonly double[] _values;

    public LatentColumns(SummaryRows summaries)
    {
        Prompts = [.. Enumerable.Range(0, summaries.PromptCount).Where(row => !summaries.Latents(row).IsEmpty)];
        _starts = new int[summaries.Support.Length + 1];
        for (int f = 0; f < summaries.Support.Length; f++)
        {
            _starts[f + 1] = _starts[f] + summaries.Support[f];
        }
        _rows = new int[_starts[^1]];
        _values = new double[_starts[^1]];
        int[] next = _starts[..^1];
        for (int r = 0; r < Prompts.Length; r++)
        {
            ReadOnlySpan<int> latents = summaries.Latents(Prompts[r]);
            ReadOnlySpan<double> values = summaries.Values(Prompts[r]);
            for (int i = 0; i < latents.Length; i++)
            {
                int at = next[latents[i]]++;
                _rows[at] = r;
                _values[at] = values[i];
            }
        }
    }

    /// <summary>[R]: the rows of the index that take part.</summary>
    public int[] Prompts { get; }

    /// <summary>The number of latents, dSae.</summary>
    public int Count => _starts.Length - 1;

    /// <summary>The longest column: the largest k_f.</summary>
    public int Longest => Enumerable.Range(0, Count).Max(f => _starts[f + 1] - _starts[f]);

    /// <summary>[k_f], ascending, each below R.</summary>
    public ReadOnlySpan<int> Rows(int latent) => _rows.AsSpan(_starts[latent].._starts[latent + 1]);

    /// <summary>[k_f]: s_rf of those rows.</summary>
    public ReadOnlySpan<double> Values(int latent) => _values.AsSpan(_starts[latent].._starts[latent + 1]);

    /// <summary>
    /// Runs work over latents, in chunks that depend on their number alone, so that what is summed over a chunk and then
    /// over chunks in order does not depend on the threads.
    /// </summary>
    /// <param name="parallel">How many threads, and when to stop.</param>
    /// <param name="work">Chunk, first latent, end.</param>
    public void InChunks(ParallelOptions parallel, Action<int, int, int> work)
    {
        int size = ChunkSize;
        Parallel.For(
            0, Chunks, parallel, chunk => work(chunk, chunk * size, Math.Min(Count, (chunk + 1) * size)));
    }

    public int Chunks => (Count + ChunkSize - 1) / ChunkSize;

    private int ChunkSize => Math.Max(16, (Count + 47) / 48);
}
