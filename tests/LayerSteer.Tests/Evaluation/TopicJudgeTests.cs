using LayerSteer.Evaluation;
using LayerSteer.Numerics;
using Microsoft.Extensions.AI;
using Xunit;

namespace LayerSteer.Tests.Evaluation;

public class TopicJudgeTests
{
    private static readonly string[] Boats =
    [
        "The ferry leaves the harbour at noon.", "Sails and anchors lay on the deck.",
        "A boat needs a keel and a rudder.",
    ];

    private static readonly string[] Bread =
        ["Knead the dough and let it rise.", "The oven must be hot for bread.", "Flour, water and yeast make a loaf."];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void The_classifier_tells_planted_topics_apart_by_words_it_has_seen()
    {
        TopicClassifier classifier = TopicClassifier.Train(Labelled());
        Assert.Equal(["boats", "bread"], classifier.Classes);
        double[] boats = classifier.Probabilities("The deck of the ferry, and its ANCHORS");
        double[] bread = classifier.Probabilities("yeast and dough");
        Assert.True(boats[0] > 0.8, $"{boats[0]}");
        Assert.True(bread[1] > 0.8, $"{bread[1]}");
        Assert.Equal(1, boats.Sum(), 1e-12);
    }

    [Fact]
    public void Training_does_not_depend_on_the_order_of_the_texts()
    {
        (string, string)[] texts = [.. Labelled()];
        double[] expected = TopicClassifier.Train(texts).Probabilities("the oven of the ferry");
        var generator = new SplitMix64(3);
        generator.Shuffle<(string, string)>(texts);
        Assert.Equal(expected, TopicClassifier.Train(texts).Probabilities("the oven of the ferry"));
    }

    [Fact]
    public void A_text_without_a_known_word_gets_no_evidence()
    {
        double[] p = TopicClassifier.Train(Labelled()).Probabilities("xyzzy !!! quux");
        Assert.Equal(p, TopicClassifier.Train(Labelled()).Probabilities("…"));
        Assert.InRange(p[0], 0.2, 0.8);
    }

    [Fact]
    public void Accuracy_is_counted_by_text_and_by_class()
    {
        TopicClassifier classifier = TopicClassifier.Train(Labelled());
        ClassifierAccuracy accuracy = classifier.Measure(
            [("boats", "ferry"), ("boats", "anchors"), ("boats", "yeast dough oven"), ("bread", "loaf of bread")]);
        Assert.Equal((0.75, ((2 / 3.0) + 1) / 2, 4), (accuracy.Accuracy, accuracy.BalancedAccuracy, accuracy.Texts));
        double[] right =
        [
            classifier.Probabilities("ferry")[0], classifier.Probabilities("anchors")[0],
            classifier.Probabilities("yeast dough oven")[0], classifier.Probabilities("loaf of bread")[1],
        ];
        Assert.Equal(-right.Average(Math.Log), accuracy.LogLoss, 1e-12);
    }

    [Fact]
    public void A_classifier_needs_two_classes_and_words()
    {
        Assert.Equal(
            "1 classes of texts; expected at least 2",
            Assert.Throws<ArgumentException>(() => TopicClassifier.Train([("a", "word")])).Message);
        Assert.Equal(
            "the texts have no words; expected letters or digits",
            Assert.Throws<ArgumentException>(() => TopicClassifier.Train([("a", "…"), ("b", "!")])).Message);
    }

    [Fact]
    public void A_piece_is_the_middle_of_a_text()
    {
        string[] words = [.. Enumerable.Range(0, 100).Select(i => $"w{i}")];
        Assert.Equal(string.Join(' ', words[35..65]), TopicClassifier.Piece(string.Join(", ", words)));
        Assert.Equal("a short one", TopicClassifier.Piece("A short one."));
    }

    [Fact]
    public async Task Similarity_is_the_cosine_with_the_topic_minus_the_mean_of_the_others()
    {
        using var encoder = new PlaneEncoder();
        TopicSimilarity similarity = await TopicSimilarity.CreateAsync(
            encoder, [["0", "90"], ["180"], ["270"]], Cancellation);
        double[][] all = await similarity.OfAsync(["45", "180"], Cancellation);
        double half = Math.Sqrt(0.5);
        double[] first = [1, -half, -half]; // cosines of 45° with 45°, 180° and 270°
        Assert.Equal(first[0] - ((first[1] + first[2]) / 2), all[0][0], 1e-6);
        Assert.Equal(first[1] - ((first[0] + first[2]) / 2), all[0][1], 1e-6);
        Assert.Equal(1 - ((-half + 0) / 2), all[1][1], 1e-6);
    }

    [Fact]
    public async Task A_blank_text_is_not_judged()
    {
        using var encoder = new PlaneEncoder();
        EvaluationTopic[] topics = [Topic("boats", "0"), Topic("bread", "180")];
        TopicJudge judge = await TopicJudge.CreateAsync(topics, encoder, [], Cancellation);
        JudgedText?[] judged = await judge.OfAsync([" \n", "10", "10"], ["0", "70", " "], Cancellation);
        Assert.Null(judged[0]);
        Assert.Equal((true, false), (judged[1]!.Topics[0].IsNearest, judged[1]!.Topics[1].IsNearest));
        Assert.Equal(0.5, judged[1]!.Adherence!.Value, 1e-6);
        Assert.Null(judged[2]!.Adherence);
    }

    [Fact]
    public void The_classifier_reads_the_topics_of_the_project()
    {
        Assert.SkipWhen(TestFiles.Shared is null, "../shared is not here");
        string folder = Path.Combine(TestFiles.Shared!, "data", "topics");
        Assert.SkipUnless(Directory.Exists(folder), "../shared/data/topics is not here");
        IReadOnlyList<EvaluationTopic> topics = EvaluationTopic.ReadAll([folder]);
        Assert.Equal(11, topics.Count);
        Assert.All(topics, topic => Assert.Equal((20, 6), (topic.Align.Count, topic.Extra.Count)));
        TopicClassifier classifier = TopicClassifier.Train(topics.SelectMany(
            topic => topic.Align.Texts.Concat(topic.Extra).Select(text => (topic.Name, text))));
        (string Name, string Text)[] held =
            [.. topics.SelectMany(topic => topic.Test.Select(text => (topic.Name, text)))];
        ClassifierAccuracy whole = classifier.Measure(held);
        ClassifierAccuracy pieces =
            classifier.Measure(held.Select(text => (text.Name, TopicClassifier.Piece(text.Text))));
        TestContext.Current.TestOutputHelper?.WriteLine($"{whole}\n{pieces}");
        Assert.True(whole.Accuracy > 0.9, $"{whole}");
        Assert.True(pieces.Accuracy > 0.83, $"{pieces}");
    }

    private static IEnumerable<(string Class, string Text)> Labelled() =>
        Boats.Select(text => ("boats", text)).Concat(Bread.Select(text => ("bread", text)));

    private static EvaluationTopic Topic(string name, string angle) =>
        new(name, new LayerSteer.Topics.TextTable([angle]), [], [angle]);

    /// <summary>A text is an angle in degrees, its vector three times as long as the unit vector there.</summary>
    private sealed class PlaneEncoder : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options, CancellationToken cancellationToken) =>
            Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(text =>
            {
                double angle = int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) * Math.PI / 180;
                return new Embedding<float>(new[] { 3 * (float)Math.Cos(angle), 3 * (float)Math.Sin(angle) });
            })));

        public object? GetService(Type serviceType, object? serviceKey) => null;

        public void Dispose()
        {
        }
    }
}
