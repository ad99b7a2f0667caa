using LayerSteer.Autoencoders;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Models;
using Xunit;

namespace LayerSteer.Tests.Steering;

public class LogitLensTests
{
    private const int Latent = 11;

    [Fact]
    public void The_logits_are_the_output_head_times_the_decoder_row()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using var parts = new TinyAutoencoder(SaeActivationKind.TopK);
        using SparseAutoencoder autoencoder = parts.Load();
        float[] head = tiny.Tensors["wte.weight"].Values;
        float[] row = parts.DecoderRow(Latent);
        double[] logits =
        [
            .. Enumerable.Range(0, TinyModel.Vocabulary).Select(token =>
                row.Select((value, i) => (double)value * head[(token * TinyModel.DModel) + i]).Sum()),
        ];
        int[] best = [.. Enumerable.Range(0, TinyModel.Vocabulary).OrderByDescending(token => logits[token])];

        TokenLogit[] top = LogitLens.Top(decoder, autoencoder, Latent, 9);
        Assert.Equal(best[..9], top.Select(token => token.Token));
        Assert.All(top, token => Assert.Equal(logits[token.Token], token.Logit, 1e-4));
        Assert.Equal(
            best.Where(token => token < 100).Take(4),
            LogitLens.Top(decoder, autoencoder, Latent, 4, vocabulary: 100).Select(token => token.Token));
        Assert.Equal(3, LogitLens.Top(decoder, autoencoder, Latent, 5, vocabulary: 3).Length);
    }

    [Fact]
    public void An_autoencoder_of_another_width_and_a_latent_that_there_is_not_are_refused()
    {
        using var tiny = new TinyModel();
        using Decoder decoder = tiny.Load();
        using var parts = new TinyAutoencoder(SaeActivationKind.Relu);
        using SparseAutoencoder fits = parts.Load();
        Assert.Throws<ArgumentOutOfRangeException>(() => LogitLens.Top(decoder, fits, TinyAutoencoder.DSae, 5));

        const int Width = TinyModel.DMlp;
        parts.Tensors["encoder.weight"] = ([4, Width], new float[4 * Width]);
        parts.Tensors["decoder.weight"] = ([Width, 4], new float[4 * Width]);
        parts.Tensors["pre_bias"] = ([Width], new float[Width]);
        parts.Tensors["latent_bias"] = ([4], new float[4]);
        using SparseAutoencoder wide = parts.Load();
        Assert.Equal(
            $"'{wide.Path}': the autoencoder's input has width 72, but the output head reads the residual stream, which "
            + "has width 40",
            Assert.Throws<ArgumentException>(() => LogitLens.Top(decoder, wide, 0, 5)).Message);
    }
}
