namespace LayerSteer.Topics;

/// <summary>How latents are scored by contrast.</summary>
public sealed record ContrastOptions
{
    /// <summary>A latent that fires on a larger share of the reference tokens is left out: it says nothing of a topic.</summary>
    public double LargestDensity { get; init; } = 0.1;

    /// <summary>On how many of the topic's texts a latent must fire, at least 1; on all where there are fewer.</summary>
    public int LeastTexts { get; init; } = 2;
}

/// <summary>
/// Scores latents by how much more they fire on the topic's own texts (T) than on the reference texts (G), in units of
/// their spread (Cohen's d):
/// <code>
/// c_f     = (E_T[z_f] − E_G[z_f]) / √((Var_T[z_f] + Var_G[z_f]) / 2)
/// score_f = c_f / max c          where c_f > 0; else 0
/// </code>
/// Means and variances are over tokens, BOS left out. A latent that never fired on the references has no score: nothing
/// says how large its activations are. One that fires on too many reference tokens, or on too few of the topic's texts,
/// scores 0. This is our reading of contrastive scoring; the formula of arXiv 2506.12576 v3 was not at hand.
/// </summary>
public static class ContrastiveScorer
{
    /// <summary>Scores every latent.</summary>
    /// <param name="index">The references.</param>
    /// <param name="topic">The topic's texts, run through the same model and autoencoder.</param>
    /// <param name="options">Which latents are left out; the defaults if null.</param>
    /// <exception cref="ArgumentException">They are of different autoencoders.</exception>
    public static LatentScores Score(ReferenceIndex index, TopicActivations topic, ContrastOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(topic);
        options ??= new ContrastOptions();
        double[] contrast = Contrast(index, topic);
        long tokens = index.Tokens.Sum(count => (long)count);
        int leastTexts = Math.Min(options.LeastTexts, topic.Texts);
        double most = 0;
        for (int f = 0; f < contrast.Length; f++)
        {
            LatentStatistics seen = index.LatentStatistics[f];
            bool taken = seen.TokensActive > 0 && seen.TokensActive <= options.LargestDensity * tokens
                && topic.TextsActive[f] >= leastTexts;
            contrast[f] = taken ? Math.Max(0, contrast[f]) : 0;
            most = Math.Max(most, contrast[f]);
        }

        double[] scores = [.. contrast.Select(c => most > 0 ? c / most : 0)];
        return new LatentScores(
            scores,
            [.. index.LatentStatistics.Select(seen => seen.TokensActive > 0)],
            maxima: [.. index.LatentStatistics.Select(seen => seen.Max)]);
    }

    /// <summary>c_f of every latent, [dSae]; 0 where a latent does not vary.</summary>
    /// <param name="index">The references.</param>
    /// <param name="topic">The topic's texts.</param>
    /// <exception cref="ArgumentException">They are of different autoencoders.</exception>
    public static double[] Contrast(ReferenceIndex index, TopicActivations topic)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(topic);
        if (index.Manifest.DSae != topic.Sum.Length)
        {
            throw new ArgumentException(
                $"the topic was read through an autoencoder of {topic.Sum.Length} latents, the index through one of "
                + $"{index.Manifest.DSae}");
        }

        long tokens = index.Tokens.Sum(count => (long)count);
        double[] contrast = new double[topic.Sum.Length];
        for (int f = 0; tokens > 0 && f < contrast.Length; f++)
        {
            LatentStatistics seen = index.LatentStatistics[f];
            (double meanT, double varianceT) = Moments(topic.Sum[f], topic.SumOfSquares[f], topic.Tokens);
            (double meanG, double varianceG) = Moments(seen.Sum, seen.SumOfSquares, tokens);
            double spread = Math.Sqrt((varianceT + varianceG) / 2);
            contrast[f] = spread > 0 ? (meanT - meanG) / spread : 0;
        }

        return contrast;
    }

    private static (double Mean, double Variance) Moments(double sum, double squares, double count)
    {
        double mean = sum / count;
        return (mean, Math.Max(0, (squares / count) - (mean * mean)));
    }
}
