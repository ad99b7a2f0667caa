namespace LayerSteer.Topics;

/// <summary>What a topic's own texts say, run through the model and the autoencoder.</summary>
/// <param name="Texts">How many texts gave a token.</param>
/// <param name="Tokens">How many tokens were read.</param>
/// <param name="Latents">[scored]: the latents with a contrastive score above 0, ascending.</param>
/// <param name="Scores">[scored]: their scores, above 0 to 1.</param>
/// <param name="Maxima">[scored]: the largest activation of each on the reference prompts.</param>
/// <param name="MeanDifference">[dModel or the hook point's width]: mean x of the topic minus that of other texts.</param>
/// <param name="OtherTexts">The digest of the other texts' list.</param>
/// <param name="Filter">How latents were filtered by what they do to the next token: none, output or confidence.</param>
public sealed record ProfileContrast(
    int Texts,
    int Tokens,
    int[] Latents,
    double[] Scores,
    float[] Maxima,
    float[] MeanDifference,
    string OtherTexts,
    string Filter)
{
    /// <summary>The part of a profile that scores make.</summary>
    /// <param name="scores">The contrastive scores.</param>
    /// <param name="topic">The topic's texts.</param>
    /// <param name="other">The other texts, read at the same place.</param>
    /// <param name="otherTexts">The digest of their list.</param>
    /// <param name="filter">The name of the filter that the scores went through.</param>
    public static ProfileContrast From(
        LatentScores scores, TopicActivations topic, TopicActivations other, string otherTexts, string filter = "none")
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(topic);
        int[] latents = [.. Enumerable.Range(0, scores.Count).Where(f => scores.Supported[f] && scores.Values[f] > 0)];
        return new ProfileContrast(
            topic.Texts,
            topic.Tokens,
            latents,
            [.. latents.Select(f => scores.Values[f])],
            [.. latents.Select(f => scores.Maxima[f])],
            topic.MeanDifference(other),
            otherTexts,
            filter);
    }

    /// <summary>The scores of all latents: 0 at each that is not listed but has a semantic score, and else a gap.</summary>
    /// <param name="semantic">The semantic scores of the same profile.</param>
    public LatentScores ToLatentScores(LatentScores semantic)
    {
        ArgumentNullException.ThrowIfNull(semantic);
        double[] values = new double[semantic.Count];
        bool[] supported = semantic.Supported.ToArray();
        float[] maxima = semantic.Maxima.IsEmpty ? new float[semantic.Count] : semantic.Maxima.ToArray();
        if (semantic.Maxima.IsEmpty)
        {
            Array.Clear(supported);
        }

        for (int i = 0; i < Latents.Length; i++)
        {
            values[Latents[i]] = Scores[i];
            supported[Latents[i]] = true;
            maxima[Latents[i]] = Maxima[i];
        }

        return new LatentScores(values, supported, semantic.Name, maxima);
    }

    /// <summary>What cannot be in it, in words that name the field; null if nothing.</summary>
    internal string? Problem(int dSae)
    {
        if (Texts < 1 || Tokens < Texts)
        {
            return $"contrast has {Texts} texts and {Tokens} tokens";
        }

        if (Scores.Length != Latents.Length || Maxima.Length != Latents.Length)
        {
            return $"contrast has {Latents.Length} latents, {Scores.Length} scores and {Maxima.Length} maxima";
        }

        for (int i = 0; i < Latents.Length; i++)
        {
            int previous = i == 0 ? -1 : Latents[i - 1];
            if (Latents[i] <= previous || Latents[i] >= dSae)
            {
                return $"contrast.latents[{i}] is {Latents[i]} after {previous}, "
                    + $"expected ascending latents from 0 to {dSae - 1}";
            }

            if (!(Scores[i] is > 0 and <= 1) || !(Maxima[i] > 0) || !float.IsFinite(Maxima[i]))
            {
                return FormattableString.Invariant(
                    $"contrast.scores[{i}] is {Scores[i]} and contrast.maxima[{i}] {Maxima[i]}, expected above 0 to 1 and ")
                    + "above 0";
            }
        }

        int bad = Array.FindIndex(MeanDifference, value => !float.IsFinite(value));
        return bad >= 0
            ? FormattableString.Invariant($"contrast.mean_difference[{bad}] is {MeanDifference[bad]}, expected a finite number")
            : MeanDifference.Length is < 1 or > IndexManifest.LargestDimension
                ? $"contrast.mean_difference has {MeanDifference.Length} numbers"
                : Filter is "none" or "output" or "confidence"
                    ? null
                    : $"contrast.filter is '{CsvText.Shortened(Filter)}', expected none, output or confidence";
    }
}
