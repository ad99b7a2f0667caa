using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>The latents that each edit of a plan decodes, for a whole prompt at once.</summary>
public static class EditedLatents
{
    /// <summary>Runs ids through the model, unsteered at the first edit and steered before each later one.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="plan">The edits.</param>
    /// <param name="ids">The token ids, at most the context length.</param>
    /// <param name="cancellation">Checked between passes.</param>
    /// <returns>
    /// For each edit z', [tokens, dSae] row-major, of every position, whether the edit touches it or not.
    /// </returns>
    public static IReadOnlyList<(LayerEdit Edit, float[] Latents)> Of(
        Decoder decoder, SteeringPlan plan, int[] ids, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(ids);
        var hooks = new HookSet();
        float[][] latents = [.. plan.Edits.Select(edit => new float[checked(ids.Length * edit.Autoencoder.DSae)])];
        for (int i = 0; i < latents.Length; i++)
        {
            LayerEdit edit = plan.Edits[i];
            var scratch = new EditScratch(edit.Autoencoder);
            float[] target = latents[i];
            hooks.Add(edit.Point, rows =>
            {
                for (int row = 0; row < rows.Count; row++)
                {
                    edit.WriteEdited(
                        rows[row],
                        target.AsSpan(rows.Positions[row] * edit.Autoencoder.DSae, edit.Autoencoder.DSae),
                        scratch);
                }
            });
        }

        hooks.Add(new SteeringPass().HooksFor([new SteeredSequence(ids.Length, plan)]));
        using DecoderRun run = decoder.CreateRun();
        using KvCache cache = decoder.CreateCache(ids.Length);
        run.Prefill([cache], ids, hooks, LogitRows.None, cancellation: cancellation);
        return [.. plan.Edits.Select((edit, i) => (edit, latents[i]))];
    }
}
