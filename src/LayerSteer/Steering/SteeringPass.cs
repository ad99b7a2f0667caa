using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>
/// The edits of sequences as hooks of passes, with their working memory: one set for each autoencoder that it has met.
/// Not thread-safe: one for each <see cref="DecoderRun"/>. In steady state the hooks allocate nothing.
/// </summary>
public sealed class SteeringPass
{
    private readonly Dictionary<SparseAutoencoder, EditScratch> _scratch = [];

    /// <summary>
    /// The hooks of passes over sequences, each of which has its own plan; rows of a sequence without edits are not
    /// touched. An edit cannot lie within the layers that a pass runs once for several sequences
    /// (<see cref="SteeringPlan.LayersBeforeEdits"/>); such a pass fails with an <see cref="ArgumentException"/>.
    /// </summary>
    /// <param name="sequences">The sequences, in the order of their blocks.</param>
    /// <returns>
    /// The hooks to pass to <see cref="DecoderRun.Forward"/>; null if nothing is edited, so that nothing can differ.
    /// </returns>
    public HookSet? HooksFor(IReadOnlyList<SteeredSequence> sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        SteeredSequence[] all = [.. sequences];
        var sites = new Dictionary<SteeringSite, LayerEdit?[]>();
        for (int i = 0; i < all.Length; i++)
        {
            foreach (LayerEdit edit in all[i].Plan is { Options.IsIdentity: false } plan ? plan.Edits : [])
            {
                var site = new SteeringSite(edit.Point, edit.Autoencoder);
                if (!sites.TryGetValue(site, out LayerEdit?[]? edits))
                {
                    sites.Add(site, edits = new LayerEdit?[all.Length]);
                }

                edits[i] = edit;
            }
        }

        if (sites.Count == 0)
        {
            return null;
        }

        var hooks = new HookSet();
        foreach ((SteeringSite site, LayerEdit?[] edits) in sites)
        {
            if (!_scratch.TryGetValue(site.Autoencoder, out EditScratch? scratch))
            {
                _scratch.Add(site.Autoencoder, scratch = new EditScratch(site.Autoencoder));
            }

            hooks.Add(site.Point, new SiteEdits(site, all, edits, scratch).Apply);
        }

        return hooks;
    }
}
