using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// How far each latent's mean squared distance would be another with other references, and with other texts of the topic
/// (bootstrap, Efron and Tibshirani 1993).
/// <code>
/// m_f^b = Σ_r c_r^b s_rf D_r / Σ_r c_r^b s_rf     c^b: how often each prompt comes in R draws with replacement
/// m_f^t = Σ_r s_rf D_r^t / Σ_r s_rf               D_r^t: the distance to the nearest of T texts drawn with replacement
/// </code>
/// Replicates in which a latent has no prompt count for nothing. The interval is of the references alone. The one over
/// the topic's texts is a standard deviation and no interval: of T texts drawn with replacement 63 % are different ones,
/// and the nearest of fewer is farther, so those replicates lie above m_f. They lie above it for every latent, which
/// ranks none before another. Every array is [dSae], NaN where there is nothing to measure: no support, one prompt, and
/// for <see cref="FromTexts"/> one text.
/// </summary>
public sealed record LatentErrors
{
    /// <summary>The standard deviation of m_f^b, in d².</summary>
    public required double[] FromReferences { get; init; }

    /// <summary>The standard deviation of m_f^t, in d².</summary>
    public required double[] FromTexts { get; init; }

    /// <summary>The lower end of the percentile interval of m_f^b.</summary>
    public required double[] Lower { get; init; }

    /// <summary>The upper end.</summary>
    public required double[] Upper { get; init; }

    /// <summary>Draws and measures. Nothing depends on the threads.</summary>
    internal static LatentErrors Measure(
        LatentColumns columns,
        double[] distances,
        LatentSupport support,
        TextDistances texts,
        UncertaintyOptions options,
        ParallelOptions parallel)
    {
        var errors = new LatentErrors
        {
            FromReferences = LatentSupport.Missings(columns.Count),
            FromTexts = LatentSupport.Missings(columns.Count),
            Lower = LatentSupport.Missings(columns.Count),
            Upper = LatentSupport.Missings(columns.Count),
        };
        errors.OverReferences(columns, distances, support, options, parallel);
        if (texts.Count > 1)
        {
            errors.OverTexts(columns, texts, options, parallel);
        }
        return errors;
    }

    private void OverReferences(
        LatentColumns columns,
        double[] distances,
        LatentSupport support,
        UncertaintyOptions options,
        ParallelOptions parallel)
    {
        int prompts = distances.Length;
        var generator = new SplitMix64(options.Seed);
        var block = new ReplicateBlock(prompts);
        var samples = new ReplicateTails[columns.Count];
        int longest = columns.Longest;
        for (int first = 0; first < options.Replicates; first += ReplicateBlock.Width)
        {
            int width = Math.Min(ReplicateBlock.Width, options.Replicates - first);
            block.Clear();
            for (int b = 0; b < width; b++)
            {
                for (int draw = 0; draw < prompts; draw++)
                {
                    block.At(generator.NextInt(prompts), b)++;
                }
            }
            columns.InChunks(parallel, (_, begin, end) =>
            {
                Span<double> numerator = stackalloc double[ReplicateBlock.Width];
                Span<double> denominator = stackalloc double[ReplicateBlock.Width];
                double[] centred = new double[longest];
                for (int f = begin; f < end; f++)
                {
                    ReadOnlySpan<int> rows = columns.Rows(f);
                    if (rows.Length < 2)
                    {
                        continue;
                    }
                    ReadOnlySpan<double> values = columns.Values(f);
                    for (int i = 0; i < rows.Length; i++)
                    {
                        centred[i] = values[i] * (distances[rows[i]] - support.Mean[f]);
                    }
                    block.Product(rows, centred.AsSpan(0, rows.Length), numerator);
                    block.Product(rows, values, denominator);
                    ReplicateTails sample = samples[f] ??= new ReplicateTails(options.Replicates, options.Level);
                    for (int b = 0; b < width; b++)
                    {
                        if (denominator[b] > 0)
                        {
                            sample.Add(numerator[b] / denominator[b]);
                        }
                    }
                }
            });
        }
        for (int f = 0; f < samples.Length; f++)
        {
            if (samples[f] is { Count: > 1 } sample)
            {
                FromReferences[f] = sample.Deviation;
                Lower[f] = support.Mean[f] + sample.Lower;
                Upper[f] = support.Mean[f] + sample.Upper;
            }
        }
    }

    private void OverTexts(
        LatentColumns columns,
        TextDistances texts,
        UncertaintyOptions options,
        ParallelOptions parallel)
    {
        var generator = new SplitMix64(options.Seed ^ 0x5851F42D4C957F2DUL);
        var block = new ReplicateBlock(columns.Prompts.Length);
        bool[] present = new bool[texts.Count];
        double[] sums = new double[columns.Count];
        double[] squares = new double[columns.Count];
        for (int first = 0; first < options.Replicates; first += ReplicateBlock.Width)
        {
            int width = Math.Min(ReplicateBlock.Width, options.Replicates - first);
            for (int b = 0; b < width; b++)
            {
                texts.Draw(block, b, present, ref generator);
            }
            columns.InChunks(parallel, (_, begin, end) =>
            {
                Span<double> farther = stackalloc double[ReplicateBlock.Width];
                for (int f = begin; f < end; f++)
                {
                    block.Product(columns.Rows(f), columns.Values(f), farther);
                    for (int b = 0; b < width; b++)
                    {
                        sums[f] += farther[b];
                        squares[f] += farther[b] * farther[b];
                    }
                }
            });
        }
        for (int f = 0; f < sums.Length; f++)
        {
            if (columns.Rows(f).Length > 0)
            {
                double weight = 0;
                foreach (double value in columns.Values(f))
                {
                    weight += value;
                }
                double variance = (squares[f] - (sums[f] * sums[f] / options.Replicates)) / (options.Replicates - 1);
                FromTexts[f] = Math.Sqrt(Math.Max(0, variance)) / weight;
            }
        }
    }
}
