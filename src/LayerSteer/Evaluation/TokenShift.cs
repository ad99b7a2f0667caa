using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;

namespace LayerSteer.Evaluation;

/// <summary>What edits, or another model, did to the distribution that a token was drawn from.</summary>
/// <param name="Token">The token.</param>
/// <param name="Divergence">KL(p_arm ‖ p_unsteered) of that distribution, in nats.</param>
/// <param name="Probability">The token's probability by what wrote it.</param>
/// <param name="Unsteered">The same by the unsteered model, given the same tokens before it.</param>
/// <param name="Moves">
/// The latents that the edits moved most at the position that the distribution is of, that of the token before: z' − z,
/// the farthest first; of equal ones the lower first. Empty without edits there.
/// </param>
public sealed record TokenShift(
    int Token, double Divergence, double Probability, double Unsteered, IReadOnlyList<LatentMove> Moves);

/// <summary>
/// How far edits moved the distribution of each token of a text:
/// <code>
/// shift_t = Σ_v q(v | prompt, x_&lt;t) (log q(v | …) − log p(v | bare, x_&lt;t))
/// </code>
/// q with the edits, p the unsteered model's; two passes over the whole text, log-softmax in double. Where nothing
/// differs, the shift is exactly 0.
/// </summary>
public static class TokenShifts
{
    /// <summary>Measures every token of a continuation.</summary>
    /// <param name="decoder">The unsteered model.</param>
    /// <param name="continuation">The continuation; prompt and continuation fit the context.</param>
    /// <param name="writer">The model that wrote it, if not the unsteered one itself; of the same vocabulary.</param>
    /// <param name="moves">How many latents of each position to give at most.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>One a token of the continuation.</returns>
    /// <exception cref="ArgumentException">The writer has another vocabulary.</exception>
    public static IReadOnlyList<TokenShift> Of(
        Decoder decoder,
        MeasuredContinuation continuation,
        Decoder? writer = null,
        int moves = 5,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(continuation);
        Decoder other = writer ?? decoder;
        if (other.Spec.Vocabulary != decoder.Spec.Vocabulary)
        {
            throw new ArgumentException(
                $"the writer has {other.Spec.Vocabulary} tokens, the unsteered model {decoder.Spec.Vocabulary}");
        }

        int[] ids = continuation.Ids;
        SteeringPlan? plan = continuation.Plan is { Options.IsIdentity: false } edits ? edits : null;
        bool same = plan is null && ReferenceEquals(other, decoder)
            && continuation.PromptIds.AsSpan().SequenceEqual(continuation.BareIds);
        float[][] unsteered = Logits(decoder, continuation.BareIds, ids, null);
        if (same)
        {
            return [.. ids.Select((id, t) => Alike(id, unsteered[t]))];
        }

        cancellation.ThrowIfCancellationRequested();
        var sequence = new SteeredSequence(continuation.PromptIds.Length, plan);
        var found = new List<LatentMove>[ids.Length];
        var hooks = new HookSet();
        foreach (LayerEdit edit in plan?.Edits ?? [])
        {
            var scratch = new EditScratch(edit.Autoencoder);
            hooks.Add(edit.Point, rows => Look(edit, rows, sequence, scratch, found));
        }

        // Behind the hooks that look, so that they see what the edits find.
        hooks.Add(new SteeringPass().HooksFor([sequence]));
        float[][] own = Logits(other, continuation.PromptIds, ids, hooks);
        return
        [
            .. ids.Select((id, t) => new TokenShift(
                id,
                ContinuationFitter.Divergence(own[t], unsteered[t]) + LogLikelihood.LogSum(unsteered[t]),
                Math.Exp(LogLikelihood.LogProbability(own[t], id)),
                Math.Exp(LogLikelihood.LogProbability(unsteered[t], id)),
                [
                    .. (found[t] ?? []).OrderByDescending(move => Math.Abs(move.Mean)).ThenBy(move => move.Latent)
                        .Take(moves),
                ])),
        ];
    }

    private static TokenShift Alike(int id, float[] logits)
    {
        double probability = Math.Exp(LogLikelihood.LogProbability(logits, id));
        return new TokenShift(id, 0, probability, probability, []);
    }

    /// <summary>[tokens][vocabulary]: the logits that each token of a continuation was drawn from.</summary>
    private static float[][] Logits(Decoder decoder, int[] prompt, int[] ids, HookSet? hooks)
    {
        using DecoderRun run = decoder.CreateRun(ContinuationFitter.RowsFor(decoder));
        int first = ContinuationFitter.Forward(decoder, run, [(prompt, ids)], hooks)[0];
        return [.. Enumerable.Range(first, ids.Length).Select(row => run.Logits(row).ToArray())];
    }

    private static void Look(
        LayerEdit edit, HookRows rows, SteeredSequence sequence, EditScratch scratch, List<LatentMove>[] found)
    {
        for (int row = 0; row < rows.Count; row++)
        {
            int t = rows.Positions[row] - sequence.PromptLength + 1;
            if (t < 0 || !sequence.IsEditedAt(rows.Positions[row], rows.Tokens[row]))
            {
                continue;
            }

            SparseLatents change = edit.ChangeAt(
                rows[row], sequence.GeneratedAt(rows.Positions[row]), scratch);
            found[t] ??= [];
            for (int i = 0; i < change.Count; i++)
            {
                if (change.Values[i] != 0f)
                {
                    found[t].Add(new LatentMove(edit.Point, change.Indices[i], change.Values[i]));
                }
            }
        }
    }
}
