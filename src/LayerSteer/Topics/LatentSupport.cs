namespace LayerSteer.Topics;

/// <summary>
/// What each latent's mean squared distance rests on.
/// <code>
/// w_rf   = s_rf / Σ_r s_rf;   m_f = Σ_r w_rf D_r;   N_f = 1 / Σ_r w_rf²   (Kish 1965), 1 ≤ N_f ≤ k_f
/// V_f    = Σ_r w_rf (D_r - m_f)²
/// SE_f²  = R/(R-1) Σ_r w_rf² (D_r - m_f)²
/// π_f    = (1 - k_f/R)^R        the share of bootstrap samples that leave the latent without a prompt
/// </code>
/// R counts the prompts on which something fired. Every array is [dSae], NaN where there is nothing to measure: all of a
/// latent without support; SE_f and V_f of one prompt, where the formulas would say 0 of the least certain case. π_f is
/// exact: counting replicates would put a latent on three prompts of a thousand on either side of 0.05 by chance.
/// </summary>
public sealed record LatentSupport
{
    /// <summary>k_f.</summary>
    public required int[] Prompts { get; init; }

    /// <summary>N_f.</summary>
    public required double[] Effective { get; init; }

    /// <summary>m_f, 0 to 4.</summary>
    public required double[] Mean { get; init; }

    /// <summary>V_f.</summary>
    public required double[] Spread { get; init; }

    /// <summary>SE_f.</summary>
    public required double[] LinearisedError { get; init; }

    /// <summary>π_f.</summary>
    public required double[] Missing { get; init; }

    /// <summary>Σ_f W_f m_f / Σ_f W_f, which is the mean of D_r since the summary of a prompt sums to 1; NaN if R = 0.</summary>
    public required double GrandMean { get; init; }

    /// <summary>Measures every latent.</summary>
    /// <param name="rows">The reference prompts.</param>
    /// <param name="squared">[prompts]: D_r, from <see cref="FeatureScorer.SquaredDistances(ReadOnlySpan{float})"/>.</param>
    public static LatentSupport Of(SummaryRows rows, ReadOnlySpan<double> squared)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfNotEqual(squared.Length, rows.PromptCount);
        var columns = new LatentColumns(rows);
        return Of(columns, Used(columns, squared));
    }

    /// <summary>[R]: D_r of the prompts that take part.</summary>
    internal static double[] Used(LatentColumns columns, ReadOnlySpan<double> squared)
    {
        double[] used = new double[columns.Prompts.Length];
        for (int r = 0; r < used.Length; r++)
        {
            used[r] = squared[columns.Prompts[r]];
        }
        return used;
    }

    internal static LatentSupport Of(LatentColumns columns, double[] distances)
    {
        int count = columns.Count;
        var support = new LatentSupport
        {
            Prompts = new int[count],
            Effective = Missings(count),
            Mean = Missings(count),
            Spread = Missings(count),
            LinearisedError = Missings(count),
            Missing = Missings(count),
            GrandMean = distances.Length == 0 ? double.NaN : distances.Sum() / distances.Length,
        };
        for (int f = 0; f < count; f++)
        {
            if (columns.Rows(f).Length > 0)
            {
                support.Measure(f, columns.Rows(f), columns.Values(f), distances);
            }
        }
        return support;
    }

    internal static double[] Missings(int count)
    {
        double[] values = new double[count];
        Array.Fill(values, double.NaN);
        return values;
    }

    private void Measure(int f, ReadOnlySpan<int> rows, ReadOnlySpan<double> values, double[] distances)
    {
        double sum = 0;
        double squares = 0;
        double weighted = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            sum += values[i];
            squares += values[i] * values[i];
            weighted += values[i] * distances[rows[i]];
        }
        double mean = weighted / sum;
        double spread = 0;
        double error = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            double weight = values[i] / sum;
            double residual = distances[rows[i]] - mean;
            spread += weight * residual * residual;
            error += weight * residual * (weight * residual);
        }
        double prompts = distances.Length;
        Prompts[f] = rows.Length;
        Effective[f] = Math.Clamp(sum * sum / squares, 1, rows.Length);
        Mean[f] = mean;
        Missing[f] = Math.Pow(1 - (rows.Length / prompts), prompts);
        if (rows.Length > 1)
        {
            Spread[f] = spread;
            LinearisedError[f] = Math.Sqrt(prompts / (prompts - 1) * error);
        }
    }
}
