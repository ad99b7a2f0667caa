using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>A reference prompt near a topic. The index holds no text: id and digest find it in the list.</summary>
/// <param name="Prompt">Its row in the reference list.</param>
/// <param name="Digest">The digest of its text.</param>
/// <param name="Distance">To the nearest of the topic's windows, 0 to 2.</param>
public sealed record NearReference(int Prompt, string Digest, double Distance);

/// <summary>
/// Whether the reference prompts come near the topic at all.
/// <code>
/// δ_a     = min over reference windows r of |e_a - e_r|;   λ_r = min over windows of other prompts |e_r - e_r'|
/// share   = #{a: δ_a ≤ 95th percentile of λ} / A;   ratio = median δ / median λ
/// N_topic = #{r: D_r ≤ 25th percentile of |e_a - e_a'|² over windows of different texts}
/// E       = 2 mean |e_a - e_r| - mean |e_a - e_a'| - mean |e_r - e_r'|     (Székely and Rizzo 2013)
/// spread  = mean e_a · e_a' over windows of different texts
/// </code>
/// Windows of one text, or of one prompt, are never compared with each other: they are near whatever the topic is. For E
/// and its permutations a text is one thing, however long: |x - y| is the mean over the windows of two texts, and whole
/// texts are dealt, which keeps them exchangeable. λ, E and the pairs of windows come from at most 1,000 prompts, 200
/// texts and 400 windows, drawn by the seed, so that a large index takes no longer.
/// </summary>
/// <param name="InSupportShare">0 to 1; null with one prompt.</param>
/// <param name="MedianRatio">Null where λ is missing or its median is 0.</param>
/// <param name="TopicPrompts">N_topic; null with one text.</param>
/// <param name="Nearest">The five nearest prompts, the nearest first.</param>
/// <param name="EnergyDistance">E; null with one text or one prompt.</param>
/// <param name="EnergyP">The share of dealings at least as far apart; null as E.</param>
/// <param name="InternalCosine">The spread, -1 to 1; null with one text.</param>
/// <param name="Texts">The topic's texts.</param>
/// <param name="Windows">Their windows. None is cut: a long text has several.</param>
public sealed record ReferenceKnowledge(
    double? InSupportShare,
    double? MedianRatio,
    int? TopicPrompts,
    IReadOnlyList<NearReference> Nearest,
    double? EnergyDistance,
    double? EnergyP,
    double? InternalCosine,
    int Texts,
    int Windows)
{
    private const int MostPrompts = 1000;
    private const int MostTexts = 200;
    private const int MostWindows = 400;
    private const int Shown = 5;

    internal static ReferenceKnowledge Measure(
        ReferenceIndex index,
        float[] alignment,
        int[] textStarts,
        double[] squared,
        UncertaintyOptions options,
        ParallelOptions parallel)
    {
        int d = index.Manifest.DEmbedding;
        var generator = new SplitMix64(options.Seed ^ 0xDA942042E4DD58B5UL);
        double[] delta = new double[alignment.Length / d];
        Parallel.For(0, delta.Length, parallel, a => delta[a] = ToNearest(index, alignment.AsSpan(a * d, d), except: -1));
        int[] prompts = Draw(index.PromptCount, MostPrompts, ref generator);
        int[] texts = Draw(textStarts.Length - 1, MostTexts, ref generator);
        int[] windows = Draw(delta.Length, MostWindows, ref generator);
        double[] lambda = index.PromptCount > 1 ? LeftOut(index, prompts, d, parallel) : [];
        (double[] pairs, double cosine) = Pairs(alignment, textStarts, windows, d);
        (double Distance, double P)? energy = EnergyTest.Measure(
            texts.Length,
            texts.Length + prompts.Length,
            (i, j) => WindowDistances.Mean(Unit(i), Unit(j), d),
            options.Permutations,
            ref generator,
            parallel);
        int[] rows = [.. Enumerable.Range(0, squared.Length).OrderBy(row => squared[row]).ThenBy(row => row).Take(Shown)];
        double median = lambda.Length > 0 ? DistanceStatistics.Of(lambda).Median : 0;
        return new ReferenceKnowledge(
            lambda.Length == 0 ? null : (double)delta.Count(x => x <= Quantile(lambda, 0.95)) / delta.Length,
            median > 0 ? DistanceStatistics.Of(delta).Median / median : null,
            pairs.Length == 0 ? null : squared.Count(x => x <= Quantile(pairs, 0.25)),
            [.. rows.Select(row => new NearReference(
                index.PromptIds[row], index.Digests[row], Math.Sqrt(squared[row])))],
            energy?.Distance,
            energy?.P,
            pairs.Length == 0 ? null : cosine,
            textStarts.Length - 1,
            delta.Length);

        ReadOnlySpan<float> Unit(int i) => i < texts.Length
            ? alignment.AsSpan((textStarts[texts[i]] * d)..(textStarts[texts[i] + 1] * d))
            : index.Embeddings(prompts[i - texts.Length]);
    }

    /// <summary>All of some things in order, or as many as are allowed, drawn.</summary>
    private static int[] Draw(int count, int most, ref SplitMix64 generator)
    {
        int[] all = [.. Enumerable.Range(0, count)];
        if (count <= most)
        {
            return all;
        }
        generator.Shuffle<int>(all);
        return [.. all.Take(most).Order()];
    }

    /// <summary>λ of every window of some prompts, ascending.</summary>
    private static double[] LeftOut(ReferenceIndex index, int[] prompts, int d, ParallelOptions parallel)
    {
        double[][] nearest = new double[prompts.Length][];
        Parallel.For(0, prompts.Length, parallel, i =>
        {
            int row = prompts[i];
            nearest[i] = new double[index.Embeddings(row).Length / d];
            for (int w = 0; w < nearest[i].Length; w++)
            {
                nearest[i][w] = ToNearest(index, index.Embeddings(row).Slice(w * d, d), row);
            }
        });
        return [.. nearest.SelectMany(x => x).Order()];
    }

    private static double ToNearest(ReferenceIndex index, ReadOnlySpan<float> window, int except)
    {
        double nearest = double.PositiveInfinity;
        for (int row = 0; row < index.PromptCount; row++)
        {
            if (row != except)
            {
                nearest = Math.Min(nearest, WindowDistances.Least(window, index.Embeddings(row), window.Length));
            }
        }
        return Math.Sqrt(nearest);
    }

    /// <summary>|e_a - e_a'|² over windows of different texts, ascending, and the mean of their cosines.</summary>
    private static (double[] Squared, double Cosine) Pairs(
        float[] alignment, int[] textStarts, int[] windows, int d)
    {
        int[] textOf = [.. windows.Select(window =>
        {
            int at = Array.BinarySearch(textStarts, window);
            return at >= 0 ? at : ~at - 1;
        })];
        var squared = new List<double>();
        for (int i = 0; i < windows.Length; i++)
        {
            for (int j = i + 1; j < windows.Length; j++)
            {
                if (textOf[i] != textOf[j])
                {
                    squared.Add(FeatureScorer.SquaredDistance(
                        alignment.AsSpan(windows[i] * d, d), alignment.AsSpan(windows[j] * d, d)));
                }
            }
        }
        squared.Sort();
        return ([.. squared], squared.Count == 0 ? double.NaN : 1 - (squared.Sum() / squared.Count / 2));
    }

    /// <summary>The smallest value that at least a share of them are not above.</summary>
    private static double Quantile(double[] sorted, double share) =>
        sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
}
