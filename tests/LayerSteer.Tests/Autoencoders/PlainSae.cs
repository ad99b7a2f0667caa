using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>An autoencoder in double, one token at a time, as the papers write it.</summary>
internal sealed class PlainSae
{
    /// <summary>Entry of W_enc: latent, input.</summary>
    public required Func<int, int, double> Encoder { get; init; }

    /// <summary>Entry of W_dec: latent, input.</summary>
    public required Func<int, int, double> Decoder { get; init; }

    public required float[] EncoderBias { get; init; }

    public required float[] DecoderBias { get; init; }

    /// <summary>Whether b_dec is taken off the input.</summary>
    public bool TakesOff { get; init; } = true;

    /// <summary>Latents of pre-activations.</summary>
    public required Func<double[], double[]> Activation { get; init; }

    public static double[] Relu(double[] a) => [.. a.Select(value => Math.Max(0, value))];

    public static Func<double[], double[]> Jump(Func<int, double> threshold) =>
        a => [.. a.Select((value, i) => value > 0 && value > threshold(i) ? value : 0)];

    public static Func<double[], double[]> TopK(int k) => a =>
    {
        int[] kept = [.. Enumerable.Range(0, a.Length).OrderByDescending(i => a[i]).Take(k)];
        return [.. a.Select((value, i) => kept.Contains(i) ? Math.Max(0, value) : 0)];
    };

    public (double[] Pre, double[] Latents, double[] Reconstruction) Apply(double[] x)
    {
        int dSae = EncoderBias.Length;
        double[] pre = [.. Enumerable.Range(0, dSae).Select(j => EncoderBias[j] + x.Select((value, i) =>
            (value - (TakesOff ? DecoderBias[i] : 0)) * Encoder(j, i)).Sum())];
        double[] latents = Activation(pre);
        return (pre, latents, [.. x.Select((_, i) =>
            DecoderBias[i] + latents.Select((z, j) => z * Decoder(j, i)).Sum())]);
    }

    /// <summary>Compares what an autoencoder writes of random inputs with this.</summary>
    public void AssertSame(SparseAutoencoder sae, double tolerance = 2e-4)
    {
        const int Rows = 9;
        float[] x = RandomFloats.Of(7, Rows * sae.DIn, 3f);
        using var folder = new TempFolder();
        using TensorFile applied = Apply(sae, x, folder);
        float[] pre = applied["pre_act"].ToFloats();
        float[] latents = applied["latents"].ToFloats();
        float[] recon = applied["recon"].ToFloats();
        Assert.Contains(latents, value => value != 0);
        for (int row = 0; row < Rows; row++)
        {
            (double[] a, double[] z, double[] y) =
                Apply([.. x.AsSpan(row * sae.DIn, sae.DIn).ToArray().Select(value => (double)value)]);
            Same(a, pre.AsSpan(row * sae.DSae, sae.DSae), tolerance, "pre_act");
            Same(z, latents.AsSpan(row * sae.DSae, sae.DSae), tolerance, "latents");
            Same(y, recon.AsSpan(row * sae.DIn, sae.DIn), tolerance, "recon");
        }
    }

    /// <summary>Writes what an autoencoder makes of inputs and opens it.</summary>
    public static TensorFile Apply(SparseAutoencoder sae, float[] x, TempFolder folder)
    {
        string inputs = folder.File($"{Guid.NewGuid():N}.npz");
        using (var writer = new NpzWriter(inputs))
        {
            writer.Add<float>("x", [x.Length / sae.DIn, sae.DIn], x);
            writer.Complete();
        }

        string outputs = folder.File($"{Guid.NewGuid():N}.npz");
        using (TensorFile file = TensorFile.Open(inputs))
        using (var writer = new NpzWriter(outputs))
        {
            SaeApplication.Write(sae, file["x"], writer, TestContext.Current.CancellationToken);
            writer.Complete();
        }

        return TensorFile.Open(outputs);
    }

    private static void Same(double[] expected, ReadOnlySpan<float> actual, double tolerance, string what) =>
        Close.To(Array.ConvertAll(expected, value => (float)value), actual, tolerance, what);
}
