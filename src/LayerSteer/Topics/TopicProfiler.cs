using LayerSteer.Models;

namespace LayerSteer.Topics;

/// <summary>A topic scored: the profile, and what it came from.</summary>
/// <param name="Profile">The profile.</param>
/// <param name="Scoring">The scoring with its intermediate sums.</param>
/// <param name="Alignment">The topic's sentence vectors, [windows, dEmbedding] row-major.</param>
public sealed record ScoredTopic(TopicProfile Profile, FeatureScoring Scoring, float[] Alignment);

/// <summary>From the texts of a topic and a reference index to a profile; the model itself is not needed.</summary>
public static class TopicProfiler
{
    /// <summary>Embeds the topic's texts, scores every latent of the index and makes the profile.</summary>
    /// <param name="name">The topic's name.</param>
    /// <param name="index">The reference index.</param>
    /// <param name="encoder">The sentence encoder that the index was built with.</param>
    /// <param name="texts">The topic's texts.</param>
    /// <param name="kind">Which summary of the reference prompts to use.</param>
    /// <param name="publishedBug">Whether to repeat the seed's all-zero defect.</param>
    /// <param name="cancellation">Checked between passes of the encoder.</param>
    /// <exception cref="InvalidDataException">The encoder is not the one of the index.</exception>
    public static ScoredTopic Profile(
        string name,
        ReferenceIndex index,
        SentenceEncoder encoder,
        TextTable texts,
        SummaryKind kind = SummaryKind.Average,
        bool publishedBug = false,
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
        float[] alignment = [.. embedder.Embed(texts.Texts, cancellation).SelectMany(windows => windows)];
        FeatureScoring scoring = new FeatureScorer(index, kind).Score(alignment, publishedBug);
        var source = new AlignmentSource(
            texts.Source,
            ReferenceSource.DigestOf(texts.Texts.Select(ReferenceSource.DigestOfText)),
            texts.Count,
            alignment.Length / manifest.DEmbedding);
        return new ScoredTopic(
            TopicProfile.From(name, manifest, scoring, source, DateTimeOffset.UtcNow), scoring, alignment);
    }
}
