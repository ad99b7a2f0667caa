using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;
using Microsoft.Extensions.AI;
using Decoder = LayerSteer.Models.Decoder;

namespace LayerSteer.Evaluation;

/// <summary>
/// Measures the <see cref="ForecastPredictor"/>s of plans: forward passes over neutral text and over the beginnings of
/// the topic's texts, with and without the edits; nothing is generated. Texts are cut to <see cref="WindowTokens"/>
/// tokens behind a BOS, the BOS is left out of all means, and the log-odds of a token are
/// <code>
/// log((q(v) + ε) / (n(v) + ε)),   q, n = mean unsteered p(v) over the topic's texts, over neutral text;   ε = 0.1 / V
/// </code>
/// Not thread-safe; owns neither model nor encoder.
/// </summary>
public sealed class ForecastProbe : IDisposable
{
    /// <summary>The tokens of a text that are read.</summary>
    public const int WindowTokens = 32;

    /// <summary>The texts of a topic that are read.</summary>
    public const int MostTexts = 16;

    private const int BestLatents = 32;
    private const double SmallestDivergence = 1e-6;

    private readonly Decoder _decoder;
    private readonly TextTokenizer _tokenizer;
    private readonly int[] _prefix;
    private readonly int[][] _neutral;
    private readonly DecoderRun _run;
    private readonly List<KvCache> _caches = [];
    private readonly SteeringPass _steering = new();
    private readonly TokenMeaning _meaning;

