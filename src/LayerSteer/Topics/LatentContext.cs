namespace LayerSteer.Topics;

/// <summary>A reference prompt on which a latent was active. The index holds no text: the id and digest find it.</summary>
/// <param name="Prompt">The row of the prompt in its reference list.</param>
/// <param name="Digest">The digest of its text, as <see cref="ReferenceSource.DigestOfText"/> gives it.</param>
/// <param name="Tokens">How many of its tokens were kept.</param>
/// <param name="Active">On how many of them the latent was positive.</param>
/// <param name="Max">The largest activation.</param>
public readonly record struct LatentContext(int Prompt, string Digest, int Tokens, int Active, float Max)
{
    /// <summary>The prompts on which a latent was most active.</summary>
    /// <param name="index">The index.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="count">How many prompts to give at most.</param>
    /// <returns>The largest activation first, ties to the lower id.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public static IReadOnlyList<LatentContext> Top(ReferenceIndex index, int latent, int count)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)latent, (uint)index.Manifest.DSae, nameof(latent));
        var found = new List<LatentContext>();
        for (int row = 0; row < index.PromptCount; row++)
        {
            int start = index.RowStarts[row];
            int at = Array.BinarySearch(index.Latents, start, index.RowStarts[row + 1] - start, latent);
            if (at >= 0)
            {
                found.Add(new LatentContext(
                    index.PromptIds[row], index.Digests[row], index.Tokens[row], index.Counts[at], index.Maxima[at]));
            }
        }

        return [.. found.OrderByDescending(context => context.Max).ThenBy(context => context.Prompt).Take(count)];
    }
}
