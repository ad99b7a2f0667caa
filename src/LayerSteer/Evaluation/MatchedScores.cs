using LayerSteer.Numerics;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>
/// The control for a topic's latents: the same scores on other latents that fire about as often. Scored latents are
/// ordered by how often they fire and cut into blocks of like frequency; within each block the scores change places, so
/// that no latent keeps its own. A method then selects as many latents, as strongly and as rare ones, but not those of
/// the topic.
/// </summary>
public static class MatchedScores
{
    /// <summary>The latents of a block; of a dictionary of 4096 that is a two-hundredth of all.</summary>
    public const int BlockSize = 20;

    /// <summary>Shuffles scores among latents of like frequency.</summary>
    /// <param name="scores">The topic's scores.</param>
    /// <param name="frequencies">[dSae]: on how many reference tokens each latent fired.</param>
    /// <param name="seed">The seed of the shuffle.</param>
    /// <returns>Scores of the same latents; gaps stay gaps.</returns>
    /// <exception cref="ArgumentException">The number of frequencies is not that of the scores.</exception>
    public static LatentScores Of(LatentScores scores, IReadOnlyList<long> frequencies, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(frequencies);
        if (frequencies.Count != scores.Count)
        {
            throw new ArgumentException(
                $"{frequencies.Count} frequencies for {scores.Count} scores; expected one a latent");
        }

        int[] order =
        [
            .. Enumerable.Range(0, scores.Count).Where(latent => scores.Supported[latent])
                .OrderBy(latent => frequencies[latent]).ThenBy(latent => latent),
        ];
        double[] shuffled = new double[scores.Count];
        var generator = new SplitMix64(seed);
        for (int first = 0; first < order.Length; first += BlockSize)
        {
            // Sattolo's cycle: no latent keeps its own score, unless it is alone in its block.
            int[] block = order[first..Math.Min(first + BlockSize, order.Length)];
            int[] from = [.. block];
            for (int last = from.Length - 1; last > 0; last--)
            {
                int other = generator.NextInt(last);
                (from[last], from[other]) = (from[other], from[last]);
            }

            for (int i = 0; i < block.Length; i++)
            {
                shuffled[block[i]] = scores.Values[from[i]];
            }
        }

        return new LatentScores(
            shuffled, scores.Supported, $"{scores.Name}, shuffled among latents of like frequency", scores.Maxima);
    }
}
