using System.Runtime.Intrinsics;

namespace LayerSteer.Topics;

/// <summary>
/// Scores latents against a topic (Joshi, Cintas and Speakman, arXiv 2506.12576), from an index and the sentence
/// vectors of the alignment texts alone.
/// <code>
/// d_r     = min over windows w of prompt r and alignment vectors a of |e_rw - e_a|
/// m_f     = Σ_r s_rf d_r² / Σ_r s_rf
/// score_f = 1 - (m_f - min m) / (max m - min m)        min and max over the latents with support
/// </code>
/// A latent with Σ_r s_rf = 0 has no score. Where all m are equal every score is 0, because none is better than
/// another, and the verdict says so. Sums are in double, prompts ascending, so the result depends on nothing but the
/// index. What does not depend on the topic is worked out once in the constructor. Immutable and thread-safe.
/// </summary>
public sealed class FeatureScorer
{
    private readonly ReferenceIndex _index;
    private readonly SummaryRows _rows;
    private readonly double[] _denominator;

    /// <summary>Prepares an index for scoring any number of topics.</summary>
    /// <param name="index">The index; not copied.</param>
    /// <param name="kind">Which summary of the prompts to use.</param>
    public FeatureScorer(ReferenceIndex index, SummaryKind kind = SummaryKind.Average)
    {
        ArgumentNullException.ThrowIfNull(index);
        _index = index;
        _rows = index.Summaries(kind);
        _denominator = new double[index.Manifest.DSae];
        for (int row = 0; row < index.PromptCount; row++)
        {
            ReadOnlySpan<int> latents = _rows.Latents(row);
            ReadOnlySpan<double> values = _rows.Values(row);
            for (int i = 0; i < latents.Length; i++)
            {
                _denominator[latents[i]] += values[i];
            }
        }
    }

    /// <summary>Scores every latent.</summary>
    /// <param name="alignment">
    /// [windows, dEmbedding], row-major: the topic's sentence vectors, each of length 1.
    /// </param>
    /// <param name="publishedBug">
    /// Whether to repeat the published code's defect: one latent without support, one prompt on which nothing fired, or
    /// equal distances make every score 0.
    /// </param>
    /// <returns>The scores and all that led to them.</returns>
    /// <exception cref="ArgumentException">No vector, another length, or one that is not of length 1.</exception>
    public FeatureScoring Score(ReadOnlySpan<float> alignment, bool publishedBug = false) =>
        Score(SquaredDistances(alignment), alignment.Length / _index.Manifest.DEmbedding, publishedBug);

    /// <summary>d_r² of every prompt: the first half of <see cref="Score(ReadOnlySpan{float}, bool)"/>.</summary>
    /// <param name="alignment">
    /// [windows, dEmbedding], row-major: the topic's sentence vectors, each of length 1.
    /// </param>
    /// <returns>[prompts], 0 to 4.</returns>
    /// <exception cref="ArgumentException">No vector, another length, or one that is not of length 1.</exception>
    public double[] SquaredDistances(ReadOnlySpan<float> alignment)
    {
        int dEmbedding = _index.Manifest.DEmbedding;
        return PromptRules.BrokenEmbeddings(alignment, dEmbedding) is string broken
            ? throw new ArgumentException(broken, nameof(alignment))
            : SquaredDistances(alignment, dEmbedding);
    }

    /// <summary>
    /// Scores every latent from distances: the second half of <see cref="Score(ReadOnlySpan{float}, bool)"/>.
    /// </summary>
    /// <param name="squared">[prompts]: from <see cref="SquaredDistances(ReadOnlySpan{float})"/>.</param>
    /// <param name="alignmentWindows">How many sentence vectors stood for the topic.</param>
    /// <param name="publishedBug">As above.</param>
    /// <returns>The scores and all that led to them.</returns>
    /// <exception cref="ArgumentException">Another number of distances.</exception>
    public FeatureScoring Score(double[] squared, int alignmentWindows, bool publishedBug = false)
    {
        ArgumentNullException.ThrowIfNull(squared);
        if (squared.Length != _index.PromptCount)
        {
            throw new ArgumentException(
                $"{squared.Length} distances, expected {_index.PromptCount}, one a prompt", nameof(squared));
        }

        double[] numerator = Numerator(squared);
        double[] mean = new double[numerator.Length];
        double least = double.PositiveInfinity;
        double most = double.NegativeInfinity;
        for (int f = 0; f < mean.Length; f++)
        {
            if (_rows.Support[f] > 0)
            {
                mean[f] = numerator[f] / _denominator[f];
                least = Math.Min(least, mean[f]);
                most = Math.Max(most, mean[f]);
            }
        }

        string[] reasons = Reasons(least, most, publishedBug);
        return new FeatureScoring
        {
            Scores = Scores(mean, least, most, publishedBug && reasons.Length > 0),
            Numerator = numerator,
            Denominator = [.. _denominator],
            MeanSquaredDistance = mean,
            Support = _rows.Support.ToArray(),
            MinDistances = [.. squared.Select(Math.Sqrt)],
            Summary = _rows.Kind,
            Coverage = _rows.Coverage,
            PromptsUsed = _rows.PromptsUsed,
            AlignmentWindows = alignmentWindows,
            PublishedBug = publishedBug,
            Verdict = reasons.Length == 0 ? TopicProfile.Scored : TopicProfile.NotSteerable,
            Reasons = reasons,
        };
    }

