using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// The distances of each prompt to the topic's texts, nearest first, so that the nearest of a bootstrap sample of texts
/// is found in two looks or so. Whole texts are drawn and not windows: the windows of one text are about one thing, and
/// to draw them apart would make five long texts look like fifty.
/// </summary>
internal sealed class TextDistances
{
    /// <summary>How many texts are kept of a prompt; that a sample has none of them is less likely than 1e-27.</summary>
    private const int Kept = 64;

    private readonly int _prompts;
    private readonly int _kept;
    private readonly double[] _squared;
    private readonly int[] _texts;

    /// <summary>Measures the distances.</summary>
    /// <param name="index">The index.</param>
    /// <param name="prompts">The rows that take part.</param>
    /// <param name="alignment">[windows, dEmbedding]</param>
    /// <param name="textStarts">[texts + 1]: the window at which each text begins.</param>
    /// <param name="parallel">How many threads, and when to stop.</param>
    public TextDistances(
        ReferenceIndex index,
        int[] prompts,
        float[] alignment,
        int[] textStarts,
        ParallelOptions parallel)
    {
        int d = index.Manifest.DEmbedding;
        Count = textStarts.Length - 1;
        _prompts = prompts.Length;
        _kept = Math.Min(Kept, Count);
        _squared = new double[_prompts * _kept];
        _texts = new int[_prompts * _kept];
        Parallel.For(0, _prompts, parallel, r =>
        {
            double[] squared = new double[Count];
            int[] texts = [.. Enumerable.Range(0, Count)];
            for (int text = 0; text < Count; text++)
            {
                squared[text] = WindowDistances.Least(
                    index.Embeddings(prompts[r]),
                    alignment.AsSpan((textStarts[text] * d)..(textStarts[text + 1] * d)),
                    d);
            }
            Array.Sort(squared, texts); // ties in any order: they are the same distance
            squared.AsSpan(0, _kept).CopyTo(_squared.AsSpan(r * _kept));
            texts.AsSpan(0, _kept).CopyTo(_texts.AsSpan(r * _kept));
        });
    }

    /// <summary>The number of texts.</summary>
    public int Count { get; }

    /// <summary>Writes into a block how much farther each prompt is from a bootstrap sample of the texts.</summary>
    public void Draw(ReplicateBlock block, int replicate, bool[] present, ref SplitMix64 generator)
    {
        Array.Clear(present);
        for (int i = 0; i < Count; i++)
        {
            present[generator.NextInt(Count)] = true;
        }
        for (int r = 0; r < _prompts; r++)
        {
            int first = r * _kept;
            int at = first;
            while (!present[_texts[at]] && at < first + _kept - 1)
            {
                at++;
            }
            block.At(r, replicate) = _squared[at] - _squared[first];
        }
    }
}
