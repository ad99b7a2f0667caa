using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>The edits of the sequences of a pass at one hook point, through one autoencoder.</summary>
/// <param name="site">The hook point and the autoencoder.</param>
/// <param name="sequences">The sequences of the pass.</param>
/// <param name="edits">The edit of each, null where it has none here.</param>
/// <param name="scratch">Working memory.</param>
internal sealed class SiteEdits(
    SteeringSite site, SteeredSequence[] sequences, LayerEdit?[] edits, EditScratch scratch)
{
    /// <summary>
    /// Edits rows in place. Rows are encoded together, whatever their sequences and plans; each keeps its own bits.
    /// </summary>
    public void Apply(HookRows rows)
    {
        // Every sequence has rows in a pass, and theirs come in order.
        int present = rows.Sequences[^1] + 1;
        if (present != sequences.Length)
        {
            throw new ArgumentException(
                $"edits at {site.Point} of {sequences.Length} sequences, but the pass has rows of {present} there; "
                + "layers that sequences share must end before the first edit");
        }

        int pending = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            SteeredSequence sequence = sequences[rows.Sequences[row]];
            if (edits[rows.Sequences[row]] is not { } edit
                || !sequence.IsEditedAt(rows.Positions[row], rows.Tokens[row]))
            {
                continue;
            }

            if (!edit.Encodes)
            {
                edit.Apply(
                    rows[row],
                    0,
                    site.Autoencoder.ScaleOf(rows[row]),
                    sequence.GeneratedAt(rows.Positions[row]),
                    scratch,
                    sequence.Statistics);
                continue;
            }

            scratch.RowIndices[pending++] = row;
            if (pending == EditScratch.Rows)
            {
                EncodeAndApply(rows, pending);
                pending = 0;
            }
        }

        if (pending > 0)
        {
            EncodeAndApply(rows, pending);
        }
    }

    private void EncodeAndApply(HookRows rows, int count)
    {
        int dIn = site.Autoencoder.DIn;
        for (int i = 0; i < count; i++)
        {
            rows[scratch.RowIndices[i]].CopyTo(scratch.Inputs.AsSpan(i * dIn, dIn));
        }

        site.Autoencoder.Encode(scratch.Inputs, count, scratch.Encoded);
        for (int i = 0; i < count; i++)
        {
            int row = scratch.RowIndices[i];
            int sequence = rows.Sequences[row];
            edits[sequence]!.Apply(
                rows[row],
                i,
                scratch.Encoded.Scales[i],
                sequences[sequence].GeneratedAt(rows.Positions[row]),
                scratch,
                sequences[sequence].Statistics);
        }
    }
}