    /// <summary>Joins a model and the sentence encoder that scores topics.</summary>
    public ForecastProbe(
        Decoder decoder, TextTokenizer tokenizer, IEmbeddingGenerator<string, Embedding<float>> encoder)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(encoder);
        _decoder = decoder;
        _tokenizer = tokenizer;
        _meaning = new TokenMeaning(encoder, tokenizer);
        _prefix = BosPolicy.One.Prefix(decoder.Spec, tokenizer);
        _neutral = Windows(NeutralText.Paragraphs);
        _run = decoder.CreateRun();
    }

    /// <summary>Measures plans of one topic at one place.</summary>
    /// <param name="profile">The topic's profile.</param>
    /// <param name="texts">The topic's texts; null where only the profile is at hand.</param>
    /// <param name="plans">Plans of one edit each, all through one autoencoder at one place.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>
    /// For each plan the values in the order of <see cref="ForecastPredictor.All"/>; null for what is missing.
    /// </returns>
    public async Task<double?[][]> MeasureAsync(
        TopicProfile profile,
        IReadOnlyList<string>? texts,
        IReadOnlyList<SteeringPlan> plans,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(plans);
        TextSide? topic = texts is null ? null : Read(Windows(texts.Take(MostTexts)), plans, false, cancellation);
        TextSide neutral = Read(_neutral, plans, true, cancellation);
        TextMeaning? meaning =
            texts is null ? null : await _meaning.OfAsync(texts, cancellation).ConfigureAwait(false);
        double[]? odds = topic?.LogOdds(neutral);
        var values = new double?[plans.Count][];
        for (int i = 0; i < plans.Count; i++)
        {
            var found = new Dictionary<string, double?>();
            Edit(found, plans[i], neutral.Shifts[i]);
            Profile(found, profile);
            if (topic is not null)
            {
                await TopicAsync(found, plans[i], i, neutral, topic, odds!, meaning!, cancellation)
                    .ConfigureAwait(false);
            }

            values[i] = [.. ForecastPredictor.All.Select(predictor => found.GetValueOrDefault(predictor.Name))];
        }

        return values;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _caches.ForEach(cache => cache.Dispose());
        _run.Dispose();
    }

    private static void Edit(Dictionary<string, double?> found, SteeringPlan plan, EditShift shift)
    {
        found["log_strength"] = Math.Log(plan.Options.Strength);
        found["log_push"] = Math.Log(shift.Push + SmallestDivergence);
        found["log_kl"] = Math.Log(Math.Max(0, shift.Divergence) + SmallestDivergence);
        found["root_kl"] = Math.Sqrt(Math.Max(0, shift.Divergence));
        found["surprise"] = shift.Surprise;
        found["ce_change"] = shift.LossChange;
        found["entropy_change"] = shift.Entropy;
        found["coherence"] = shift.Length > 0 ? DoubleVectors.Norm(shift.Direction) / shift.Rows / shift.Length : 0;
    }

    private static void Profile(Dictionary<string, double?> found, TopicProfile profile)
    {
        (double Score, int Support)[] best =
        [
            .. profile.Scores.Scores.Zip(profile.Scores.Support).OrderByDescending(pair => pair.First)
                .Take(BestLatents),
        ];
        int[] support = [.. best.Select(latent => latent.Support).Order()];
        found["score_gap"] = best.Average(latent => latent.Score) - profile.Scores.Scores.Average();
        found["log_support"] = Math.Log(Math.Max(1, support[support.Length / 2]));
        found["reference_distance"] = profile.MinDistance.Median;
        found["nearest_distance"] = profile.MinDistance.Min;
    }

    private async Task TopicAsync(
        Dictionary<string, double?> found,
        SteeringPlan plan,
        int index,
        TextSide neutral,
        TextSide topic,
        double[] odds,
        TextMeaning meaning,
        CancellationToken cancellation)
    {
        EditShift shift = neutral.Shifts[index];
        double[] change = [.. shift.Tokens.Select(sum => sum / shift.Positions)];
        found["word_lift"] = DoubleVectors.Dot(change, odds);
        found["meaning_lift"] = await _meaning.LiftAsync(change, meaning, cancellation).ConfigureAwait(false);
        found["root_word_lift"] = SignedRoot(found["word_lift"]!.Value);
        found["root_meaning_lift"] = SignedRoot(found["meaning_lift"]!.Value);
        found["topic_odds"] = TopicOdds(change, odds, neutral);
        found["text_gain"] = shift.LossChange - topic.Shifts[index].LossChange;
        found["log_fvu"] = Math.Log(Math.Max(1e-3, topic.Fvu(plan.Edits[0].Autoencoder)));
        found["text_cosine"] = meaning.Cohesion;
        found["topic_surprise"] = topic.Loss - neutral.Loss;
        double[] edit = [.. shift.Direction.Select(sum => sum / shift.Rows)];
        double[] from = neutral.MeanResidual;
        double[] way = [.. topic.MeanResidual.Zip(from, (a, b) => a - b)];
        double length = DoubleVectors.Norm(way);
        found["toward"] = length > 0 ? DoubleVectors.Dot(edit, way) / length / shift.Norm : 0;
        found["root_toward"] = SignedRoot(found["toward"]!.Value);
        found["neutral_cosine"] = DoubleVectors.Dot(meaning.Topic, meaning.Neutral);
        found["word_distance"] = topic.Likely.Zip(odds, (q, odd) => q * odd).Sum();
        if (!(DoubleVectors.Norm(edit) > 0))
        {
            return;
        }

        double[] unit = [.. edit.Select(value => value / DoubleVectors.Norm(edit))];
        found["mean_cosine"] = topic.TextResiduals.Average(
            text => DoubleVectors.Cosine([.. text.Zip(from, (a, b) => a - b)], unit));
        double[] ofTopic = [.. topic.TextResiduals.Select(text => DoubleVectors.Dot(text, unit))];
        double[] ofNeutral = [.. neutral.TextResiduals.Select(text => DoubleVectors.Dot(text, unit))];
        double variance = (DoubleVectors.Variance(ofTopic) + DoubleVectors.Variance(ofNeutral)) / 2;
        found["separability"] = variance > 0 ? (ofTopic.Average() - ofNeutral.Average()) / Math.Sqrt(variance) : null;
        found["lens_agreement"] = LensAgreement(unit, odds, topic, neutral);
    }

    /// <summary>ln of the mass of the topic's tokens after over before.</summary>
    private static double TopicOdds(double[] change, double[] odds, TextSide neutral)
    {
        double before = 0;
        double more = 0;
        foreach ((int v, double p) in neutral.Likely.Index())
        {
            before += odds[v] > 1 ? p : 0;
            more += odds[v] > 1 ? change[v] : 0;
        }

        return before > 0 ? Math.Log(Math.Max(before + more, 1e-3 * before) / before) : 0;
    }

    private static double SignedRoot(double value) => Math.Sign(value) * Math.Sqrt(Math.Abs(value));

    /// <summary>Correlation over tokens, each weighted by how likely it is in either kind of text.</summary>
    private double? LensAgreement(double[] direction, double[] odds, TextSide topic, TextSide neutral)
    {
        if (direction.Length != _decoder.Spec.DModel)
        {
            return null;
        }

        float[] logits = new float[_decoder.Spec.Vocabulary];
        float[] x = [.. direction.Select(value => (float)value)];
        MatrixKernel.Run(_decoder.Pool, _decoder.Weights.Unembedding, [], x, logits, 1);
        double[] weights = [.. topic.Likely.Zip(neutral.Likely, (a, b) => (a + b) / 2)];
        double total = weights.Sum();
        double meanA = 0;
        double meanB = 0;
        for (int v = 0; v < weights.Length; v++)
        {
            meanA += weights[v] * logits[v] / total;
            meanB += weights[v] * odds[v] / total;
        }

        double both = 0;
        double a = 0;
        double b = 0;
        for (int v = 0; v < weights.Length; v++)
        {
            both += weights[v] * (logits[v] - meanA) * (odds[v] - meanB);
            a += weights[v] * (logits[v] - meanA) * (logits[v] - meanA);
            b += weights[v] * (odds[v] - meanB) * (odds[v] - meanB);
        }

        return a > 0 && b > 0 ? both / Math.Sqrt(a * b) : null;
    }

    private int[][] Windows(IEnumerable<string> texts) =>
    [
        .. texts.Select(text => _tokenizer.Encode(text).Take(WindowTokens).ToArray()).Where(ids => ids.Length > 1),
    ];

    private TextSide Read(
        int[][] windows, IReadOnlyList<SteeringPlan> plans, bool distributions, CancellationToken cancellation)
    {
        var side = new TextSide(_decoder, _prefix.Length, plans, distributions);
        foreach (int[] window in windows)
        {
            int[] ids = [.. _prefix, .. window];
            int together = Math.Max(1, (_run.MaxRows / ids.Length) - 1);
            for (int first = 0; first < plans.Count; first += together)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(together, plans.Count - first);
                side.Begin(ids, first, count);
                Forward(ids, [null, .. plans.Skip(first).Take(count)], side);
                side.End(_run);
            }
        }

        return side;
    }

    /// <summary>One text unsteered and under plans, side by side.</summary>
    private void Forward(int[] ids, SteeringPlan?[] plans, TextSide side)
    {
        while (_caches.Count < plans.Length)
        {
            _caches.Add(_decoder.CreateCache(_prefix.Length + WindowTokens));
        }

        var blocks = new SequenceBlock[plans.Length];
        for (int i = 0; i < plans.Length; i++)
        {
            _caches[i].Truncate(0);
            blocks[i] = new SequenceBlock(_caches[i], ids);
        }

        HookSet hooks = new HookSet().Add(plans[1]!.Edits[0].Point, side.Before);
        hooks.Add(_steering.HooksFor([.. plans.Select(plan => new SteeredSequence(ids.Length, plan))]));
        hooks.Add(plans[1]!.Edits[0].Point, side.After);
        _run.Forward(blocks, hooks, LogitRows.All);
    }
}
