using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>Measures whether an autoencoder can represent a topic: see <see cref="ProfileRepresentation"/>.</summary>
public static class TopicRepresentation
{
    private const int Window = 64;
    private const int MostWindows = 32;
    private const int FvuDraws = 1000;
    private const int UseDraws = 200;
    private const double Tail = 0.025;

    private static readonly double[] LeastPrompts = [1, 2, 5];

    /// <summary>Measures.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="site">The autoencoder in its place.</param>
    /// <param name="index">The references.</param>
    /// <param name="profile">The topic's profile; effective prompts are those of its card.</param>
    /// <param name="texts">The topic's texts.</param>
    /// <param name="own">What the model and the autoencoder do on them.</param>
    /// <param name="other">The same on other texts.</param>
    /// <param name="seed">The seed of the bootstraps.</param>
    /// <param name="cancellation">Checked between passes.</param>
    public static ProfileRepresentation Measure(
        Decoder decoder,
        TextTokenizer tokenizer,
        SteeringSite site,
        ReferenceIndex index,
        TopicProfile profile,
        IReadOnlyList<string> texts,
        TopicActivations own,
        TopicActivations other,
        ulong seed = 1,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(site);
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(other);
        (double? low, double? high) = FvuInterval(own, seed);
        SpliceQuality splice = Splice(decoder, tokenizer, site, texts, cancellation, out double? divergence);
        double?[] mass = Masses(profile, own);
        (double? top, double? topLift) = TopMass(profile, index, own);
        (double? rho, double? rhoLow, double? rhoHigh) = Use(profile, index, own, seed);
        return new ProfileRepresentation(
            own.Texts, own.Tokens, Given(own.Quality.Fvu), low, high, Given(other.Quality.Fvu), own.Quality.Cosine,
            own.Quality.L0, own.Quality.NormRatio, Given(splice.CeSpliced - splice.CeOriginal),
            Given(splice.LossRecovered), divergence, mass[0], mass[1], mass[2], top, topLift, rho, rhoLow, rhoHigh);
    }

    /// <summary>Σ errors / Σ variance of texts drawn with replacement, about the drawn texts' own mean.</summary>
    private static (double? Low, double? High) FvuInterval(TopicActivations own, ulong seed)
    {
        int texts = own.Texts;
        if (texts < 2)
        {
            return (null, null);
        }

        var generator = new SplitMix64(seed);
        double[] drawn = new double[FvuDraws];
        double[] sum = new double[own.Mean.Length];
        for (int draw = 0; draw < drawn.Length; draw++)
        {
            Array.Clear(sum);
            double errors = 0;
            double squares = 0;
            long tokens = 0;
            for (int i = 0; i < texts; i++)
            {
                int text = generator.NextInt(texts);
                errors += own.Errors[text].Error;
                squares += own.Errors[text].Squares;
                tokens += own.ByText[text].Tokens;
                for (int d = 0; d < sum.Length; d++)
                {
                    sum[d] += own.ByText[text].Sum[d];
                }
            }

            drawn[draw] = errors / (squares - (sum.Sum(value => value * value) / tokens));
        }

        Array.Sort(drawn);
        return (Given(drawn[(int)(Tail * FvuDraws)]), Given(drawn[(int)((1 - Tail) * FvuDraws) - 1]));
    }

