using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LayerSteer.Topics;

/// <summary>One of the latents nearest to a topic, with its errors. Distances are squared, 0 to 4.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Prompts">k_f, on how many reference prompts it is active.</param>
/// <param name="EffectivePrompts">N_f, how many of them weigh.</param>
/// <param name="Mean">m_f.</param>
/// <param name="ShrunkMean">m̃_f, by which it ranks.</param>
/// <param name="Deviation">The posterior sd of m̃_f; null where m̃ does not rank.</param>
/// <param name="Lower">The lower end of the interval of m_f over references; null for one prompt.</param>
/// <param name="Upper">The upper end.</param>
/// <param name="ErrorFromReferences">The error that other references would make; null for one prompt.</param>
/// <param name="ErrorFromTexts">The error that other texts of the topic would make; null for one text.</param>
/// <param name="QValue">q_f; null if it is not tested.</param>
/// <param name="Missing">π_f, the share of reference samples that leave it without a prompt.</param>
/// <param name="Unstable">Whether that is more than the options allow.</param>
public sealed record ProfileLatent(
    int Latent,
    int Prompts,
    double EffectivePrompts,
    double Mean,
    double ShrunkMean,
    double? Deviation,
    double? Lower,
    double? Upper,
    double? ErrorFromReferences,
    double? ErrorFromTexts,
    double? QValue,
    double Missing,
    bool Unstable);

/// <summary>The summary of <see cref="LatentShrinkage"/>, in d².</summary>
public sealed record ProfileShrinkage(double? Within, double? Between, double? Kappa, double? GrandMean);

/// <summary>The summary of <see cref="TopicSeparation"/>.</summary>
public sealed record ProfileSeparation(int Tested, int Significant, double? GlobalP, double? TopZ, double? Spread);

/// <summary>
/// The card of a profile in its file: the figures with the options that they were measured and judged by, and for each
/// scored latent, in the order of <see cref="ProfileScores.Latents"/>, what it rests on. Six digits: the errors are far
/// larger. What cannot be is null.
/// </summary>
public sealed record ProfileUncertainty
{
    /// <summary>Seed, sizes and thresholds.</summary>
    public required UncertaintyOptions Options { get; init; }

    /// <summary>How much of the dictionary the references have shown.</summary>
    public required DictionaryCoverage Coverage { get; init; }

    /// <summary>How often latents are active.</summary>
    public required LatentDensity Density { get; init; }

    /// <summary>How much latents differ, and how much of it is error.</summary>
    public required ProfileShrinkage Shrinkage { get; init; }

    /// <summary>Whether there is any signal.</summary>
    public required ProfileSeparation Separation { get; init; }

    /// <summary>Whether the references know the topic.</summary>
    public required ReferenceKnowledge Knowledge { get; init; }

    /// <summary>The nearest latents, at most 32, the nearest first.</summary>
    public required IReadOnlyList<ProfileLatent> Nearest { get; init; }

    /// <summary>[scored]: N_f.</summary>
    public required double[] EffectivePrompts { get; init; }

    /// <summary>[scored]: the bootstrap error of m_f over references, in d²; null for one prompt.</summary>
    public required double?[] Error { get; init; }

    /// <summary>[scored]: q_f; null if it is not tested.</summary>
    public required double?[] QValue { get; init; }

    /// <summary>[scored]: m̃_f, in d².</summary>
    public required double[] ShrunkMean { get; init; }

    /// <summary>The share of scored latents that a twentieth of reference samples would leave without a prompt.</summary>
    public required double? UnstableShare { get; init; }

    /// <summary>The median N_f of the nearest latents; null if there is none.</summary>
    public required double? NearestEffectivePrompts { get; init; }

    /// <summary>What decides the verdict, as far as the index knows it.</summary>
    internal VerdictFigures Decisive => new()
    {
        GlobalP = Separation.GlobalP,
        Significant = Separation.Significant,
        Between = Shrinkage.Between,
        InSupportShare = Knowledge.InSupportShare,
        EnergyP = Knowledge.EnergyP,
        TopicPrompts = Knowledge.TopicPrompts,
    };

