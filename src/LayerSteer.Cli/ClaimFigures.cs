using LayerSteer.Evaluation;

namespace LayerSteer.Cli;

/// <summary>What was measured, each figure beside what the literature claims of its own models.</summary>
internal static class ClaimFigures
{
    private const string Errors = "T11";
    private const string SideEffects = "T9";
    private const string Overhead = "T4";

    /// <summary>Gurnee 2024 of GPT-2 small: the reconstruction's KL over that of isotropic vectors.</summary>
    private const double LeastPathology = 2;
    private const double MostPathology = 4.5;

    /// <summary>Of what isotropic vectors leave unexplained, the most that covariance may: ours, none is stated.</summary>
    private const double MostLeft = 0.5;

    /// <summary>Duan 2026 of GPT-2 small: where crowding's ρ must lie, and what all predictors reach.</summary>
    private const double LeastCrowding = 0.38;
    private const double MostCrowding = 0.57;
    private const double LeastTogether = 0.5;

    /// <summary>The paper's abstract, arXiv 2506.12576.</summary>
    private const double MostMilliseconds = 0.92;

    /// <summary>T11, a layer at a time and over all.</summary>
    public static IEnumerable<ClaimFigure> Of(IReadOnlyList<ErrorPathology> layers)
    {
        foreach (ErrorPathology layer in layers)
        {
            string where = $"{layer.Point}";
            yield return Beside(Errors, where, "relative error ‖x − x̂‖/‖x‖", layer.RelativeError);
            yield return Beside(Errors, where, "KL of the reconstruction, nats", layer.Reconstruction);
            yield return Beside(Errors, where, "KL of isotropic vectors, nats", layer.Isotropic.Divergence);
            yield return Beside(Errors, where, "KL of covariance vectors, nats", layer.Covariance.Divergence);
            yield return new ClaimFigure(
                Errors, where, "reconstruction / isotropic", layer.Isotropic.Ratio, "2 to 4.5, GPT-2 small",
                "2 to 4.5", Verdict(layer.Isotropic.Ratio, IsPathological))
            { StandardError = layer.Isotropic.RatioError };
            yield return new ClaimFigure(
                Errors, where, "reconstruction / covariance", layer.Covariance.Ratio, "the gap largely closes",
                "at most half of the excess over 1 is left", Verdict(Left(layer), left => left <= MostLeft))
            { StandardError = layer.Covariance.RatioError };
            yield return new ClaimFigure(
                Errors, where, "KL of the pass-through, nats", layer.PassThrough, "0", "exactly 0",
                Verdict(layer.PassThrough, kl => kl == 0));
        }

        double?[] ratios = [.. layers.Select(layer => layer.Isotropic.Ratio)];
        int within = ratios.Count(ratio => ratio is { } known && IsPathological(known));
        yield return new ClaimFigure(
            Errors, $"{layers.Count} layers", "layers with isotropic ratio 2 to 4.5", within, "every layer, GPT-2 small",
            "most layers", layers.Count == 0 ? ClaimVerdict.NotRun : Verdict(within, n => 2 * n > layers.Count));
    }

    /// <summary>T9 of one pair of layers.</summary>
    public static IEnumerable<ClaimFigure> Of(SideEffectPredictors pair)
    {
        string where = $"{pair.Point} -> {pair.Downstream}";
        yield return Beside(SideEffects, where, "latents changed, mean", pair.Latents.Average(one => one.Collateral));
        yield return Beside(SideEffects, where, "mean ‖x‖, beside alpha", pair.MeanNorm);
        foreach (PredictorCorrelation one in pair.Correlations)
        {
            (string claimed, string criterion, Func<double, bool>? holds) = one.Name switch
            {
                "crowding" => (
                    "0.466; rerun 0.482 [0.381, 0.574], GPT-2 small", "0.38 to 0.57",
                    (Func<double, bool>?)(rho => rho is >= LeastCrowding and <= MostCrowding)),
                "frequency" or "mean activation" => (
                    "about 0, GPT-2 small", "0 within the interval", _ => one.Low <= 0 && one.High >= 0),
                "encoder-decoder cosine" => ("leads on Gemma-2-2B at -0.45", string.Empty, null),
                "direct-logit footprint" => ("0.34 on Pythia-70M", string.Empty, null),
                _ => ("0.50, GPT-2 small", "0.50 or more", rho => rho >= LeastTogether),
            };
            yield return new ClaimFigure(
                SideEffects, where, $"rho of {one.Name}", one.Correlation, claimed, criterion,
                holds is null ? one.Correlation is null ? ClaimVerdict.NotRun : ClaimVerdict.None
                    : Verdict(one.Correlation, holds))
            { Low = one.Low, High = one.High };
        }
    }

    /// <summary>T4 of one method.</summary>
    public static IEnumerable<ClaimFigure> Of(SteeringOverhead method)
    {
        yield return Beside(Overhead, method.Name, "unsteered, ms/token", 1000 * method.Unsteered);
        yield return new ClaimFigure(
            Overhead, method.Name, "steering adds, ms/token", 1000 * method.Added, "0.92, hardware unknown",
            "0.92 or less", Verdict(1000 * method.Added, added => added <= MostMilliseconds))
        { Low = 1000 * method.LowerQuartile, High = 1000 * method.UpperQuartile };
    }

    /// <summary>A target, or a part of one, that lacks what it needs.</summary>
    public static ClaimFigure NotRun(string target, string where, string reason) =>
        new(target, where, reason, null, string.Empty, string.Empty, ClaimVerdict.NotRun);

    private static bool IsPathological(double ratio) => ratio is >= LeastPathology and <= MostPathology;

    /// <summary>The part of the isotropic ratio's excess over 1 that the covariance ratio has; null without excess.</summary>
    private static double? Left(ErrorPathology layer) =>
        layer.Isotropic.Ratio is > 1 and { } isotropic && layer.Covariance.Ratio is { } covariance
            ? (covariance - 1) / (isotropic - 1)
            : null;

    private static ClaimVerdict Verdict(double? value, Func<double, bool> holds) => value is not { } known
        ? ClaimVerdict.NotRun
        : holds(known) ? ClaimVerdict.Reproduced : ClaimVerdict.NotReproduced;

    private static ClaimFigure Beside(string target, string where, string what, double value) =>
        new(target, where, what, value, string.Empty, string.Empty, ClaimVerdict.None);
}
