using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Steering;

/// <summary>A token with what a latent adds to its logit.</summary>
/// <param name="Token">The token id.</param>
/// <param name="Logit">W_U·d of it.</param>
public readonly record struct TokenLogit(int Token, float Logit);

/// <summary>
/// What a latent writes, read straight off the output head (nostalgebraist's logit lens, for a direction):
/// <code>logits = W_U · d      d = the decoder row of the latent, [dModel]; no norm, no bias</code>
/// Later layers are left out, so this is a hint at what the latent stands for, best for late layers.
/// </summary>
public static class LogitLens
{
    /// <summary>The tokens whose logits a latent raises most.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="autoencoder">An autoencoder of its residual stream.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="count">How many tokens to give at most.</param>
    /// <param name="vocabulary">
    /// How many ids take part, from 0: the tokenizer's, where the model has more; all of the model's if null.
    /// </param>
    /// <returns>The tokens, the largest logit first, ties to the lower id.</returns>
    /// <exception cref="ArgumentException">The autoencoder is not of the residual stream's width.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent, or a number is out of range.</exception>
    public static TokenLogit[] Top(
        Decoder decoder, SparseAutoencoder autoencoder, int latent, int count, int? vocabulary = null)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)latent, (uint)autoencoder.DSae, nameof(latent));
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int ids = vocabulary ?? decoder.Spec.Vocabulary;
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)ids, (uint)decoder.Spec.Vocabulary, nameof(vocabulary));
        if (autoencoder.DIn != decoder.Spec.DModel)
        {
            throw new ArgumentException(
                $"'{autoencoder.Path}': the autoencoder's input has width {autoencoder.DIn}, but the output head reads the "
                + $"residual stream, which has width {decoder.Spec.DModel}");
        }

        var one = new SparseLatents();
        one.Add(latent, 1f);
        float[] direction = new float[autoencoder.DIn];
        autoencoder.AddChange(one, new InputScale(0f, 1f), direction);
        float[] logits = new float[decoder.Spec.Vocabulary];
        MatrixKernel.Run(decoder.Pool, decoder.Weights.Unembedding, [], direction, logits, 1);
        int[] top = new int[Math.Min(count, ids)];
        TopK.SelectSorted(logits.AsSpan(0, ids), top);
        return [.. top.Select(token => new TokenLogit(token, logits[token]))];
    }
}