    /// <summary>What a file keeps of a card.</summary>
    /// <param name="card">The card.</param>
    /// <param name="latents">The scored latents, ascending.</param>
    public static ProfileUncertainty Of(UncertaintyCard card, int[] latents)
    {
        ArgumentNullException.ThrowIfNull(card);
        ArgumentNullException.ThrowIfNull(latents);
        LatentSupport support = card.Support;
        int[] nearest = card.Shrinkage.Ranks
            ? card.Shrinkage.Nearest(TopicSeparation.Top)
            : [.. latents.OrderBy(f => support.Mean[f]).ThenBy(f => f).Take(TopicSeparation.Top)];
        ReferenceKnowledge known = card.Knowledge;
        DictionaryCoverage coverage = card.Coverage;
        return new ProfileUncertainty
        {
            Options = card.Options,
            Coverage = coverage with
            {
                Observed = Short(coverage.Observed),
                AtLeastTwo = Short(coverage.AtLeastTwo),
                AtLeastFive = Short(coverage.AtLeastFive),
                AtLeastTen = Short(coverage.AtLeastTen),
                Chao2 = Short(coverage.Chao2),
                Completeness = Given(coverage.Completeness),
                Rarefaction = [.. coverage.Rarefaction.Select(Short)],
            },
            Density = card.Density with
            {
                Dead = Given(card.Density.Dead),
                AboveOnePercent = Given(card.Density.AboveOnePercent),
                AboveTenPercent = Given(card.Density.AboveTenPercent),
            },
            Shrinkage = new ProfileShrinkage(
                Given(card.Shrinkage.Within),
                Given(card.Shrinkage.Between),
                Given(card.Shrinkage.Kappa),
                Given(card.Shrinkage.GrandMean)),
            Separation = new ProfileSeparation(
                card.Separation.Tested,
                card.Separation.Significant,
                Given(card.Separation.GlobalP),
                Given(card.Separation.TopZ),
                Given(card.Separation.Spread)),
            Knowledge = known with
            {
                InSupportShare = Given(known.InSupportShare),
                MedianRatio = Given(known.MedianRatio),
                Nearest = [.. known.Nearest.Select(near => near with { Distance = Short(near.Distance) })],
                EnergyDistance = Given(known.EnergyDistance),
                EnergyP = Given(known.EnergyP),
                InternalCosine = Given(known.InternalCosine),
            },
            Nearest = [.. nearest.Select(f => new ProfileLatent(
                f,
                support.Prompts[f],
                Short(support.Effective[f]),
                Short(support.Mean[f]),
                Short(card.Shrinkage.Mean[f]),
                Given(card.Shrinkage.Deviation[f]),
                Given(card.Errors.Lower[f]),
                Given(card.Errors.Upper[f]),
                Given(card.Errors.FromReferences[f]),
                Given(card.Errors.FromTexts[f]),
                Given(card.Separation.QValue[f]),
                Short(support.Missing[f]),
                support.Missing[f] > card.Options.MissingShare))],
            EffectivePrompts = [.. latents.Select(f => Short(support.Effective[f]))],
            Error = [.. latents.Select(f => Given(card.Errors.FromReferences[f]))],
            QValue = [.. latents.Select(f => Given(card.Separation.QValue[f]))],
            ShrunkMean = [.. latents.Select(f => Short(card.Shrinkage.Mean[f]))],
            UnstableShare = latents.Length == 0 ? null
                : Short((double)latents.Count(f => support.Missing[f] > card.Options.MissingShare) / latents.Length),
            NearestEffectivePrompts = nearest.Length == 0 ? null
                : Short(DistanceStatistics.Of([.. nearest.Select(f => support.Effective[f])]).Median),
        };
    }

    /// <summary>The same as in a profile's file.</summary>
    public JsonNode ToJson() => JsonSerializer.SerializeToNode(this, TopicsJson.Compact.ProfileUncertainty)!;

    /// <summary>The first value that cannot be, in words that begin with its field; null if none.</summary>
    internal string? Problem(ProfileScores scores)
    {
        int scored = scores.Latents.Length;
        if (EffectivePrompts.Length != scored || Error.Length != scored || QValue.Length != scored
            || ShrunkMean.Length != scored)
        {
            return $"has {EffectivePrompts.Length} effective_prompts, {Error.Length} errors, {QValue.Length} q_values and "
                + $"{ShrunkMean.Length} shrunk_means, expected {scored}, one a scored latent";
        }
        if (Nearest.Count > TopicSeparation.Top || Nearest.Contains(null!) || Knowledge.Nearest.Contains(null!))
        {
            return $"has a null or too many entries in nearest, expected at most {TopicSeparation.Top}";
        }
        if (Coverage.Prompts.Length != Coverage.Rarefaction.Length)
        {
            return $"coverage has {Coverage.Prompts.Length} prompts and {Coverage.Rarefaction.Length} values of rarefaction";
        }
        foreach ((string field, double? value, double least, double most) in Figures(scores))
        {
            if (value is { } number && !(number >= least && number <= most))
            {
                return string.Create(CultureInfo.InvariantCulture, $"{field} is {number}, expected {least} to {most}");
            }
        }
        return Options.Problem() is string problem ? "options." + problem : null;
    }

