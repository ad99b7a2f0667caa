using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>A linear map y = W·x + b.</summary>
/// <param name="Weights">W, packed.</param>
/// <param name="Bias">b, [outputs]; empty if there is none.</param>
internal sealed record Linear(WeightMatrix Weights, float[] Bias)
{
    /// <summary>Y = X·Wᵀ + b for rows of X.</summary>
    public void Run(WorkerPool pool, ReadOnlySpan<float> x, Span<float> y, int rows) =>
        MatrixKernel.Run(pool, Weights, Bias, x, y, rows);

    /// <summary>The bytes that one product has to read.</summary>
    public long Bytes => Weights.Bytes + (Bias.Length * sizeof(float));
}

/// <summary>A norm of rows of length d.</summary>
/// <param name="Weight">[d]; 1 is already added where the checkpoint stores less.</param>
/// <param name="Bias">[d] of a layer norm; null of a root-mean-square norm.</param>
/// <param name="Epsilon">Added to the variance or mean square.</param>
internal sealed record Norm(float[] Weight, float[]? Bias, float Epsilon)
{
    /// <summary>Normalises rows; y may be x.</summary>
    public void Run(WorkerPool pool, ReadOnlySpan<float> x, Span<float> y, int rows)
    {
        if (Bias is null)
        {
            RmsNormKernel.Run(pool, x, y, Weight, Weight.Length, rows, Epsilon);
        }
        else
        {
            LayerNormKernel.Run(pool, x, y, Weight, Bias, rows, Epsilon);
        }
    }

    /// <summary>The bytes that it reads beside the rows.</summary>
    public long Bytes => (Weight.Length + (Bias?.Length ?? 0)) * sizeof(float);
}

/// <summary>The weights of one block.</summary>
/// <param name="Norm1">Before attention.</param>
/// <param name="QueryKeyValue">Queries, keys, values side by side, [(nHeads + 2·nKeyValueHeads)·dHead outputs].</param>
/// <param name="AttentionOut">From heads to the residual stream.</param>
/// <param name="Norm2">Before the feed-forward layer.</param>
/// <param name="MlpIn">Into the feed-forward layer; its gate if it has one.</param>
/// <param name="MlpOut">Out of it.</param>
internal sealed record BlockWeights(
    Norm Norm1, Linear QueryKeyValue, Linear AttentionOut, Norm Norm2, Linear MlpIn, Linear MlpOut)
{
    /// <summary>What the gate multiplies; null if there is no gate.</summary>
    public Linear? MlpUp { get; init; }

    /// <summary>Of what attention adds; null if it is added as it is.</summary>
    public Norm? PostNorm1 { get; init; }

    /// <summary>Of what the feed-forward layer adds, likewise.</summary>
    public Norm? PostNorm2 { get; init; }

    /// <summary>Of each query, [dHead]; null for none.</summary>
    public Norm? QueryNorm { get; init; }

    /// <summary>Of each key, likewise.</summary>
    public Norm? KeyNorm { get; init; }

    /// <summary>The bytes that one token reads.</summary>
    public long Bytes => QueryKeyValue.Bytes + AttentionOut.Bytes + MlpIn.Bytes + (MlpUp?.Bytes ?? 0) + MlpOut.Bytes
        + Norm1.Bytes + Norm2.Bytes + (PostNorm1?.Bytes ?? 0) + (PostNorm2?.Bytes ?? 0)
        + (QueryNorm?.Bytes ?? 0) + (KeyNorm?.Bytes ?? 0);
}

/// <summary>All weights of a decoder.</summary>
/// <param name="Embedding">The token embedding, one output a token; also the unembedding if tied.</param>
/// <param name="PositionEmbedding">[contextLength, dModel]; null where positions are rotary.</param>
/// <param name="Blocks">By layer.</param>
/// <param name="FinalNorm">Before the unembedding.</param>
/// <param name="Unembedding">The output head; the same object as <paramref name="Embedding"/> if tied.</param>
internal sealed record DecoderWeights(
    WeightMatrix Embedding, float[]? PositionEmbedding, BlockWeights[] Blocks, Norm FinalNorm, WeightMatrix Unembedding);