    private static SpliceQuality Splice(
        Decoder decoder,
        TextTokenizer tokenizer,
        SteeringSite site,
        IReadOnlyList<string> texts,
        CancellationToken cancellation,
        out double? divergence)
    {
        divergence = null;
        int length = Math.Min(Window, decoder.Spec.ContextLength - 1);
        int[][] windows =
        [
            .. texts.SelectMany(text => tokenizer.Encode(text)).Chunk(length)
                .Where(window => window.Length == length).Take(MostWindows),
        ];
        if (windows.Length == 0)
        {
            return SpliceQuality.None;
        }

        int? bos = decoder.Spec.BosId ?? tokenizer.BosId;
        cancellation.ThrowIfCancellationRequested();
        SpliceQuality quality = SpliceQuality.Measure(
            decoder, site.Autoencoder, site.Point, windows, bos, skipsFirst: true,
            SpliceQuality.Original(decoder, windows, bos));
        var options = new SteeringOptions { Method = SteeringMethod.Reconstruction };
        var plan = new SteeringPlan(
            decoder.Spec, options, [new LayerEdit(site.Point, site.Autoencoder, [], options)],
            BosPolicies.SpecialTokens(decoder.Spec, tokenizer));
        divergence = InterventionFidelity.Measure(
            decoder, plan, [.. windows.Select(window => (int[])[.. bos is { } id ? new[] { id } : [], .. window])],
            cancellation: cancellation).Divergence;
        return quality;
    }

    /// <summary>M_1, M_2 and M_5.</summary>
    private static double?[] Masses(TopicProfile profile, TopicActivations own)
    {
        double total = own.Sum.Sum();
        double[]? effective = profile.Uncertainty?.EffectivePrompts;
        double Supported(double least) => profile.Scores.Latents.Index()
            .Where(latent => effective![latent.Index] >= least).Sum(latent => own.Sum[latent.Item]);
        return total > 0 && effective is not null
            ? [.. LeastPrompts.Select(least => (double?)Math.Min(1, Supported(least) / total))]
            : [null, null, null];
    }

    private static (double? Share, double? Lift) TopMass(
        TopicProfile profile, ReferenceIndex index, TopicActivations own)
    {
        int[] top = profile.ToLatentScores().Top(Math.Max(1, profile.DSae / 100));
        double total = own.Sum.Sum();
        double references = index.LatentStatistics.Sum(latent => latent.Sum);
        double? share = total > 0 ? top.Sum(latent => own.Sum[latent]) / total : null;
        double? there = references > 0 ? top.Sum(latent => index.LatentStatistics[latent].Sum) / references : null;
        return (share, there > 0 ? share / there : null);
    }

    private static (double? Rho, double? Low, double? High) Use(
        TopicProfile profile, ReferenceIndex index, TopicActivations own, ulong seed)
    {
        double tokens = index.Tokens.Sum(count => (double)count);
        LatentScores scores = profile.ToLatentScores();
        int[] active =
        [
            .. Enumerable.Range(0, scores.Count).Where(latent => scores.Supported[latent]
                && (own.TokensActive[latent] > 0 || index.LatentStatistics[latent].TokensActive > 0)),
        ];
        double[] score = [.. active.Select(latent => scores.Values[latent])];
        double[] lift =
        [
            .. active.Select(latent => Math.Log(
                (own.TokensActive[latent] + 0.5) / own.Tokens
                / ((index.LatentStatistics[latent].TokensActive + 0.5) / tokens))),
        ];
        if (active.Length < 3 || RankCorrelation.Spearman(score, lift) is not { } rho)
        {
            return (null, null, null);
        }

        var generator = new SplitMix64(seed ^ 0x517CC1B727220A95);
        double[] a = new double[active.Length];
        double[] b = new double[active.Length];
        var drawn = new List<double>();
        for (int draw = 0; draw < UseDraws; draw++)
        {
            for (int i = 0; i < a.Length; i++)
            {
                int at = generator.NextInt(a.Length);
                (a[i], b[i]) = (score[at], lift[at]);
            }

            if (RankCorrelation.Spearman(a, b) is { } one)
            {
                drawn.Add(one);
            }
        }

        drawn.Sort();
        return drawn.Count == 0
            ? (rho, null, null)
            : (rho, drawn[(int)(Tail * drawn.Count)], drawn[Math.Max(0, (int)((1 - Tail) * drawn.Count) - 1)]);
    }

    private static double? Given(double value) => double.IsFinite(value) ? value : null;
}