    private IEnumerable<(string Field, double? Value, double Least, double Most)> Figures(ProfileScores scores)
    {
        const double Any = double.MaxValue;
        yield return ("coverage.observed", Coverage.Observed, 0, 1);
        yield return ("coverage.at_least_two", Coverage.AtLeastTwo, 0, 1);
        yield return ("coverage.at_least_five", Coverage.AtLeastFive, 0, 1);
        yield return ("coverage.at_least_ten", Coverage.AtLeastTen, 0, 1);
        yield return ("coverage.chao2", Coverage.Chao2, 0, IndexManifest.LargestDimension);
        yield return ("coverage.completeness", Coverage.Completeness, 0, 1);
        foreach (double value in Coverage.Rarefaction)
        {
            yield return ("coverage.rarefaction", value, 0, 1);
        }
        foreach (int value in Coverage.Prompts)
        {
            yield return ("coverage.prompts", value, 1, int.MaxValue);
        }
        yield return ("density.tokens", Density.Tokens, 0, Any);
        yield return ("density.dead", Density.Dead, 0, 1);
        yield return ("density.above_one_percent", Density.AboveOnePercent, 0, 1);
        yield return ("density.above_ten_percent", Density.AboveTenPercent, 0, 1);
        yield return ("shrinkage.within", Shrinkage.Within, 0, 4);
        yield return ("shrinkage.between", Shrinkage.Between, 0, 4);
        yield return ("shrinkage.kappa", Shrinkage.Kappa, 0, Any);
        yield return ("shrinkage.grand_mean", Shrinkage.GrandMean, 0, 5);
        yield return ("separation.tested", Separation.Tested, 0, scores.Latents.Length);
        yield return ("separation.significant", Separation.Significant, 0, Separation.Tested);
        yield return ("separation.global_p", Separation.GlobalP, 0, 1);
        yield return ("separation.top_z", Separation.TopZ, -Any, Any);
        yield return ("separation.spread", Separation.Spread, -5, 5);
        yield return ("knowledge.in_support_share", Knowledge.InSupportShare, 0, 1);
        yield return ("knowledge.median_ratio", Knowledge.MedianRatio, 0, Any);
        yield return ("knowledge.topic_prompts", Knowledge.TopicPrompts, 0, int.MaxValue);
        yield return ("knowledge.energy_distance", Knowledge.EnergyDistance, -9, 9);
        yield return ("knowledge.energy_p", Knowledge.EnergyP, 0, 1);
        yield return ("knowledge.internal_cosine", Knowledge.InternalCosine, -2, 2);
        yield return ("knowledge.texts", Knowledge.Texts, 1, int.MaxValue);
        yield return ("knowledge.windows", Knowledge.Windows, Knowledge.Texts, int.MaxValue);
        foreach (NearReference near in Knowledge.Nearest)
        {
            yield return ("knowledge.nearest.distance", near.Distance, 0, 3);
        }
        yield return ("unstable_share", UnstableShare, 0, 1);
        yield return ("nearest_effective_prompts", NearestEffectivePrompts, 0, int.MaxValue);
        foreach (ProfileLatent near in Nearest)
        {
            yield return ("nearest.latent", Array.BinarySearch(scores.Latents, near.Latent), 0, int.MaxValue);
            yield return ("nearest.prompts", near.Prompts, 1, int.MaxValue);
            yield return ("nearest.effective_prompts", near.EffectivePrompts, 1, near.Prompts);
            yield return ("nearest.mean", near.Mean, 0, 5);
            yield return ("nearest.shrunk_mean", near.ShrunkMean, 0, 5);
            yield return ("nearest.deviation", near.Deviation, 0, 5);
            yield return ("nearest.lower", near.Lower, -1, 5);
            yield return ("nearest.upper", near.Upper, near.Lower ?? -1, 5);
            yield return ("nearest.error_from_references", near.ErrorFromReferences, 0, 5);
            yield return ("nearest.error_from_texts", near.ErrorFromTexts, 0, 5);
            yield return ("nearest.q_value", near.QValue, 0, 1);
            yield return ("nearest.missing", near.Missing, 0, 1);
        }
        for (int i = 0; i < scores.Latents.Length; i++)
        {
            yield return ($"effective_prompts[{i}]", EffectivePrompts[i], 1, Math.Max(1, scores.Support[i]));
            yield return ($"error[{i}]", Error[i], 0, 5);
            yield return ($"q_value[{i}]", QValue[i], 0, 1);
            yield return ($"shrunk_mean[{i}]", ShrunkMean[i], 0, 5);
        }
    }

    private static double? Given(double? value) => value is { } number && double.IsFinite(number) ? Short(number) : null;

    /// <summary>Six digits.</summary>
    private static double Short(double value) => double.Parse(
        value.ToString("G6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
