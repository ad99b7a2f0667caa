namespace LayerSteer.Topics;

/// <summary>
/// What an index keeps of one reference prompt: its sentence vectors and, for each latent that was active, the sum, the
/// sum of squares, the maximum and the count over the kept tokens. No text. The arrays are the caller's and are not
/// copied.
/// </summary>
public sealed record PromptSummary
{
    /// <summary>The row of the prompt in the whole reference list, from 0, also in a shard.</summary>
    public required int Id { get; init; }

    /// <summary>The digest of the text, as <see cref="ReferenceSource.DigestOfText"/> gives it.</summary>
    public required string Digest { get; init; }

    /// <summary>
    /// How many tokens were kept (BOS and dropped positions not counted); 0 is allowed and has no latents.
    /// </summary>
    public required int Tokens { get; init; }

    /// <summary>[windows, dEmbedding], row-major, each row of length 1; a text has at least one window.</summary>
    public required float[] Embeddings { get; init; }

    /// <summary>[active]: the latents that were positive on at least one kept token, ascending.</summary>
    public required int[] Latents { get; init; }

    /// <summary>[active]: the sum of the positive activations over the kept tokens.</summary>
    public required double[] Sum { get; init; }

    /// <summary>[active]: the sum of their squares.</summary>
    public required double[] SumOfSquares { get; init; }

    /// <summary>[active]: the largest activation.</summary>
    public required float[] Max { get; init; }

    /// <summary>[active]: on how many kept tokens the latent was positive.</summary>
    public required int[] Count { get; init; }
}