    private double[] Numerator(double[] squared)
    {
        double[] numerator = new double[_denominator.Length];
        for (int row = 0; row < squared.Length; row++)
        {
            ReadOnlySpan<int> latents = _rows.Latents(row);
            ReadOnlySpan<double> values = _rows.Values(row);
            for (int i = 0; i < latents.Length; i++)
            {
                numerator[latents[i]] += values[i] * squared[row];
            }
        }
        return numerator;
    }

    private string[] Reasons(double least, double most, bool publishedBug)
    {
        if (_rows.PromptsUsed == 0)
        {
            return ["no latent is active on any reference prompt"];
        }
        if (!(most > least))
        {
            return ["every supported latent has the same distance to the topic"];
        }
        int unsupported = _rows.Support.Count(0);
        int silent = _rows.PromptCount - _rows.PromptsUsed;
        return publishedBug && (unsupported > 0 || silent > 0)
            ? [$"the published scoring makes every score 0: {unsupported} latents never fired and {silent} prompts "
                + "were silent"]
            : [];
    }

    private LatentScores Scores(double[] mean, double least, double most, bool allZero)
    {
        double[] scores = new double[mean.Length];
        bool[] supported = new bool[mean.Length];
        for (int f = 0; f < mean.Length; f++)
        {
            supported[f] = allZero || _rows.Support[f] > 0;
            if (supported[f] && !allZero && most > least)
            {
                scores[f] = 1 - ((mean[f] - least) / (most - least));
            }
        }
        return new LatentScores(
            scores, supported, maxima: allZero ? default : [.. _index.LatentStatistics.Select(latent => latent.Max)]);
    }

    // 2 - 2 cos loses half the digits near 0, where the best texts are; the differences themselves do not.
    private double[] SquaredDistances(ReadOnlySpan<float> alignment, int dEmbedding)
    {
        double[] squared = new double[_index.PromptCount];
        for (int row = 0; row < squared.Length; row++)
        {
            ReadOnlySpan<float> windows = _index.Embeddings(row);
            double nearest = double.PositiveInfinity;
            for (int w = 0; w < windows.Length; w += dEmbedding)
            {
                for (int a = 0; a < alignment.Length; a += dEmbedding)
                {
                    nearest = Math.Min(
                        nearest, SquaredDistance(windows.Slice(w, dEmbedding), alignment.Slice(a, dEmbedding)));
                }
            }
            squared[row] = nearest;
        }
        return squared;
    }

    /// <summary>Σ (x - y)² in double: 16 lanes by index mod 16, added lane by lane, then the rest in order.</summary>
    internal static double SquaredDistance(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Vector512<double> low = default;
        Vector512<double> high = default;
        int i = 0;
        for (; i <= x.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            (Vector512<double> xLow, Vector512<double> xHigh) = Vector512.Widen(Vector512.Create(x[i..]));
            (Vector512<double> yLow, Vector512<double> yHigh) = Vector512.Widen(Vector512.Create(y[i..]));
            low += (xLow - yLow) * (xLow - yLow);
            high += (xHigh - yHigh) * (xHigh - yHigh);
        }
        double sum = 0;
        Vector512<double> lanes = low + high;
        for (int lane = 0; lane < Vector512<double>.Count; lane++)
        {
            sum += lanes[lane];
        }
        for (; i < x.Length; i++)
        {
            double difference = (double)x[i] - y[i];
            sum += difference * difference;
        }
        return sum;
    }
}
