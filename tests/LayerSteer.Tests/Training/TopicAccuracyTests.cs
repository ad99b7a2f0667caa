using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using LayerSteer.Models;
using LayerSteer.Tests.Text;
using Xunit;

namespace LayerSteer.Tests.Training;

/// <summary>
/// How often the centroid of a topic's 20 align texts that lies nearest to a test text is its own topic's: over the
/// test texts of all topics in ../shared/data/topics.
/// </summary>
public partial class TopicAccuracyTests
{
    [Fact]
    public void The_pocket_encoder_names_topics_more_often_than_the_means_of_word_vectors()
    {
        string folder = Environment.GetEnvironmentVariable("LAYERSTEER_TEST_ENCODER")
            ?? Path.Combine(TestFiles.Root, "models", "pocket", "encoder");
        Assert.SkipUnless(Directory.Exists(folder), $"there is no encoder '{folder}'");
        string topics = TokenizerFolders.Data("topics");
        double words = Accuracy("means of GloVe", topics, WordVectors());
        using SentenceEncoder encoder = SentenceEncoder.Load(folder);
        double pocket = Accuracy(
            folder,
            topics,
            text => encoder.Embed([encoder.Tokenizer.Encode(text)], TestContext.Current.CancellationToken)[0]);
        Assert.InRange(words, 0.80, 0.86);
        Assert.True(pocket > 0.9 && pocket > words, $"{pocket:P2}, with word vectors {words:P2}");
    }

    private static double Accuracy(string name, string folder, Func<string, float[]> embed)
    {
        var texts = Directory.GetFiles(folder, "*.jsonl").Order(StringComparer.Ordinal)
            .SelectMany(File.ReadLines)
            .Select(line => JsonSerializer.Deserialize<Dictionary<string, string>>(line)!)
            .ToLookup(text => text["split"]);
        var centroids = texts["align"].GroupBy(text => text["topic"]).ToDictionary(
            topic => topic.Key,
            topic =>
            {
                float[][] vectors = [.. topic.Select(text => embed(text["text"]))];
                double[] sum = [.. Enumerable.Range(0, vectors[0].Length).Select(i => vectors.Sum(v => (double)v[i]))];
                double norm = Math.Sqrt(sum.Sum(s => s * s));
                return sum.Select(s => s / norm).ToArray();
            });
        var hits = texts["test"].Select(text =>
        {
            float[] vector = embed(text["text"]);
            string nearest = centroids.MaxBy(c => c.Value.Zip(vector).Sum(p => p.First * p.Second)).Key;
            return (Topic: text["topic"], Hit: nearest == text["topic"]);
        }).ToList();
        double accuracy = hits.Average(hit => hit.Hit ? 1.0 : 0.0);
        string each = string.Join(", ", hits.GroupBy(hit => hit.Topic).Select(topic => string.Create(
            CultureInfo.InvariantCulture, $"{topic.Key} {topic.Average(hit => hit.Hit ? 1.0 : 0.0):P1}")));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name}: {hits.Count(hit => hit.Hit)} of {hits.Count} test texts, {accuracy:P2}; {each}"));
        return accuracy;
    }

    /// <summary>The mean of the vectors of a text's words in lower case, of length 1.</summary>
    private static Func<string, float[]> WordVectors()
    {
        string path = Path.Combine(TestFiles.Shared!, "weights", "glove-50d-4k", "glove.6B.50d.top4k.txt");
        Assert.SkipUnless(File.Exists(path), $"'{path}' is not there");
        var vectors = File.ReadLines(path).Skip(1).Select(line => line.Split(' ')).ToDictionary(
            parts => parts[0],
            parts => parts[1..51].Select(p => float.Parse(p, CultureInfo.InvariantCulture)).ToArray());
        return text =>
        {
            double[] sum = new double[50];
            foreach (Match word in Word().Matches(text.ToLowerInvariant()))
            {
                if (vectors.TryGetValue(word.Value, out float[]? vector))
                {
                    for (int i = 0; i < sum.Length; i++)
                    {
                        sum[i] += vector[i];
                    }
                }
            }

            double norm = Math.Max(Math.Sqrt(sum.Sum(s => s * s)), 1e-12);
            return [.. sum.Select(s => (float)(s / norm))];
        };
    }

    [GeneratedRegex("[a-z]+")]
    private static partial Regex Word();
}
