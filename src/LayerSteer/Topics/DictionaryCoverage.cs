namespace LayerSteer.Topics;

/// <summary>
/// How much of a dictionary R prompts have shown, and how much more prompts would (Chao 1987; Chao and Jost 2012).
/// <code>
/// Q1, Q2 = latents active on exactly one, two prompts;  U = Σ_f k_f;  S = latents with k_f ≥ 1
/// C      = S / F;   C_ν = #{f: N_eff,f ≥ ν} / F
/// Chao2  = S + (R-1)/R · Q1² / (2 Q2),  or  S + (R-1)/R · Q1 (Q1 - 1) / 2  when Q2 = 0;  at most F
/// Ĉ      = 1 - Q1/U · Q1 / ((R-1) Q1 + 2 Q2)
/// C(R')  = 1/F Σ_f 1 - choose(R - k_f, R') / choose(R, R')      exact: the mean over all subsets of R' prompts
/// </code>
/// </summary>
/// <param name="Observed">C, 0 to 1.</param>
/// <param name="AtLeastTwo">C_2: the share of latents with at least 2 effective prompts.</param>
/// <param name="AtLeastFive">C_5.</param>
/// <param name="AtLeastTen">C_10.</param>
/// <param name="Chao2">The estimated number of latents that ever fire, a lower bound, at most F.</param>
/// <param name="Completeness">Ĉ, 0 to 1; null when nothing fired, or one prompt cannot tell.</param>
/// <param name="Prompts">[8]: R', rising to R.</param>
/// <param name="Rarefaction">[8]: C(R') of each.</param>
public sealed record DictionaryCoverage(
    double Observed,
    double AtLeastTwo,
    double AtLeastFive,
    double AtLeastTen,
    double Chao2,
    double? Completeness,
    int[] Prompts,
    double[] Rarefaction)
{
    private const int Points = 8;

    /// <summary>The coverage of a dictionary.</summary>
    /// <param name="support">[dSae]: on how many prompts each latent is active, 0 to R.</param>
    /// <param name="effective">[dSae]: N_eff; NaN without support.</param>
    /// <param name="prompts">R, at least 1; prompts on which nothing fired count.</param>
    /// <returns>The coverage.</returns>
    public static DictionaryCoverage Of(ReadOnlySpan<int> support, ReadOnlySpan<double> effective, int prompts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(prompts, 1);
        ArgumentOutOfRangeException.ThrowIfZero(support.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(effective.Length, support.Length);
        double[] withSupport = new double[prompts + 1];
        double total = 0;
        foreach (int k in support)
        {
            withSupport[k]++;
            total += k;
        }
        int dSae = support.Length;
        double seen = dSae - withSupport[0];
        double once = withSupport[1];
        double twice = prompts > 1 ? withSupport[2] : 0;
        double unseen = twice > 0 ? once * once / (2 * twice) : once * (once - 1) / 2;
        double missed = ((prompts - 1) * once) + (2 * twice);
        int[] sizes =
            [.. Enumerable.Range(1, Points).Select(i => Math.Max(1, (int)((long)prompts * i / Points)))];
        return new DictionaryCoverage(
            seen / dSae,
            Share(effective, 2),
            Share(effective, 5),
            Share(effective, 10),
            Math.Min(dSae, seen + ((prompts - 1.0) / prompts * unseen)),
            total == 0 ? null : once == 0 ? 1 : missed == 0 ? null : 1 - (once / total * ((prompts - 1) * once / missed)),
            sizes,
            [.. sizes.Select(size => Rarefied(withSupport, size) / dSae)]);
    }

    private static double Share(ReadOnlySpan<double> effective, double least)
    {
        int count = 0;
        foreach (double n in effective)
        {
            count += n >= least ? 1 : 0;
        }
        return (double)count / effective.Length;
    }

    // The chance that none of k prompts is among the drawn, a product of k ratios: no factorial overflows.
    private static double Rarefied(double[] withSupport, int size)
    {
        int prompts = withSupport.Length - 1;
        double absent = 1;
        double sum = 0;
        for (int k = 1; k <= prompts; k++)
        {
            absent *= Math.Max(0, prompts - size - k + 1) / (double)(prompts - k + 1);
            sum += withSupport[k] * (1 - absent);
        }
        return sum;
    }
}
