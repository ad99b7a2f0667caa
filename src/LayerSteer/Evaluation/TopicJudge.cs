using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace LayerSteer.Evaluation;

/// <summary>What the judges say of a text and a topic.</summary>
/// <param name="Similarity">How much nearer the text is to the topic than to the others.</param>
/// <param name="IsNearest">Whether the topic is the nearest of all.</param>
/// <param name="Probability">The classifier's probability of the topic.</param>
/// <param name="IsMostProbable">Whether it is the classifier's first.</param>
public readonly record struct Judgement(double Similarity, bool IsNearest, double Probability, bool IsMostProbable);

/// <summary>What the judges say of a text.</summary>
/// <param name="Topics">What they say of each topic, in their order.</param>
/// <param name="Adherence">The cosine of the text with its prompt; null for a prompt that is blank.</param>
public sealed record JudgedText(IReadOnlyList<Judgement> Topics, double? Adherence);

/// <summary>How good the judges are themselves, on human texts that they were not made from.</summary>
/// <param name="Classes">What the classifier chooses from.</param>
/// <param name="Texts">Whole held-out texts.</param>
/// <param name="Pieces">Thirty words of each, about as long as a continuation.</param>
/// <param name="NearestCentroid">The share of alignment texts that are nearest to the centroid of their topic.</param>
public sealed record JudgeQuality(
    IReadOnlyList<string> Classes, ClassifierAccuracy Texts, ClassifierAccuracy Pieces, double NearestCentroid)
{
    /// <summary>The same as a sentence.</summary>
    [JsonIgnore]
    public string InWords => string.Create(
        CultureInfo.InvariantCulture,
        $"The classifier, trained on human text only, names the class of {Texts.Accuracy * 100:F1} % of {Texts.Texts} "
        + $"held-out human texts and of {Pieces.Accuracy * 100:F1} % of {TopicClassifier.PieceWords} words of each "
        + $"(chance: {100.0 / Classes.Count:F0} %); "
        + $"{NearestCentroid * 100:F1} % of the alignment texts are nearest to the centroid of their topic.");
}

/// <summary>
/// Says how much of a topic is in a text, in two ways that share no part: nearness to the topic's held-out texts by a
/// sentence encoder, and a classifier of words. Immutable; does not own the encoder.
/// </summary>
public sealed class TopicJudge
{
    /// <summary>The class of texts that are of no topic.</summary>
    public const string General = "(general)";

    /// <summary>A centroid is made from so many texts at most.</summary>
    public const int CentroidTexts = 60;

    private readonly TopicSimilarity _similarity;
    private readonly TopicClassifier _classifier;
    private readonly int[] _classOf;

    private TopicJudge(
        IReadOnlyList<EvaluationTopic> topics,
        TopicSimilarity similarity,
        TopicClassifier classifier,
        JudgeQuality quality)
    {
        Topics = topics;
        _similarity = similarity;
        _classifier = classifier;
        _classOf = [.. topics.Select(topic => classifier.Classes.ToList().IndexOf(topic.Name))];
        Quality = quality;
    }

    /// <summary>The topics.</summary>
    public IReadOnlyList<EvaluationTopic> Topics { get; }

    /// <summary>How good it is.</summary>
    public JudgeQuality Quality { get; }

    /// <summary>Makes the centroids, trains the classifier and measures both.</summary>
    /// <param name="topics">The topics, at least two.</param>
    /// <param name="encoder">The sentence encoder of the similarity.</param>
    /// <param name="general">Human texts of no topic, a class of their own; empty for none.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    public static async Task<TopicJudge> CreateAsync(
        IReadOnlyList<EvaluationTopic> topics,
        IEmbeddingGenerator<string, Embedding<float>> encoder,
        IReadOnlyList<string> general,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentNullException.ThrowIfNull(general);
        TopicSimilarity similarity = await TopicSimilarity.CreateAsync(
            encoder, [.. topics.Select(topic => (IReadOnlyList<string>)[.. topic.Test.Take(CentroidTexts)])],
            cancellation).ConfigureAwait(false);
        TopicClassifier classifier = TopicClassifier.Train(topics
            .SelectMany(topic => topic.Align.Texts.Concat(topic.Extra).Concat(Half(topic, 1))
                .Select(text => (topic.Name, text)))
            .Concat(general.Select(text => (General, text))));
        (string Class, string Text)[] held =
            [.. topics.SelectMany(topic => Half(topic, 0).Select(text => (topic.Name, text)))];
        double[][] align = await similarity.OfAsync(
            [.. topics.SelectMany(topic => topic.Align.Texts)], cancellation).ConfigureAwait(false);
        int[] own = [.. topics.SelectMany((topic, i) => topic.Align.Texts.Select(_ => i))];
        return new TopicJudge(topics, similarity, classifier, new JudgeQuality(
            classifier.Classes,
            classifier.Measure(held),
            classifier.Measure(held.Select(text => (text.Class, TopicClassifier.Piece(text.Text)))),
            align.Where((similarities, i) => Largest(similarities) == own[i]).Count() / (double)own.Length));
    }

    /// <summary>Judges texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="prompts">The prompt of each.</param>
    /// <param name="cancellation">Passed to the encoder.</param>
    /// <returns>One a text; null for a blank text, of which there is nothing to say.</returns>
    public async Task<JudgedText?[]> OfAsync(
        IReadOnlyList<string> texts, IReadOnlyList<string> prompts, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(prompts);
        int[] written =
            [.. Enumerable.Range(0, texts.Count).Where(i => !string.IsNullOrWhiteSpace(texts[i]))];
        double[][] vectors = await _similarity.VectorsAsync(
            [.. written.Select(i => texts[i])], cancellation).ConfigureAwait(false);
        string[] known = [.. prompts.Distinct().Where(prompt => !string.IsNullOrWhiteSpace(prompt))];
        double[][] beginnings = await _similarity.VectorsAsync(known, cancellation).ConfigureAwait(false);
        var judged = new JudgedText?[texts.Count];
        for (int i = 0; i < written.Length; i++)
        {
            double[] similarity = _similarity.Of(vectors[i]);
            double[] p = _classifier.Probabilities(texts[written[i]]);
            int prompt = Array.IndexOf(known, prompts[written[i]]);
            judged[written[i]] = new JudgedText(
                [
                    .. Enumerable.Range(0, Topics.Count).Select(k => new Judgement(
                        similarity[k], Largest(similarity) == k, p[_classOf[k]], Largest(p) == _classOf[k])),
                ],
                prompt < 0 ? null : TopicSimilarity.Cosine(vectors[i], beginnings[prompt]));
        }

        return judged;
    }

    /// <summary>
    /// Every second held-out text: the odd ones train the classifier, which then knows far more of the topic than the
    /// texts that it is steered by, and the even ones measure it.
    /// </summary>
    private static IEnumerable<string> Half(EvaluationTopic topic, int odd) =>
        topic.Test.Where((_, i) => i % 2 == odd);

    private static int Largest(double[] values) => Array.IndexOf(values, values.Max());
}
