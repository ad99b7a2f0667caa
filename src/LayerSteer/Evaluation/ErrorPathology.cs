using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Evaluation;

/// <summary>A random replacement over several draws.</summary>
/// <param name="Divergence">KL, the mean over the draws.</param>
/// <param name="Ratio">
/// KL of the reconstruction over that of a draw, the mean over the draws; null where a draw changes nothing.
/// </param>
/// <param name="RatioError">
/// The standard error of that mean, sd/√draws; null of one draw. It is that of the draws: the texts are given.
/// </param>
public readonly record struct RandomReplacement(double Divergence, double? Ratio, double? RatioError);

/// <summary>
/// Whether an autoencoder's error does more harm than its size explains (Gurnee 2024, "SAE reconstruction errors are
/// (empirically) pathological"), with the rebuttal's control (Lee and Heimersheim 2024, arXiv 2410.12555). At each position
/// that is no special token x becomes one of
/// <code>
/// reconstruction  x̂ = decode(z),                 e = x − x̂
/// isotropic       x + v, v any direction,        ‖v‖ = ‖e‖ at that position
/// covariance      x + v, v ~ N(0, cov x),        scaled to the same length; cov x over the text's own positions
/// pass-through    x + decode(z') − decode(z), z' = z
/// KL    = mean_t KL(p₀(· | x_≤t) ‖ p'(· | x_≤t)) over those positions, in nats; p₀ as the model is
/// ratio = KL of the reconstruction / KL of a random one
/// </code>
/// The pass-through changes no bit, so its KL is exactly 0.
/// </summary>
/// <param name="Point">Where the autoencoder sits.</param>
/// <param name="Tokens">How many positions were replaced, and next tokens compared.</param>
/// <param name="Draws">How many random vectors a position.</param>
/// <param name="RelativeError">The mean of ‖e‖ / ‖x‖.</param>
/// <param name="Reconstruction">KL of the reconstruction.</param>
/// <param name="Isotropic">Random vectors of any direction.</param>
/// <param name="Covariance">Random vectors as activations vary.</param>
/// <param name="PassThrough">KL of the pass-through.</param>
public sealed record ErrorPathology(
    HookPoint Point,
    int Tokens,
    int Draws,
    double RelativeError,
    double Reconstruction,
    RandomReplacement Isotropic,
    RandomReplacement Covariance,
    double PassThrough)
{
    /// <summary>The fewest positions of a text that are no special tokens: of fewer there is no covariance.</summary>
    public const int FewestTokens = 2;

    /// <summary>Measures on texts.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="point">Where it sits.</param>
    /// <param name="texts">Token ids, each with BOS if there is to be one, within the context.</param>
    /// <param name="special">Tokens whose positions stay as they are.</param>
    /// <param name="draws">How many random vectors a position, at least 1.</param>
    /// <param name="seed">The seed of those.</param>
    /// <param name="cancellation">Checked between texts.</param>
    /// <exception cref="ArgumentException">
    /// There is no text, one has fewer than <see cref="FewestTokens"/> tokens to replace, or the autoencoder does not fit.
    /// </exception>
    public static ErrorPathology Measure(
        Decoder decoder,
        SparseAutoencoder autoencoder,
        HookPoint point,
        IReadOnlyList<int[]> texts,
        IReadOnlySet<int> special,
        int draws = 5,
        ulong seed = 0,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(special);
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        autoencoder.RequireFits(decoder.Spec, point);
        Require(texts, special);
        using var meter = new Meter(decoder, autoencoder, point, texts.Max(ids => ids.Length));
        double[] isotropic = new double[draws];
        double[] covariance = new double[draws];
        SplitMix64[] ofIsotropic = Generators(draws, seed);
        SplitMix64[] ofCovariance = Generators(draws, ~seed);
        double reconstruction = 0;
        double passThrough = 0;
        foreach (int[] ids in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            ReplacedText text = meter.Read(ids, special);
            reconstruction += meter.Divergence(text, text.Reconstruction);
            passThrough += meter.Divergence(text, text.PassThrough);
            for (int draw = 0; draw < draws; draw++)
            {
                isotropic[draw] += meter.Divergence(text, text.Isotropic(ref ofIsotropic[draw]));
                covariance[draw] += meter.Divergence(text, text.OfCovariance(ref ofCovariance[draw]));
            }
        }

        int tokens = meter.Tokens;
        return new ErrorPathology(
            point,
            tokens,
            draws,
            meter.RelativeErrors / tokens,
            reconstruction / tokens,
            Over(draws, isotropic, reconstruction, tokens),
            Over(draws, covariance, reconstruction, tokens),
            passThrough / tokens);
    }

    private static void Require(IReadOnlyList<int[]> texts, IReadOnlySet<int> special)
    {
        if (texts.Count == 0)
        {
            throw new ArgumentException("no text; expected at least one");
        }

        for (int i = 0; i < texts.Count; i++)
        {
            int count = texts[i].Count(id => !special.Contains(id));
            if (count < FewestTokens)
            {
                throw new ArgumentException(
                    $"text {i} has {count} tokens that are not special; expected at least {FewestTokens}");
            }
        }
    }

    private static SplitMix64[] Generators(int draws, ulong seed)
    {
        var seeds = new SplitMix64(seed);
        return [.. Enumerable.Range(0, draws).Select(_ => new SplitMix64(seeds.Next()))];
    }

    private static RandomReplacement Over(int draws, double[] sums, double reconstruction, int tokens)
    {
        double mean = sums.Sum() / draws / tokens;
        if (sums.Any(sum => !(sum > 0)))
        {
            return new RandomReplacement(mean, null, null);
        }

        double[] ratios = [.. sums.Select(sum => reconstruction / sum)];
        double ratio = ratios.Average();
        double squares = ratios.Sum(one => (one - ratio) * (one - ratio));
        return new RandomReplacement(
            mean, ratio, draws > 1 ? Math.Sqrt(squares / (draws - 1) / draws) : null);
    }

    private sealed class Meter(Decoder decoder, SparseAutoencoder autoencoder, HookPoint point, int longest) : IDisposable
    {
        private readonly DecoderRun _before = decoder.CreateRun(longest);
        private readonly DecoderRun _after = decoder.CreateRun(longest);
        private readonly KvCache _cache = decoder.CreateCache(longest);

        public int Tokens { get; private set; }

        public double RelativeErrors { get; private set; }

        /// <summary>Runs the model as it is; its logits stay until the next text.</summary>
        public ReplacedText Read(int[] ids, IReadOnlySet<int> special)
        {
            ReplacedText? text = null;
            _cache.Truncate(0);
            _before.Forward(
                [new SequenceBlock(_cache, ids)],
                new HookSet().Add(point, rows => text = new ReplacedText(autoencoder, ids, special, rows.Values)),
                LogitRows.All);
            Tokens += text!.Rows.Length;
            RelativeErrors += text.RelativeErrors;
            return text;
        }

        /// <summary>The sum of KL over the positions of a text that are replaced.</summary>
        /// <param name="text">The text last read.</param>
        /// <param name="values">What they are replaced by, [rows replaced, dIn].</param>
        public double Divergence(ReplacedText text, float[] values)
        {
            _cache.Truncate(0);
            _after.Forward(
                [new SequenceBlock(_cache, text.Ids)],
                new HookSet().Add(point, rows =>
                {
                    for (int i = 0; i < text.Rows.Length; i++)
                    {
                        values.AsSpan(i * rows.Width, rows.Width).CopyTo(rows[text.Rows[i]]);
                    }
                }),
                LogitRows.All);
            double sum = 0;
            foreach (int row in text.Rows)
            {
                sum += Divergence(_before.Logits(row), _after.Logits(row));
            }

            return sum;
        }

        public void Dispose()
        {
            _cache.Dispose();
            _after.Dispose();
            _before.Dispose();
        }

        private static double Divergence(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
        {
            double logBefore = LogLikelihood.LogSum(before);
            double logAfter = LogLikelihood.LogSum(after);
            double divergence = 0;
            for (int v = 0; v < before.Length; v++)
            {
                double p = before[v] - logBefore;
                divergence += Math.Exp(p) * (p - (after[v] - logAfter));
            }

            // Rounding alone makes it negative.
            return Math.Max(0, divergence);
        }
    }
}
