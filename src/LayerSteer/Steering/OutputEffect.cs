using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer.Steering;

/// <summary>What raising a latent does to the next token.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="OutputScore">0 to 1: whether the tokens that its direction stands for come out.</param>
/// <param name="ConfidenceChange">By how many nats the next token becomes surer.</param>
public readonly record struct LatentEffect(int Latent, double OutputScore, double ConfidenceChange);

/// <summary>
/// Causal figures of latents, for choosing those that move the output rather than only read the input:
/// <code>
/// T_f          = the 20 tokens of largest W_U·d_f                                        (logit lens)
/// output score = (1 − min over t ∈ T_f of rank(t) / V) · max over t ∈ T_f of p'(t)        (Arad et al. 2025)
/// confidence   = −1/k Σ over the k likeliest tokens of log p(t);  Δ = confidence' − confidence   (Wang et al. 2025; k = 10)
/// </code>
/// p' is the next-token distribution behind a neutral beginning with 10·M_f added to the latent at its last position, the
/// error term kept.
/// </summary>
public static class OutputEffect
{
    private const int LensTokens = 20;
    private const int ConfidentTokens = 10;
    private const float Amount = 10f;
    private const int SideBySide = 32;

    /// <summary>Measures latents.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="site">The autoencoder in its place.</param>
    /// <param name="scores">Scores whose largest activations are known.</param>
    /// <param name="latents">The latents, all with a score.</param>
    /// <param name="ids">The beginning, with BOS if there is to be one.</param>
    /// <param name="vocabulary">How many ids take part, from 0: the tokenizer's, where the model has more.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>One a latent, in their order.</returns>
    public static IReadOnlyList<LatentEffect> Of(
        Decoder decoder,
        SteeringSite site,
        LatentScores scores,
        IReadOnlyList<int> latents,
        int[] ids,
        int vocabulary,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(site);
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(latents);
        ArgumentNullException.ThrowIfNull(ids);
        using DecoderRun run = decoder.CreateRun(SideBySide * ids.Length);
        KvCache[] caches = [.. Enumerable.Range(0, SideBySide).Select(_ => decoder.CreateCache(ids.Length))];
        try
        {
            run.Forward([new SequenceBlock(caches[0], ids)]);
            double confidence = Confidence(run.Logits(0)[..vocabulary]);
            var effects = new List<LatentEffect>();
            var pass = new SteeringPass();
            foreach (int[] some in latents.Chunk(SideBySide))
            {
                cancellation.ThrowIfCancellationRequested();
                Array.ForEach(caches, cache => cache.Truncate(0));
                HookSet? hooks = pass.HooksFor(
                    [.. some.Select(latent => new SteeredSequence(ids.Length, Raising(decoder, site, scores, latent, ids)))]);
                run.Forward([.. some.Select((_, i) => new SequenceBlock(caches[i], ids))], hooks);
                for (int i = 0; i < some.Length; i++)
                {
                    ReadOnlySpan<float> logits = run.Logits(i)[..vocabulary];
                    int[] lens =
                    [
                        .. LogitLens.Top(decoder, site.Autoencoder, some[i], LensTokens, vocabulary)
                            .Select(token => token.Token),
                    ];
                    effects.Add(new LatentEffect(some[i], Score(logits, lens), Confidence(logits) - confidence));
                }
            }

            return effects;
        }
        finally
        {
            Array.ForEach(caches, cache => cache.Dispose());
        }
    }

    /// <summary>Scores in which only those of the best latents stay whose figure is at least the median of theirs.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="effects">The effects of the latents that may stay.</param>
    /// <param name="figure">The figure.</param>
    public static LatentScores Filter(
        LatentScores scores, IReadOnlyList<LatentEffect> effects, Func<LatentEffect, double> figure)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(effects);
        ArgumentNullException.ThrowIfNull(figure);
        double[] values = new double[scores.Count];
        double[] sorted = [.. effects.Select(figure).Order()];
        foreach (LatentEffect effect in effects.Where(effect => figure(effect) >= sorted[sorted.Length / 2]))
        {
            values[effect.Latent] = scores.Values[effect.Latent];
        }

        return new LatentScores(values, scores.Supported, scores.Name, scores.Maxima);
    }

    private static SteeringPlan Raising(
        Decoder decoder, SteeringSite site, LatentScores scores, int latent, int[] ids)
    {
        bool[] only = new bool[scores.Count];
        double[] one = new double[scores.Count];
        only[latent] = true;
        one[latent] = 1;
        var options = new SteeringOptions
        {
            Method = SteeringMethod.Add,
            Strength = Amount,
            Positions = new PositionPolicy(PositionKind.Window, ids.Length - 1, ids.Length),
        };
        var edit = new LayerEdit(
            site.Point, site.Autoencoder, new LatentScores(one, only, scores.Name, scores.Maxima), options);
        return new SteeringPlan(decoder.Spec, options, [edit], []);
    }

    private static double Score(ReadOnlySpan<float> logits, int[] tokens)
    {
        double largest = logits[0];
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }

        float best = float.NegativeInfinity;
        foreach (int token in tokens)
        {
            best = Math.Max(best, logits[token]);
        }

        int above = 0;
        foreach (float logit in logits)
        {
            above += logit > best ? 1 : 0;
        }

        return (1 - ((double)above / logits.Length)) * Math.Exp(best - largest) / sum;
    }

    private static double Confidence(ReadOnlySpan<float> logits)
    {
        double[] all = [.. logits.ToArray().Select(logit => (double)logit)];
        double largest = all.Max();
        double log = largest + Math.Log(all.Sum(logit => Math.Exp(logit - largest)));
        return -all.OrderDescending().Take(ConfidentTokens).Average(logit => logit - log);
    }
}
