using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>
/// What an edit does to text that has nothing to do with the topic: its side effects, method by method and strength by
/// strength.
/// <code>
/// KL       = mean_t KL(p₀(· | x_&lt;t) ‖ p'(· | x_&lt;t))           nats; p₀ unsteered, p' steered, both read the same text
/// ΔCE      = mean_t log p₀(x_t) − log p'(x_t)                nats; exp of it is the perplexity ratio
/// change   = mean_t ‖x'_t − x_t‖ / ‖x_t‖                     at the edited positions, as is cos(x', x)
/// overlap  = mean_t |A ∩ A'| / |A ∪ A'|                      A, A' the active latents before and after
/// mass     = Σ_t Σ_f |z'_tf − z_tf| over latents that are not the topic's best 1 % / the same over all latents
/// </code>
/// Overlap and mass are null for edits that do not go through latents. Mass is what the paper may mean by contamination:
/// its definition was not at hand.
/// </summary>
/// <param name="Tokens">How many next tokens were compared.</param>
/// <param name="Divergence">KL.</param>
/// <param name="LossChange">ΔCE.</param>
/// <param name="FirstChoiceChanged">The share of positions whose most likely token is another.</param>
/// <param name="Change">The mean relative change of x.</param>
/// <param name="Cosine">The mean cosine of x and x'.</param>
/// <param name="Overlap">The mean overlap of the active latents.</param>
/// <param name="OffTopicMass">The share of what is moved that is not the topic's.</param>
public readonly record struct InterventionFidelity(
    int Tokens,
    double Divergence,
    double LossChange,
    double FirstChoiceChanged,
    double Change,
    double Cosine,
    double? Overlap,
    double? OffTopicMass)
{
    /// <summary>The perplexity with the edit over that without.</summary>
    public double PerplexityRatio => Math.Exp(LossChange);

    /// <summary>Measures a plan on texts.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="plan">The edits.</param>
    /// <param name="texts">Token ids, each with BOS if there is to be one, two at least and within the context.</param>
    /// <param name="scores">The topic's scores, for the mass; null to leave it out.</param>
    /// <param name="cancellation">Checked between texts.</param>
    public static InterventionFidelity Measure(
        Decoder decoder,
        SteeringPlan plan,
        IReadOnlyList<int[]> texts,
        Topics.LatentScores? scores = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(texts);
        var meter = new Meter(plan, scores);
        int longest = texts.Max(ids => ids.Length);
        using DecoderRun before = decoder.CreateRun(longest);
        using DecoderRun after = decoder.CreateRun(longest);
        using KvCache cache = decoder.CreateCache(longest);
        using KvCache steeredCache = decoder.CreateCache(longest);
        var pass = new SteeringPass();
        foreach (int[] ids in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            cache.Truncate(0);
            steeredCache.Truncate(0);

            // What edits generated tokens alone is looked at where all but the first are generated.
            int promptLength = plan.Options.EffectivePositions.Kind == PositionKind.Generated ? 1 : ids.Length;
            var sequence = new SteeredSequence(promptLength, plan);
            HookSet? edits = pass.HooksFor([sequence]);
            var hooks = new HookSet();
            meter.Watch(hooks, edits, sequence);
            before.Forward([new SequenceBlock(cache, ids)], null, LogitRows.All);
            after.Forward([new SequenceBlock(steeredCache, ids)], hooks, LogitRows.All);
            for (int row = 0; row + 1 < ids.Length; row++)
            {
                meter.Compare(before.Logits(row), after.Logits(row), ids[row + 1]);
            }
        }

        return meter.Result();
    }

    /// <summary>The neutral texts of our own as a model reads them, with its BOS where it has one.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="count">How many paragraphs.</param>
    public static IReadOnlyList<int[]> NeutralIds(Decoder decoder, Text.TextTokenizer tokenizer, int count = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(tokenizer);
        int[] prefix = (decoder.Spec.BosId ?? tokenizer.BosId) is { } bos ? [bos] : [];
        return
        [
            .. NeutralText.Paragraphs.Take(count).Select(text => (int[])
                [.. prefix, .. tokenizer.Encode(text.ReplaceLineEndings(" ")).Take(decoder.Spec.ContextLength - prefix.Length)]),
        ];
    }

    private sealed class Meter(SteeringPlan plan, Topics.LatentScores? scores)
    {
        private readonly HashSet<int> _topical = scores is null ? [] : [.. scores.Top(Math.Max(1, scores.Count / 100))];
        private readonly Dictionary<LayerEdit, EditScratch> _scratch = [];
        private readonly Dictionary<HookPoint, float[]> _found = [];
        private double _divergence;
        private double _loss;
        private double _change;
        private double _cosine;
        private double _overlap;
        private double _moved;
        private double _offTopic;
        private int _overlaps;
        private int _otherFirst;
        private int _tokens;
        private int _edited;

        /// <summary>Hooks that look before and after each edit of a sequence.</summary>
        public void Watch(HookSet hooks, HookSet? edits, SteeredSequence sequence)
        {
            if (edits is null)
            {
                return;
            }

            foreach (LayerEdit edit in plan.Edits)
            {
                hooks.Add(edit.Point, rows =>
                {
                    _found[edit.Point] = rows.Values.ToArray();
                    Latents(edit, rows, sequence);
                });
            }

            hooks.Add(edits);
            foreach (LayerEdit edit in plan.Edits)
            {
                hooks.Add(edit.Point, rows => Residuals(_found[edit.Point], rows, sequence));
            }
        }

        public void Compare(ReadOnlySpan<float> before, ReadOnlySpan<float> after, int next)
        {
            double logBefore = LogLikelihood.LogSum(before);
            double logAfter = LogLikelihood.LogSum(after);
            double divergence = 0;
            int first = 0;
            int firstAfter = 0;
            for (int v = 0; v < before.Length; v++)
            {
                double p = before[v] - logBefore;
                divergence += Math.Exp(p) * (p - (after[v] - logAfter));
                first = before[v] > before[first] ? v : first;
                firstAfter = after[v] > after[firstAfter] ? v : firstAfter;
            }

            _divergence += Math.Max(0, divergence);
            _loss += before[next] - logBefore - (after[next] - logAfter);
            _otherFirst += first == firstAfter ? 0 : 1;
            _tokens++;
        }

        public InterventionFidelity Result() => new(
            _tokens,
            _divergence / _tokens,
            _loss / _tokens,
            (double)_otherFirst / _tokens,
            _edited > 0 ? _change / _edited : 0,
            _edited > 0 ? _cosine / _edited : 1,
            _overlaps > 0 ? _overlap / _overlaps : null,
            scores is not null && _moved > 0 ? _offTopic / _moved : null);

        private void Latents(LayerEdit edit, HookRows rows, SteeredSequence sequence)
        {
            if (plan.Options.Method is SteeringMethod.Project or SteeringMethod.DiffMean)
            {
                return;
            }

            if (!_scratch.TryGetValue(edit, out EditScratch? scratch))
            {
                _scratch.Add(edit, scratch = new EditScratch(edit.Autoencoder));
            }

            var z = new SparseLatents();
            var edited = new SparseLatents();
            for (int row = 0; row < rows.Count; row++)
            {
                if (!sequence.IsEditedAt(rows.Positions[row], rows.Tokens[row]))
                {
                    continue;
                }

                SparseLatents change = edit.ChangeAt(rows[row], sequence.GeneratedAt(rows.Positions[row]), scratch);
                for (int i = 0; i < change.Count; i++)
                {
                    double moved = Math.Abs(change.Values[i]);
                    _moved += moved;
                    _offTopic += _topical.Contains(change.Indices[i]) ? 0 : moved;
                }

                float[] changes = change.Values.ToArray();
                int[] latents = change.Indices.ToArray();
                var same = new SparseLatents();
                for (int i = 0; i < latents.Length; i++)
                {
                    same.Add(latents[i], changes[i]);
                }

                edit.Autoencoder.Encode(rows[row], 1, scratch.Encoded);
                scratch.Encoded.Activate(0, z);
                edited.SetSum(z, same);
                int both = Both(z.Indices, edited.Indices);
                int either = z.Count + edited.Count - both;
                _overlap += either > 0 ? (double)both / either : 1;
                _overlaps++;
            }
        }

        private void Residuals(float[] found, HookRows rows, SteeredSequence sequence)
        {
            int width = rows.Width;
            for (int row = 0; row < rows.Count; row++)
            {
                if (!sequence.IsEditedAt(rows.Positions[row], rows.Tokens[row]))
                {
                    continue;
                }

                double change = 0;
                double dot = 0;
                double squaresBefore = 0;
                double squaresAfter = 0;
                for (int i = 0; i < width; i++)
                {
                    double x = found[(row * width) + i];
                    double y = rows[row][i];
                    change += (y - x) * (y - x);
                    dot += x * y;
                    squaresBefore += x * x;
                    squaresAfter += y * y;
                }

                _change += Math.Sqrt(change / squaresBefore);
                _cosine += dot / Math.Sqrt(squaresBefore * squaresAfter);
                _edited++;
            }
        }

        private static int Both(ReadOnlySpan<int> a, ReadOnlySpan<int> b)
        {
            int count = 0;
            for (int i = 0, j = 0; i < a.Length && j < b.Length;)
            {
                count += a[i] == b[j] ? 1 : 0;
                (i, j) = (a[i] <= b[j] ? i + 1 : i, b[j] <= a[i] ? j + 1 : j);
            }

            return count;
        }
    }
}
