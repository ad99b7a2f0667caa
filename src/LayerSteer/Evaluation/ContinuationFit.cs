using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>A continuation to measure.</summary>
/// <param name="PromptIds">The ids that the model saw when it wrote it, BOS and any hint included.</param>
/// <param name="BareIds">The ids that it is judged after: BOS and the prompt alone.</param>
/// <param name="Ids">The ids of the continuation, at least one.</param>
/// <param name="Plan">The edits under which it was written; null for none.</param>
public sealed record MeasuredContinuation(int[] PromptIds, int[] BareIds, int[] Ids, SteeringPlan? Plan);

/// <summary>How a continuation fits the unsteered model.</summary>
/// <param name="NegativeLogLikelihood">
/// −mean log p(token | prompt, tokens before) under the unsteered model, nats a token; its exponential is the
/// perplexity.
/// </param>
/// <param name="Divergence">
/// Mean KL(p_arm ‖ p_unsteered) over the positions of the continuation, nats a token; 0 where nothing was changed.
/// </param>
public readonly record struct ContinuationFit(double NegativeLogLikelihood, double Divergence);

/// <summary>
/// Reads continuations back through the unsteered model, and through what wrote them:
/// <code>
/// NLL = −1/T Σ_t log p(x_t | bare, x_&lt;t)
/// KL  =  1/T Σ_t Σ_v q(v | prompt, x_&lt;t) (log q(v | …) − log p(v | bare, x_&lt;t)),   q with the edits
/// </code>
/// Log-softmax in double. Not thread-safe.
/// </summary>
public sealed class ContinuationFitter : IDisposable
{
    private readonly Decoder _decoder;
    private readonly DecoderRun _unsteered;
    private readonly SteeringPass _steering = new();

    /// <summary>Makes a fitter for the unsteered model, which it does not own.</summary>
    public ContinuationFitter(Decoder decoder)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        _decoder = decoder;
        _unsteered = decoder.CreateRun(RowsFor(decoder));
    }

    /// <summary>Measures continuations.</summary>
    /// <param name="continuations">The continuations; prompt and continuation fit the context.</param>
    /// <param name="writer">
    /// The model that wrote them, if not the unsteered one itself; of the same vocabulary.
    /// </param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>One a continuation.</returns>
    public IReadOnlyList<ContinuationFit> Measure(
        IReadOnlyList<MeasuredContinuation> continuations,
        Decoder? writer = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(continuations);
        Decoder other = writer ?? _decoder;
        if (other.Spec.Vocabulary != _decoder.Spec.Vocabulary)
        {
            throw new ArgumentException(
                $"the writer has {other.Spec.Vocabulary} tokens, the unsteered model {_decoder.Spec.Vocabulary}");
        }

        using DecoderRun? writing = ReferenceEquals(other, _decoder) ? null : other.CreateRun(RowsFor(other));
        var fits = new List<ContinuationFit>();
        for (int first = 0; first < continuations.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            int end = first;
            int rows = 0;
            while (end < continuations.Count
                && (end == first || rows + RowsOf(continuations[end]) <= DecoderRun.DefaultRows))
            {
                rows += RowsOf(continuations[end++]);
            }

            fits.AddRange(
                MeasureGroup([.. continuations.Skip(first).Take(end - first)], other, writing ?? _unsteered));
            first = end;
        }

        return fits;
    }

    /// <inheritdoc/>
    public void Dispose() => _unsteered.Dispose();

    /// <summary>A sequence must fit into one pass whole.</summary>
    internal static int RowsFor(Decoder decoder) => Math.Max(DecoderRun.DefaultRows, decoder.Spec.ContextLength);

    private static int RowsOf(MeasuredContinuation c) =>
        Math.Max(c.PromptIds.Length, c.BareIds.Length) + c.Ids.Length - 1;

    private ContinuationFit[] MeasureGroup(MeasuredContinuation[] group, Decoder other, DecoderRun writing)
    {
        int[] changed =
        [
            .. Enumerable.Range(0, group.Length).Where(i => !ReferenceEquals(writing, _unsteered)
                || group[i].Plan is { Options.IsIdentity: false }
                || !group[i].PromptIds.AsSpan().SequenceEqual(group[i].BareIds)),
        ];
        var own = new float[group.Length][][];
        if (changed.Length > 0)
        {
            MeasuredContinuation[] written = [.. changed.Select(i => group[i])];
            HookSet? hooks = _steering.HooksFor(
                [.. written.Select(c => new SteeredSequence(c.PromptIds.Length, c.Plan))]);
            int[] rows = Forward(other, writing, [.. written.Select(c => (c.PromptIds, c.Ids))], hooks);
            for (int i = 0; i < written.Length; i++)
            {
                own[changed[i]] =
                    [.. Enumerable.Range(rows[i], written[i].Ids.Length).Select(row => writing.Logits(row).ToArray())];
            }
        }

        int[] first = Forward(_decoder, _unsteered, [.. group.Select(c => (c.BareIds, c.Ids))], null);
        return [.. group.Select((c, i) => Fit(c.Ids, first[i], own[i]))];
    }

    /// <summary>Compares the rows of the last unsteered pass with those of the writer.</summary>
    private ContinuationFit Fit(int[] ids, int first, float[][]? own)
    {
        double[] surprise = new double[ids.Length];
        double[] divergence = new double[ids.Length];
        Parallel.For(
            0, ids.Length, new ParallelOptions { MaxDegreeOfParallelism = _decoder.Pool.Threads }, t =>
            {
                ReadOnlySpan<float> unsteered = _unsteered.Logits(first + t);
                double log = LogLikelihood.LogSum(unsteered);
                surprise[t] = log - unsteered[ids[t]];
                divergence[t] = own is null ? 0 : Divergence(own[t], unsteered) + log;
            });
        return new ContinuationFit(surprise.Sum() / ids.Length, divergence.Sum() / ids.Length);
    }

    /// <summary>Σ q (a − b) − log Σ exp a with q = softmax(a): the divergence, but for log Σ exp b.</summary>
    internal static double Divergence(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double largest = LogLikelihood.Largest(a);
        double sum = 0;
        double weighted = 0;
        for (int v = 0; v < a.Length; v++)
        {
            double weight = Math.Exp(a[v] - largest);
            sum += weight;
            weighted += weight * ((double)a[v] - b[v]);
        }

        return (weighted / sum) - (largest + Math.Log(sum));
    }

    /// <summary>
    /// One pass over sequences of prompt and continuation; returns the row of logits of each one's first new token.
    /// </summary>
    internal static int[] Forward(
        Decoder decoder, DecoderRun run, (int[] Prompt, int[] Ids)[] sequences, HookSet? hooks)
    {
        var caches = new List<KvCache>();
        try
        {
            var blocks = new SequenceBlock[sequences.Length];
            int[] first = new int[sequences.Length];
            int row = 0;
            for (int i = 0; i < sequences.Length; i++)
            {
                int[] all = [.. sequences[i].Prompt, .. sequences[i].Ids[..^1]];
                caches.Add(decoder.CreateCache(all.Length));
                blocks[i] = new SequenceBlock(caches[i], all);
                first[i] = row + sequences[i].Prompt.Length - 1;
                row += all.Length;
            }

            run.Forward(blocks, hooks, LogitRows.All);
            return first;
        }
        finally
        {
            caches.ForEach(cache => cache.Dispose());
        }
    }
}
