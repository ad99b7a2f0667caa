using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>How sub-topics are looked for.</summary>
public sealed record TopicClusterOptions
{
    /// <summary>How many clusters to begin with; fewer stay.</summary>
    public int Clusters { get; init; } = 40;

    /// <summary>About how many passages to draw from the corpus, one a document.</summary>
    public int Passages { get; init; } = 8000;

    /// <summary>About how many characters a passage has.</summary>
    public int Characters { get; init; } = 400;

    /// <summary>The texts of a topic to steer by.</summary>
    public int AlignTexts { get; init; } = 20;

    /// <summary>The texts of a topic to judge by, at most.</summary>
    public int TestTexts { get; init; } = 60;

    /// <summary>
    /// The least mean over a cluster's passages of the cosine to its centre minus that to the next nearest centre.
    /// </summary>
    public double LeastMargin { get; init; } = 0.03;

    /// <summary>The seed of all draws.</summary>
    public ulong Seed { get; init; }
}

/// <summary>
/// Sub-topics of any corpus: passages of documents are embedded and clustered (<see cref="SphericalKMeans"/>); clusters
/// that are too small or too loose are dropped; of each the passages nearest to the centre are shared out, document by
/// document, into texts to steer by and texts to judge by. A topic is named by its three most distinctive words:
/// <code>
/// distinct(w) = (d_w − D_w·n/N) / √(D_w·n/N + 1)
/// d_w of n passages of the cluster have the word, D_w of N passages in all
/// </code>
/// The same corpus and seed give the same topics.
/// </summary>
public static class TopicClusters
{
    private const int LeastWordLength = 4;
    private const int NameWords = 3;

    /// <summary>Finds sub-topics.</summary>
    /// <param name="corpus">The texts.</param>
    /// <param name="encoder">The sentence encoder.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Checked between passes of the encoder.</param>
    /// <returns>Topics by name, with splits of different documents.</returns>
    /// <exception cref="InvalidDataException">There are too few documents, or no cluster will do.</exception>
    public static IReadOnlyList<EvaluationTopic> Find(
        TextCorpus corpus,
        SentenceEncoder encoder,
        TopicClusterOptions options,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(options);
        int least = 2 * options.AlignTexts;
        ReferencePassage[] passages =
        [
            .. ReferencePassages.Draw(corpus, options.Passages, options.Characters, options.Seed)
                .DistinctBy(passage => passage.Text),
        ];
        if (passages.Length < options.Clusters * least)
        {
            throw new InvalidDataException(
                $"{passages.Length} passages for {options.Clusters} clusters; expected at least {least} each, "
                + "since a passage is of a document of its own: give more texts or ask for fewer clusters");
        }

        float[][] vectors = encoder.Embed(
            [.. passages.Select(passage => encoder.FirstWindow(passage.Text, encoder.MaxLength))], cancellation);
        (int[] own, double[][] centres) = SphericalKMeans.Run(vectors, options.Clusters, options.Seed);
        string[][] words = [.. passages.Select(passage => WordsOf(passage.Text))];
        Dictionary<string, int> everywhere = Counts(words);
        var topics = new SortedDictionary<string, EvaluationTopic>(StringComparer.Ordinal);
        for (int k = 0; k < centres.Length; k++)
        {
            (int Passage, double Cosine, double Margin)[] members =
            [
                .. Enumerable.Range(0, own.Length).Where(i => own[i] == k)
                    .Select(i => Member(vectors[i], i, k, centres))
                    .OrderByDescending(member => member.Cosine).ThenBy(member => member.Passage)
                    .Take(options.AlignTexts + options.TestTexts),
            ];
            if (members.Length < least || members.Average(member => member.Margin) < options.LeastMargin)
            {
                continue;
            }

            string name = Name([.. members.Select(member => words[member.Passage])], everywhere, words.Length);
            EvaluationTopic topic = Split(name, [.. members.Select(member => passages[member.Passage])], options);
            for (int n = 2; !topics.TryAdd(topic.Name, topic); n++)
            {
                topic = topic with { Name = $"{name}-{n}" };
            }
        }

        return topics.Count > 0
            ? [.. topics.Values]
            : throw new InvalidDataException(
                $"none of {options.Clusters} clusters has {least} passages that belong together; "
                + "give more texts or ask for fewer clusters");
    }

    private static (int Passage, double Cosine, double Margin) Member(
        float[] vector, int passage, int own, double[][] centres)
    {
        double cosine = SphericalKMeans.Cosine(vector, centres[own]);
        double next = -1;
        for (int k = 0; k < centres.Length; k++)
        {
            next = k == own ? next : Math.Max(next, SphericalKMeans.Cosine(vector, centres[k]));
        }

        return (passage, cosine, cosine - next);
    }

    /// <summary>Shares passages out by chance, so that both parts are of one kind.</summary>
    private static EvaluationTopic Split(string name, ReferencePassage[] members, TopicClusterOptions options)
    {
        ReferencePassage[] shuffled = [.. members];
        var generator = new SplitMix64(options.Seed);
        generator.Shuffle<ReferencePassage>(shuffled);
        return new EvaluationTopic(
            name,
            new TextTable(
                shuffled.Take(options.AlignTexts).Select(passage => passage.Text),
                shuffled.Take(options.AlignTexts).Select(passage => passage.Id),
                "(corpus)"),
            [],
            [.. shuffled.Skip(options.AlignTexts).Select(passage => passage.Text)]);
    }

    private static string Name(string[][] members, Dictionary<string, int> everywhere, int passages) => string.Join(
        '-',
        Counts(members).OrderByDescending(word => Distinct(word.Value, everywhere[word.Key], members.Length, passages))
            .ThenBy(word => word.Key, StringComparer.Ordinal).Take(NameWords).Select(word => word.Key));

    private static double Distinct(int own, int all, int members, int passages)
    {
        double expected = (double)all * members / passages;
        return (own - expected) / Math.Sqrt(expected + 1);
    }

    private static Dictionary<string, int> Counts(IEnumerable<string[]> passages)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string word in passages.SelectMany(words => words))
        {
            counts[word] = counts.GetValueOrDefault(word) + 1;
        }

        return counts;
    }

    /// <summary>The different words of letters, in lower case, but for short ones.</summary>
    private static string[] WordsOf(string text) =>
    [
        .. new string([.. text.Select(c => char.IsLetter(c) ? char.ToLowerInvariant(c) : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(word => word.Length >= LeastWordLength).Distinct(),
    ];
}
