using System.Diagnostics;
using LayerSteer.Models;

namespace LayerSteer.Topics;

/// <summary>A topic scored: the profile, and what it came from.</summary>
/// <param name="Profile">The profile.</param>
/// <param name="Scoring">The scoring with its intermediate sums.</param>
/// <param name="Alignment">The topic's sentence vectors, [windows, dEmbedding] row-major.</param>
/// <param name="Card">What the scores rest on; null where it was not asked for, and in seed mode.</param>
/// <param name="CardTime">How long the card took; 0 without one.</param>
public sealed record ScoredTopic(
    TopicProfile Profile,
    FeatureScoring Scoring,
    float[] Alignment,
    UncertaintyCard? Card = null,
    TimeSpan CardTime = default);

/// <summary>From the texts of a topic and a reference index to a profile; the model itself is not needed.</summary>
public static class TopicProfiler
{
    /// <summary>
    /// Embeds the topic's texts, scores every latent of the index and makes the profile. In corrected mode the scores
    /// come from shrunk means, <see cref="LatentShrinkage"/>, where there is evidence to shrink by.
    /// </summary>
    /// <param name="name">The topic's name.</param>
    /// <param name="index">The reference index.</param>
    /// <param name="encoder">The sentence encoder that the index was built with.</param>
    /// <param name="texts">The topic's texts.</param>
    /// <param name="kind">Which summary of the reference prompts to use.</param>
    /// <param name="publishedBug">Whether to repeat the seed's all-zero defect.</param>
    /// <param name="level">Whether scores are shrunk, and whether a card is made.</param>
    /// <param name="uncertainty">Seed, sizes and thresholds of the card; the defaults when left out.</param>
    /// <param name="threads">The most threads of the card; 0 for as many as the machine has.</param>
    /// <param name="cancellation">Checked between passes of the encoder and within the card.</param>
    /// <exception cref="InvalidDataException">The encoder is not the one of the index.</exception>
    public static ScoredTopic Profile(
        string name,
        ReferenceIndex index,
        SentenceEncoder encoder,
        TextTable texts,
        SummaryKind kind = SummaryKind.Average,
        bool publishedBug = false,
        UncertaintyLevel level = UncertaintyLevel.Card,
        UncertaintyOptions? uncertainty = null,
        int threads = 0,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(texts);
        IndexManifest manifest = index.Manifest;
        if (encoder.Digest != manifest.Encoder.Digest)
        {
            throw new InvalidDataException(
                $"'{index.Folder}' was built with the sentence encoder {manifest.Encoder.Digest[..12]}… "
                + $"('{manifest.Encoder.Path}'), "
                + $"but '{encoder.Path}' is {encoder.Digest[..12]}…; give the encoder of the index");
        }

        var embedder = new TextEmbedder(encoder, manifest.Mode);
        float[][] vectors = embedder.Embed(texts.Texts, cancellation);
        float[] alignment = [.. vectors.SelectMany(windows => windows)];
        var scorer = new FeatureScorer(index, kind);
        double[] squared = scorer.SquaredDistances(alignment);
        FeatureScoring scoring = scorer.Score(squared, alignment.Length / manifest.DEmbedding, publishedBug);
        level = manifest.Mode == SteeringMode.Seed || publishedBug ? UncertaintyLevel.None : level;
        long start = Stopwatch.GetTimestamp();
        UncertaintyCard? card = level != UncertaintyLevel.Card ? null : UncertaintyCard.Measure(
            index,
            squared,
            alignment,
            [.. vectors.Select(windows => windows.Length / manifest.DEmbedding)],
            kind,
            uncertainty,
            threads,
            cancellation);
        TimeSpan time = card is null ? TimeSpan.Zero : Stopwatch.GetElapsedTime(start);
        if (level != UncertaintyLevel.None)
        {
            LatentShrinkage shrinkage =
                card?.Shrinkage ?? LatentShrinkage.Of(LatentSupport.Of(index.Summaries(kind), squared));
            scoring = scoring with { Scores = shrinkage.Scores(scoring.Scores.Maxima) ?? scoring.Scores };
        }

        var source = new AlignmentSource(
            texts.Source,
            ReferenceSource.DigestOf(texts.Texts.Select(ReferenceSource.DigestOfText)),
            texts.Count,
            alignment.Length / manifest.DEmbedding);
        return new ScoredTopic(
            TopicProfile.From(name, manifest, scoring, source, DateTimeOffset.UtcNow, card), scoring, alignment, card, time);
    }
}
