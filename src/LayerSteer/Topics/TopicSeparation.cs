using LayerSteer.Numerics;

namespace LayerSteer.Topics;

/// <summary>
/// Whether the topic's distances have anything to do with latents: against the same distances, dealt to the prompts at
/// random, the summaries as they are.
/// <code>
/// p_f = (1 + #{π: m_f^π ≤ m_f}) / (P + 1);   q_f by Benjamini and Hochberg over the latents with N_f ≥ 5
/// p   = (1 + #{π: Var_f m_f^π ≥ Var_f m_f}) / (P + 1), over the same latents
/// z   = (mean_π t^π - t) / sd_π t^π,   t = mean of the 32 smallest m̃_f, with the κ of the topic
/// </code>
/// The family of tests is the latents on at least five effective prompts. A latent on fewer cannot be significant
/// however near its prompts are, and would only dilute the others; which latents those are depends on the summaries
/// alone and never on the distances, so that leaving them out biases no p-value (independent filtering, Bourgon,
/// Gentleman and Huber 2010). Where fewer than ten permutations are as near, p_f is the smaller of the count's and
/// <see cref="PermutationTail"/>'s, at least a thousandth of 1/(P + 1).
/// </summary>
public sealed record TopicSeparation
{
    /// <summary>How many latents stand for the topic in <see cref="TopZ"/> and <see cref="Spread"/>.</summary>
    public const int Top = 32;

    private const int FewestCounted = 10;

    /// <summary>What equal sums in another order may differ by.</summary>
    private const double Rounding = 1e-12;

    /// <summary>[dSae]: p_f; NaN outside the family.</summary>
    public required double[] PValue { get; init; }

    /// <summary>[dSae]: q_f; NaN outside the family.</summary>
    public required double[] QValue { get; init; }

    /// <summary>How many latents are tested.</summary>
    public required int Tested { get; init; }

    /// <summary>How many have a q below the threshold.</summary>
    public required int Significant { get; init; }

    /// <summary>The global p; null with fewer than two latents in the family.</summary>
    public required double? GlobalP { get; init; }

    /// <summary>z, positive where the topic is nearer than chance; null where m̃ does not rank.</summary>
    public required double? TopZ { get; init; }

    /// <summary>m̄ - mean of the 32 smallest m̃, in d²; null where m̃ does not rank.</summary>
    public required double? Spread { get; init; }

    /// <summary>Permutes and tests. Nothing depends on the threads.</summary>
    internal static TopicSeparation Measure(
        LatentColumns columns,
        double[] distances,
        LatentSupport support,
        LatentShrinkage shrinkage,
        UncertaintyOptions options,
        ParallelOptions parallel)
    {
        double mean = support.GrandMean;
        double[] centred = [.. distances.Select(d => d - mean)];
        double[] weights = [.. support.Effective.Select((_, f) => Weight(columns, f))];
        var test = new Permutations(columns, support, shrinkage, options, weights);
        int[] nearer = new int[columns.Count];
        var generator = new SplitMix64(options.Seed ^ 0x9E3779B97F4A7C15UL);
        double[] order = [.. centred];
        var block = new ReplicateBlock(distances.Length);
        for (int r = 0; r < order.Length; r++)
        {
            block.At(r, 0) = order[r];
        }
        // The distances as they are go the way of the permuted ones: a permutation that changes none is a tie.
        (double[] variances, double[] tops) = test.Run(block, 1, null, parallel);
        (double variance, double top) = (variances[0], tops[0]);
        int wider = 0;
        var near = new List<double>(options.Permutations);
        for (int first = 0; first < options.Permutations; first += ReplicateBlock.Width)
        {
            int width = Math.Min(ReplicateBlock.Width, options.Permutations - first);
            for (int p = 0; p < width; p++)
            {
                generator.Shuffle<double>(order);
                for (int r = 0; r < order.Length; r++)
                {
                    block.At(r, p) = order[r];
                }
            }
            (variances, tops) = test.Run(block, width, nearer, parallel);
            wider += variances.AsSpan(0, width).ToArray().Count(v => v >= variance * (1 - Rounding));
            near.AddRange(tops.Take(width));
        }
        double[] pValue = PValues(columns, support, options, centred, weights, nearer);
        double[] qValue = FalseDiscovery.QValues(pValue);
        double nullMean = near.Average();
        double nullDeviation = Math.Sqrt(near.Sum(t => (t - nullMean) * (t - nullMean)) / (near.Count - 1));
        int tested = pValue.Count(p => !double.IsNaN(p));
        return new TopicSeparation
        {
            PValue = pValue,
            QValue = qValue,
            Tested = tested,
            Significant = qValue.Count(q => q < options.QValue),
            GlobalP = tested > 1 ? (1.0 + wider) / (options.Permutations + 1) : null,
            TopZ = shrinkage.Ranks && nullDeviation > 0 ? (nullMean - top) / nullDeviation : null,
            Spread = shrinkage.Ranks ? -top : null,
        };
    }

