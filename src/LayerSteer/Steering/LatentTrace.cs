using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>What one latent does along a text.</summary>
public static class LatentTrace
{
    /// <summary>The activation of a latent at every position; no layer after the hook point is run.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="site">The autoencoder and where it sits.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="ids">The tokens, BOS among them if there is to be one; at most the context length.</param>
    /// <returns>[ids]: z of the latent, 0 where it is not active.</returns>
    /// <exception cref="ArgumentException">The autoencoder does not fit, or an id is unknown.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public static float[] Of(Decoder decoder, SteeringSite site, int latent, ReadOnlyMemory<int> ids)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        (HookPoint point, SparseAutoencoder autoencoder) = site;
        autoencoder.RequireFits(decoder.Spec, point);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)latent, (uint)autoencoder.DSae, nameof(latent));
        float[] activations = new float[ids.Length];
        var latents = new SparseLatents();
        EncodedRows? encoded = null;
        HookSet hooks = new HookSet().Add(point, rows =>
        {
            encoded ??= autoencoder.CreateRows(rows.Count);
            autoencoder.Encode(rows.Values, rows.Count, encoded);
            for (int row = 0; row < rows.Count; row++)
            {
                encoded.Activate(row, latents);
                int at = latents.Indices.IndexOf(latent);
                activations[rows.Positions[row]] = at < 0 ? 0f : latents.Values[at];
            }
        });
        using KvCache cache = decoder.CreateCache(ids.Length, point.Layer);
        using DecoderRun run = decoder.CreateRun(ids.Length);
        run.Forward([new SequenceBlock(cache, ids)], hooks, LogitRows.None);
        return activations;
    }
}
