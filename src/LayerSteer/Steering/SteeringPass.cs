using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>A sequence as the edits see it.</summary>
/// <param name="promptLength">The number of positions of its prompt, BOS included.</param>
public sealed class SteeredSequence(int promptLength)
{
    /// <summary>The number of positions of its prompt, BOS included.</summary>
    public int PromptLength { get; } = promptLength;

    /// <summary>What the edits did to it so far.</summary>
    public EditStatistics Statistics { get; } = new();
}

/// <summary>
/// The edits of a <see cref="SteeringPlan"/> as hooks of passes, with their working memory. Not thread-safe: one for
/// each <see cref="DecoderRun"/>. In steady state it allocates nothing.
/// </summary>
public sealed class SteeringPass
{
    private readonly SteeringPlan _plan;
    private IReadOnlyList<SteeredSequence> _sequences = [];

    /// <summary>Makes the hooks of a plan.</summary>
    public SteeringPass(SteeringPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        _plan = plan;
        if (plan.Options.IsIdentity)
        {
            return;
        }

        Hooks = new HookSet();
        foreach (LayerEdit edit in plan.Edits)
        {
            var scratch = new EditScratch(edit.Autoencoder);
            Hooks.Add(edit.Point, rows => Apply(edit, rows, scratch));
        }
    }

    /// <summary>
    /// The hooks to pass to <see cref="DecoderRun.Forward"/>; null if nothing is edited, so that nothing can differ.
    /// </summary>
    public HookSet? Hooks { get; }

    /// <summary>Says which sequences the next passes hold, in their order.</summary>
    public void Begin(IReadOnlyList<SteeredSequence> sequences) => _sequences = sequences;

    private void Apply(LayerEdit edit, HookRows rows, EditScratch scratch)
    {
        PositionPolicy positions = _plan.Options.EffectivePositions;
        int pending = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            SteeredSequence sequence = _sequences[rows.Sequences[row]];
            if (!positions.Includes(
                rows.Positions[row], sequence.PromptLength, _plan.SpecialTokens.Contains(rows.Tokens[row])))
            {
                continue;
            }

            scratch.RowIndices[pending++] = row;
            if (pending == EditScratch.Rows)
            {
                ApplyTo(edit, rows, scratch, pending);
                pending = 0;
            }
        }

        ApplyTo(edit, rows, scratch, pending);
    }

    private void ApplyTo(LayerEdit edit, HookRows rows, EditScratch scratch, int count)
    {
        SparseAutoencoder autoencoder = edit.Autoencoder;
        int dIn = autoencoder.DIn;
        int dSae = autoencoder.DSae;
        if (count > 0 && edit.Encodes)
        {
            for (int i = 0; i < count; i++)
            {
                rows[scratch.RowIndices[i]].CopyTo(scratch.Inputs.AsSpan(i * dIn, dIn));
            }

            autoencoder.PreActivations(scratch.Inputs, count, scratch.PreActivations, scratch.Scales);
        }
        else
        {
            for (int i = 0; i < count; i++)
            {
                scratch.Scales[i] = autoencoder.ScaleOf(rows[scratch.RowIndices[i]]);
            }
        }

        for (int i = 0; i < count; i++)
        {
            int row = scratch.RowIndices[i];
            edit.Apply(
                rows[row],
                scratch.PreActivations.AsSpan(i * dSae, dSae),
                scratch.Scales[i],
                scratch,
                _sequences[rows.Sequences[row]].Statistics);
        }
    }
}
