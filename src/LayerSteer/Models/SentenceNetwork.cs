using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Models;

/// <summary>
/// What differs between kinds of sentence encoders: from windows of token ids to unit vectors. Immutable and
/// thread-safe; disposing frees the weights.
/// </summary>
/// <param name="store">The weights, which belong to it from now on.</param>
internal abstract class SentenceNetwork(WeightStore store) : IDisposable
{
    /// <summary>The length of an embedding.</summary>
    public abstract int DEmbedding { get; }

    /// <summary>Unit vectors, [windows][dEmbedding].</summary>
    public abstract float[][] Embed(IReadOnlyList<int[]> windows, WorkerPool pool, CancellationToken cancellation);

    public void Dispose() => store.Dispose();

    /// <summary>A sum of rows divided by their number and by the length that is left; without rows all 0.</summary>
    public static float[] UnitMean(double[] sum, int rows)
    {
        double squares = 0;
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] /= Math.Max(rows, 1);
            squares += sum[i] * sum[i];
        }

        double norm = Math.Max(Math.Sqrt(squares), 1e-12);
        return [.. sum.Select(m => (float)(m / norm))];
    }
}

/// <summary>What a <see cref="SentenceEncoder"/> is made of.</summary>
internal sealed record SentenceParts
{
    public required SentenceNetwork Network { get; init; }

    public required TextTokenizer Tokenizer { get; init; }

    /// <summary>The longest window.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Where the tokenizer cuts a text.</summary>
    public required int TokenizerMaxLength { get; init; }

    /// <summary>Where an embedding generator cuts a text.</summary>
    public required int GeneratorMaxLength { get; init; }

    /// <summary>The special tokens in front of a window.</summary>
    public required int[] Before { get; init; }

    /// <summary>The special tokens after it.</summary>
    public required int[] After { get; init; }

    public required Lazy<string> Digest { get; init; }
}
