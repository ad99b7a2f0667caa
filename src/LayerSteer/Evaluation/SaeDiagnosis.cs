using System.Globalization;

namespace LayerSteer.Evaluation;

/// <summary>
/// From the figures of a check to its findings and verdict. A cause is named only where the figures of the remedy are
/// measured and better; what no remedy explains is said as it is.
/// </summary>
internal static class SaeDiagnosis
{
    /// <summary>The card with its findings and verdict.</summary>
    /// <param name="card">The figures.</param>
    /// <param name="doubleBos">Whether a window began with BOS before one was put in front.</param>
    /// <param name="options">The limits.</param>
    public static SaeHealthCard Of(SaeHealthCard card, bool doubleBos, SaeHealthOptions options)
    {
        var findings = new List<SaeFinding>();
        double fvu = card.Quality.Fvu;
        bool lost = fvu > options.WrongFvu || card.Splice.LossRecovered < options.WrongLossRecovered;
        if (doubleBos)
        {
            findings.Add(new SaeFinding(
                SaeFault.DoubleBos,
                "the texts themselves begin with BOS, and one more stands in front",
                "leave it out of the texts, or use --bos none"));
        }

        AddBest(
            findings,
            SaeFault.Activation,
            card.Activations,
            card.Activations.FirstOrDefault(variant => variant.Name == card.Activation.ToString())?.Quality.Fvu ?? fvu,
            options,
            (best, own) => ($"as {card.Activation} FVU is {Figure(own)} and L0 {Count(card.Quality.L0)}, "
                + $"as {best.Name} {Figure(best.Quality.Fvu)} and {Count(best.Quality.L0)}",
                $"it was probably trained as {Kind(best.Name)}: look for its activation and k in its configuration"));
        AddBest(
            findings,
            SaeFault.Normalisation,
            card.Normalisations,
            card.Normalisations.FirstOrDefault(variant => variant.Name == "none")?.Quality.Fvu ?? fvu,
            options,
            (best, own) => ($"on inputs as they are FVU is {Figure(own)}, with {best.Name} {Figure(best.Quality.Fvu)}",
                $"it was probably trained with {best.Name}: look for normalize_activations in its configuration"));
        AddBest(
            findings,
            SaeFault.HookPoint,
            card.HookPoints,
            card.HookPoints.FirstOrDefault(variant => variant.Name == card.Point.ToString())?.Quality.Fvu ?? fvu,
            options,
            (best, own) => ($"at {card.Point} FVU is {Figure(own)}, at {best.Name} {Figure(best.Quality.Fvu)}",
                $"use it at {best.Name}"));
        if (card.Alignment < options.LeastAlignment)
        {
            findings.Add(new SaeFinding(
                SaeFault.Orientation,
                $"encoder and decoder rows of a latent have a mean cosine of {Figure(card.Alignment)}; "
                + $"expected {Figure(options.LeastAlignment)} or more",
                "one of the two is probably transposed or from another file; convert the file again"));
        }
        else if (lost && findings.Count == 0 && card.HookPoints.Count > 1)
        {
            findings.Add(new SaeFinding(
                SaeFault.OtherModel,
                $"FVU is {Figure(fvu)} here, and {Figure(card.HookPoints[0].Quality.Fvu)} at the best of "
                + $"{card.HookPoints.Count} hook points ({card.HookPoints[0].Name})",
                "it was probably made for another model of this width; compare the model that its page names"));
        }

        AddBos(findings, card, options);
        AddSparsity(findings, card, options);
        bool weak = fvu > options.WeakFvu || card.Splice.LossRecovered < options.WeakLossRecovered;
        if (findings.Count == 0 && (weak || !double.IsFinite(fvu)))
        {
            findings.Add(new SaeFinding(
                SaeFault.Reconstruction,
                $"FVU is {Figure(fvu)} and {card.Splice.LossRecovered.ToString("P0", CultureInfo.InvariantCulture)} "
                + "of the loss is recovered",
                "an edit can only reach what the autoencoder represents; compare the figures its authors publish"));
        }

        bool wrong = lost || findings.Any(
            finding => finding.Fault is not (SaeFault.BosPolicy or SaeFault.Sparsity or SaeFault.Reconstruction));
        return card with
        {
            Findings = findings,
            Verdict = wrong ? SaeVerdict.Wrong : findings.Count > 0 ? SaeVerdict.Weak : SaeVerdict.Healthy,
        };
    }

    private static void AddBest(
        List<SaeFinding> findings,
        SaeFault fault,
        IReadOnlyList<SaeVariant> variants,
        double own,
        SaeHealthOptions options,
        Func<SaeVariant, double, (string Evidence, string Advice)> say)
    {
        SaeVariant? best = variants.Where(variant => double.IsFinite(variant.Quality.Fvu))
            .MinBy(variant => variant.Quality.Fvu);
        if (best is not null && IsBetter(best.Quality.Fvu, own, options))
        {
            (string evidence, string advice) = say(best, own);
            findings.Add(new SaeFinding(fault, evidence, advice));
        }
    }

    /// <summary>A remedy that does not reconstruct either is none.</summary>
    private static bool IsBetter(double other, double own, SaeHealthOptions options) =>
        other <= options.WrongFvu
        && (!double.IsFinite(own) || (other < options.BetterTimes * own && own - other > options.BetterBy));

    private static void AddBos(List<SaeFinding> findings, SaeHealthCard card, SaeHealthOptions options)
    {
        if (card.OtherBos is { } other && IsBetter(other.Fvu, card.Quality.Fvu, options))
        {
            (string here, string there, string option) =
                card.Bos ? ("with", "without", "none") : ("without", "with", "one");
            findings.Add(new SaeFinding(
                SaeFault.BosPolicy,
                $"{here} BOS in front FVU is {Figure(card.Quality.Fvu)}, {there} it {Figure(other.Fvu)}",
                $"use --bos {option}"));
        }
    }

    private static void AddSparsity(List<SaeFinding> findings, SaeHealthCard card, SaeHealthOptions options)
    {
        double l0 = card.Quality.L0;
        if (card.PromisedL0 is { } promised
            && (l0 > promised * options.L0Times || l0 * options.L0Times < promised))
        {
            findings.Add(new SaeFinding(
                SaeFault.Sparsity,
                $"{Count(l0)} latents are active a token; its file promises {Count(promised)}",
                "compare activation, thresholds and scaling with its configuration"));
        }
    }

    /// <summary>TopK(32) is one of several k that were tried; the kind is what the figures tell.</summary>
    private static string Kind(string activation) =>
        activation.StartsWith("TopK", StringComparison.Ordinal) ? $"TopK (of the k tried, {activation} is best)"
        : activation;

    private static string Figure(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Count(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);
}
