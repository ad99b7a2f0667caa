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
}

/// <summary>A norm's weight and bias, [d] each.</summary>
internal sealed record Norm(float[] Weight, float[] Bias, float Epsilon)
{
    public void Run(WorkerPool pool, ReadOnlySpan<float> x, Span<float> y, int rows) =>
        LayerNormKernel.Run(pool, x, y, Weight, Bias, rows, Epsilon);
}

/// <summary>The weights of one block.</summary>
/// <param name="Norm1">Before attention.</param>
/// <param name="QueryKeyValue">Queries, keys, values side by side, [(nHeads + 2·nKeyValueHeads)·dHead outputs].</param>
/// <param name="AttentionOut">From heads to the residual stream.</param>
/// <param name="Norm2">Before the feed-forward layer.</param>
/// <param name="MlpIn">Into the feed-forward layer.</param>
/// <param name="MlpOut">Out of it.</param>
internal sealed record BlockWeights(
    Norm Norm1, Linear QueryKeyValue, Linear AttentionOut, Norm Norm2, Linear MlpIn, Linear MlpOut);

/// <summary>All weights of a decoder.</summary>
/// <param name="Embedding">The token embedding, one output a token; also the unembedding if tied.</param>
/// <param name="PositionEmbedding">[contextLength, dModel].</param>
/// <param name="Blocks">By layer.</param>
/// <param name="FinalNorm">Before the unembedding.</param>
/// <param name="Unembedding">The output head; the same object as <paramref name="Embedding"/> if tied.</param>
internal sealed record DecoderWeights(
    WeightMatrix Embedding, float[] PositionEmbedding, BlockWeights[] Blocks, Norm FinalNorm, WeightMatrix Unembedding);