    private static double Weight(LatentColumns columns, int f)
    {
        double weight = 0;
        foreach (double value in columns.Values(f))
        {
            weight += value;
        }
        return weight;
    }

    private static double[] PValues(
        LatentColumns columns,
        LatentSupport support,
        UncertaintyOptions options,
        double[] centred,
        double[] weights,
        int[] nearer)
    {
        double prompts = centred.Length;
        double squares = centred.Sum(b => b * b);
        double cubes = centred.Sum(b => b * b * b);
        double[] p = LatentSupport.Missings(columns.Count);
        for (int f = 0; f < p.Length; f++)
        {
            if (!(support.Effective[f] >= options.EffectivePrompts))
            {
                continue;
            }
            p[f] = (1.0 + nearer[f]) / (options.Permutations + 1);
            if (nearer[f] < FewestCounted && squares > 0 && prompts > 2)
            {
                // a = w - 1/R: the prompts without the latent have weight 0
                double second = 0;
                double third = 0;
                foreach (double value in columns.Values(f))
                {
                    double a = (value / weights[f]) - (1 / prompts);
                    second += a * a;
                    third += a * a * a;
                }
                double silent = prompts - columns.Values(f).Length;
                second += silent / (prompts * prompts);
                third -= silent / (prompts * prompts * prompts);
                double deviation = Math.Sqrt(second * squares / (prompts - 1));
                double skewness = prompts * third * cubes
                    / ((prompts - 1) * (prompts - 2) * deviation * deviation * deviation);
                double tail = deviation > 0
                    ? PermutationTail.Below((support.Mean[f] - support.GrandMean) / deviation, skewness)
                    : 1;
                p[f] = Math.Min(p[f], Math.Max(tail, 1e-3 / (options.Permutations + 1)));
            }
        }
        return p;
    }

    /// <summary>What a block of permutations says of all latents together.</summary>
    private sealed class Permutations(
        LatentColumns columns,
        LatentSupport support,
        LatentShrinkage shrinkage,
        UncertaintyOptions options,
        double[] weights)
    {
        private readonly double[] _observed = new double[columns.Count];

        /// <summary>The variance over the family, and the mean of the smallest m̃ - m̄, of each permutation.</summary>
        /// <param name="block">Distances less their mean.</param>
        /// <param name="width">How many of its replicates count.</param>
        /// <param name="nearer">Counts permutations that are as near; null for the distances as they are.</param>
        /// <param name="parallel">How many threads, and when to stop.</param>
        public (double[] Variances, double[] Tops) Run(
            ReplicateBlock block, int width, int[]? nearer, ParallelOptions parallel)
        {
            double[][] sums = new double[columns.Chunks][];
            double[][] squares = new double[columns.Chunks][];
            SmallestValues[][] tops = new SmallestValues[columns.Chunks][];
            columns.InChunks(parallel, (chunk, begin, end) =>
            {
                sums[chunk] = new double[width];
                squares[chunk] = new double[width];
                tops[chunk] = [.. Enumerable.Range(0, width).Select(_ => new SmallestValues(Top))];
                Chunk(block, begin, end, nearer, sums[chunk], squares[chunk], tops[chunk]);
            });
            double[] variances = new double[width];
            double[] means = new double[width];
            double family = support.Effective.Count(n => n >= options.EffectivePrompts);
            for (int p = 0; p < width; p++)
            {
                double sum = 0;
                double square = 0;
                var smallest = new SmallestValues(Top);
                for (int chunk = 0; chunk < sums.Length; chunk++)
                {
                    sum += sums[chunk][p];
                    square += squares[chunk][p];
                    smallest.AddAll(tops[chunk][p]);
                }
                variances[p] = family > 1 ? (square - (sum * sum / family)) / (family - 1) : 0;
                means[p] = smallest.Mean;
            }
            return (variances, means);
        }

        private void Chunk(
            ReplicateBlock block,
            int begin,
            int end,
            int[]? nearer,
            double[] sums,
            double[] squares,
            SmallestValues[] tops)
        {
            Span<double> dealt = stackalloc double[ReplicateBlock.Width];
            for (int f = begin; f < end; f++)
            {
                if (columns.Rows(f).IsEmpty)
                {
                    continue;
                }
                block.Product(columns.Rows(f), columns.Values(f), dealt);
                double scale = 1 / weights[f];
                double effective = support.Effective[f];
                bool tested = effective >= options.EffectivePrompts;
                double kept = shrinkage.Kappa is { } kappa ? effective / (effective + kappa) : 0;
                int near = 0;
                for (int p = 0; p < sums.Length; p++)
                {
                    double m = dealt[p] * scale;
                    tops[p].Add(m * kept);
                    near += m <= _observed[f] + Rounding ? 1 : 0;
                    if (tested)
                    {
                        sums[p] += m;
                        squares[p] += m * m;
                    }
                }
                if (nearer is null)
                {
                    _observed[f] = dealt[0] * scale;
                }
                else
                {
                    nearer[f] += near;
                }
            }
        }
    }
}
