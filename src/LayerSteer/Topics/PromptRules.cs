namespace LayerSteer.Topics;

/// <summary>What must hold of one prompt in an index, whether it comes from the caller or from a file.</summary>
internal static class PromptRules
{
    /// <summary>
    /// How far from 1 the length of a sentence vector may be: far above float noise, far below a missing norm.
    /// </summary>
    private const double NormTolerance = 1e-3;

    /// <summary>The first rule that is broken, in words that follow "prompt N: "; null if none.</summary>
    public static string? Broken(
        IndexManifest manifest,
        int tokens,
        string digest,
        ReadOnlySpan<float> embeddings,
        ReadOnlySpan<int> latents,
        ReadOnlySpan<double> sums,
        ReadOnlySpan<float> maxima,
        ReadOnlySpan<int> counts)
    {
        if (tokens < 0)
        {
            return FormattableString.Invariant($"{tokens} tokens, expected 0 or more");
        }
        if (!ReferenceSource.IsSha256(digest))
        {
            return "digest is not 64 lower-case hexadecimal digits";
        }
        if (BrokenEmbeddings(embeddings, manifest.DEmbedding) is string broken)
        {
            return broken;
        }
        int previous = -1;
        for (int i = 0; i < latents.Length; i++)
        {
            int latent = latents[i];
            if (latent <= previous || latent >= manifest.DSae)
            {
                return FormattableString.Invariant(
                    $"latent {latent} after {previous}, expected ascending latents from 0 to {manifest.DSae - 1}");
            }
            if (!(sums[i] > 0 && double.IsFinite(sums[i]) && maxima[i] > 0 && float.IsFinite(maxima[i])))
            {
                return FormattableString.Invariant(
                    $"latent {latent} has sum {sums[i]} and max {maxima[i]}, expected finite positive numbers");
            }
            if (counts[i] < 1 || counts[i] > tokens)
            {
                return FormattableString.Invariant(
                    $"latent {latent} has count {counts[i]}, expected 1 to the prompt's {tokens} tokens");
            }
            previous = latent;
        }
        return null;
    }

    /// <summary>As <see cref="Broken"/>, for sentence vectors alone.</summary>
    public static string? BrokenEmbeddings(ReadOnlySpan<float> embeddings, int dEmbedding)
    {
        if (embeddings.IsEmpty || embeddings.Length % dEmbedding != 0)
        {
            return FormattableString.Invariant(
                $"{embeddings.Length} embedding values, expected a positive multiple of {dEmbedding}");
        }
        for (int start = 0; start < embeddings.Length; start += dEmbedding)
        {
            double norm = 0;
            foreach (float value in embeddings.Slice(start, dEmbedding))
            {
                norm += (double)value * value;
            }
            norm = Math.Sqrt(norm);
            if (!(Math.Abs(norm - 1) <= NormTolerance))
            {
                return FormattableString.Invariant(
                    $"embedding {start / dEmbedding} has length {norm:G6}, expected 1 (L2-normalised, finite)");
            }
        }
        return null;
    }
}
