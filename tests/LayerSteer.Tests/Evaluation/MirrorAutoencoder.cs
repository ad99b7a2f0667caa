using LayerSteer.Autoencoders;
using LayerSteer.Tests.Autoencoders;

namespace LayerSteer.Tests.Evaluation;

/// <summary>
/// An autoencoder that loses nothing: latent i is the positive part of x_i, latent d + i its negative part, and both write
/// back to x_i.
/// </summary>
internal static class MirrorAutoencoder
{
    public const int Latents = 2 * TinyAutoencoder.DIn;

    public static SparseAutoencoder Load()
    {
        const int D = TinyAutoencoder.DIn;
        using var tiny = new TinyAutoencoder(SaeActivationKind.Relu);
        float[] encoder = new float[Latents * D];
        float[] decoder = new float[D * Latents];
        for (int i = 0; i < D; i++)
        {
            encoder[(i * D) + i] = 1f;
            encoder[((D + i) * D) + i] = -1f;
            decoder[(i * Latents) + i] = 1f;
            decoder[(i * Latents) + D + i] = -1f;
        }

        tiny.Tensors["encoder.weight"] = ([Latents, D], encoder);
        tiny.Tensors["decoder.weight"] = ([D, Latents], decoder);
        tiny.Tensors["pre_bias"] = ([D], new float[D]);
        tiny.Tensors["latent_bias"] = ([Latents], new float[Latents]);
        return tiny.Load();
    }
}
