using Microsoft.Extensions.AI;

namespace LayerSteer.Evaluation;

/// <summary>
/// How much nearer a text is to a topic than to the other topics, by a sentence encoder:
/// <code>
/// c_k = mean of the unit vectors of topic k's held-out texts
/// similarity(x, k) = cos(e(x), c_k) − mean over j ≠ k of cos(e(x), c_j)        −2 to 2
/// </code>
/// Immutable; as thread-safe as the encoder, which it does not own.
/// </summary>
public sealed class TopicSimilarity
{
    private readonly IEmbeddingGenerator<string, Embedding<float>> _encoder;
    private readonly double[][] _centroids;

    private TopicSimilarity(IEmbeddingGenerator<string, Embedding<float>> encoder, double[][] centroids)
    {
        _encoder = encoder;
        _centroids = centroids;
    }

    /// <summary>Embeds the texts of topics and keeps their centroids.</summary>
    /// <param name="encoder">The sentence encoder; better not the one that the scores were made with.</param>
    /// <param name="topics">For each topic its texts, at least one; at least two topics.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    public static async Task<TopicSimilarity> CreateAsync(
        IEmbeddingGenerator<string, Embedding<float>> encoder,
        IReadOnlyList<IReadOnlyList<string>> topics,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentOutOfRangeException.ThrowIfLessThan(topics.Count, 2);
        var centroids = new double[topics.Count][];
        for (int k = 0; k < topics.Count; k++)
        {
            GeneratedEmbeddings<Embedding<float>> vectors =
                await encoder.GenerateAsync(topics[k], cancellationToken: cancellation).ConfigureAwait(false);
            double[] centroid = new double[vectors[0].Vector.Length];
            foreach (Embedding<float> vector in vectors)
            {
                double[] unit = Unit(vector.Vector.Span);
                for (int i = 0; i < centroid.Length; i++)
                {
                    centroid[i] += unit[i] / vectors.Count;
                }
            }

            centroids[k] = centroid;
        }

        return new TopicSimilarity(encoder, centroids);
    }

    /// <summary>The unit vectors of texts.</summary>
    /// <param name="texts">The texts, none of them blank.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    /// <returns>[texts][dEmbedding]</returns>
    public async Task<double[][]> VectorsAsync(IReadOnlyList<string> texts, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0)
        {
            return [];
        }

        GeneratedEmbeddings<Embedding<float>> vectors =
            await _encoder.GenerateAsync(texts, cancellationToken: cancellation).ConfigureAwait(false);
        return [.. vectors.Select(vector => Unit(vector.Vector.Span))];
    }

    /// <summary>The similarities of texts to every topic.</summary>
    /// <param name="texts">The texts, none of them blank.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    /// <returns>[texts][topics]</returns>
    public async Task<double[][]> OfAsync(IReadOnlyList<string> texts, CancellationToken cancellation = default) =>
        [.. (await VectorsAsync(texts, cancellation).ConfigureAwait(false)).Select(Of)];

    /// <summary>The similarities of a unit vector to every topic, [topics].</summary>
    public double[] Of(double[] unit)
    {
        ArgumentNullException.ThrowIfNull(unit);
        double[] cosines = [.. _centroids.Select(centroid => Dot(unit, centroid) / Math.Sqrt(Dot(centroid, centroid)))];
        double total = cosines.Sum();
        return [.. cosines.Select(cosine => cosine - ((total - cosine) / (cosines.Length - 1)))];
    }

    /// <summary>The cosine of two unit vectors.</summary>
    public static double Cosine(double[] first, double[] second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        return Dot(first, second);
    }

    private static double[] Unit(ReadOnlySpan<float> vector)
    {
        double[] unit = new double[vector.Length];
        double norm = 0;
        for (int i = 0; i < unit.Length; i++)
        {
            norm += (double)vector[i] * vector[i];
        }

        for (int i = 0; i < unit.Length; i++)
        {
            unit[i] = vector[i] / Math.Sqrt(norm);
        }

        return unit;
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
