using Microsoft.Extensions.AI;

namespace LayerSteer.Evaluation;

/// <summary>How often a sentence encoder places held-out texts nearest to their own topic.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Texts">Its held-out texts.</param>
/// <param name="Right">How many are nearest to the centroid of its own alignment texts.</param>
public sealed record TopicAccuracy(string Topic, int Texts, int Right)
{
    /// <summary>Measures an encoder: the nearest centroid of the alignment texts, for each held-out text.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="topics">At least two topics.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    /// <returns>One a topic, in their order.</returns>
    public static async Task<IReadOnlyList<TopicAccuracy>> MeasureAsync(
        IEmbeddingGenerator<string, Embedding<float>> encoder,
        IReadOnlyList<EvaluationTopic> topics,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(topics);
        TopicSimilarity similarity = await TopicSimilarity.CreateAsync(
            encoder, [.. topics.Select(topic => topic.Align.Texts)], cancellation).ConfigureAwait(false);
        var result = new List<TopicAccuracy>();
        for (int k = 0; k < topics.Count; k++)
        {
            double[][] similarities = await similarity.OfAsync(topics[k].Test, cancellation).ConfigureAwait(false);
            int right = similarities.Count(s => Array.IndexOf(s, s.Max()) == k);
            result.Add(new TopicAccuracy(topics[k].Name, topics[k].Test.Count, right));
        }

        return result;
    }
}
