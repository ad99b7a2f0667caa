using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>How far an edit moved a latent.</summary>
/// <param name="Point">Where the edit takes place.</param>
/// <param name="Latent">The latent.</param>
/// <param name="Mean">The mean of z' − z over the edited positions, in the autoencoder's units; not 0.</param>
public readonly record struct LatentMove(HookPoint Point, int Latent, double Mean);

/// <summary>
/// Which latents a plan moved, and how far, over a text that was generated under it:
/// <code>move_f = mean over the edited positions t of (z'_tf − z_tf)</code>
/// The ids are run once more: a pass over the whole text edits what the steps edited, to the bit.
/// </summary>
public static class LatentMoves
{
    /// <summary>Runs a text through the model under its plan.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="plan">The edits.</param>
    /// <param name="ids">
    /// The token ids that the model read, prompt first, at most the context length. The last one that was generated was
    /// not read.
    /// </param>
    /// <param name="promptLength">How many of them are the prompt, BOS included.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>
    /// Every latent with a mean that is not 0, the farthest moved first; of equal ones the earlier edit's, then the lower.
    /// </returns>
    /// <exception cref="ArgumentException">The ids do not fit the model.</exception>
    public static IReadOnlyList<LatentMove> Of(
        Decoder decoder, SteeringPlan plan, int[] ids, int promptLength, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(ids);
        if (plan.Options.IsIdentity)
        {
            return [];
        }

        var sequence = new SteeredSequence(promptLength, plan);
        var hooks = new HookSet();
        Sums[] sums = [.. plan.Edits.Select(edit => new Sums(edit))];
        foreach (Sums one in sums)
        {
            hooks.Add(one.Edit.Point, rows => one.Add(rows, sequence));
        }

        // Behind the hooks that look, so that they see what the edits find.
        hooks.Add(new SteeringPass().HooksFor([sequence]));
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(ids.Length, plan.Edits.Max(edit => edit.Point.Layer));
        run.Prefill([cache], ids, hooks, LogitRows.None, cancellation: cancellation);
        return [.. sums.SelectMany(one => one.Moves()).OrderByDescending(move => Math.Abs(move.Mean))];
    }

    /// <summary>The sums of one edit.</summary>
    private sealed class Sums(LayerEdit edit)
    {
        private readonly double[] _sums = new double[edit.Autoencoder.DSae];
        private readonly EditScratch _scratch = new(edit.Autoencoder);
        private int _positions;

        public LayerEdit Edit => edit;

        public void Add(HookRows rows, SteeredSequence sequence)
        {
            for (int row = 0; row < rows.Count; row++)
            {
                if (!sequence.IsEditedAt(rows.Positions[row], rows.Tokens[row]))
                {
                    continue;
                }

                SparseLatents change = edit.ChangeAt(
                    rows[row], sequence.GeneratedAt(rows.Positions[row]), _scratch);
                for (int i = 0; i < change.Count; i++)
                {
                    _sums[change.Indices[i]] += change.Values[i];
                }

                _positions++;
            }
        }

        public IEnumerable<LatentMove> Moves() => _sums.Index()
            .Where(sum => sum.Item != 0)
            .Select(sum => new LatentMove(edit.Point, sum.Index, sum.Item / _positions));
    }
}
