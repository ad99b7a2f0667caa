using LayerSteer.Formats;

namespace LayerSteer.Autoencoders;

/// <summary>What an autoencoder made of an array of inputs.</summary>
/// <param name="Rows">The number of inputs.</param>
/// <param name="MeanL0">The mean number of active latents of an input.</param>
/// <param name="MostL0">The largest number of active latents of an input.</param>
/// <param name="Fvu">
/// The squared error over the variance about the mean input; NaN where the inputs do not vary, as one alone.
/// </param>
public readonly record struct SaeApplicationSummary(int Rows, double MeanL0, int MostL0, double Fvu);

/// <summary>
/// Applies an autoencoder to an array of inputs, as its own software does, and writes what it computes, dense:
/// <code>
/// pre_act [n, dSae]   what the encoder in the file gives, before its activation, and before it is rescaled by norms of
///                     the decoder where the file says so; of a gated one, what its magnitudes are before ReLU
/// latents [n, dSae]   after the activation
/// recon   [n, dIn]    decoded, in the scale of the inputs
/// </code>
/// </summary>
public static class SaeApplication
{
    /// <summary>The most bytes of pre-activations, and of latents, that are written.</summary>
    public const long MostBytes = 1L << 32;

    private const int BlockFloats = 1 << 22;

    /// <summary>Applies it and writes three float32 arrays.</summary>
    /// <param name="autoencoder">The autoencoder.</param>
    /// <param name="inputs">[n, dIn], or one input, [dIn]; F16, BF16, F32 or F64.</param>
    /// <param name="writer">Receives the arrays; the caller completes it.</param>
    /// <param name="cancellation">Checked at every block of rows.</param>
    /// <returns>Figures of what was written.</returns>
    /// <exception cref="InvalidDataException">
    /// The inputs have another width, are none, or hold what is not finite.
    /// </exception>
    /// <exception cref="NotSupportedException">The arrays would be larger than <see cref="MostBytes"/>.</exception>
    public static SaeApplicationSummary Write(
        SparseAutoencoder autoencoder,
        StoredTensor inputs,
        TensorWriter writer,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(writer);
        int rows = RowsOf(autoencoder, inputs);
        var read = FiniteReader.Of(inputs);
        int block = Math.Clamp(BlockFloats / autoencoder.DSae, 1, Math.Min(rows, 64));
        writer.Begin("pre_act", TensorType.F32, [rows, autoencoder.DSae]);
        float[] x = new float[block * autoencoder.DIn];
        float[] dense = new float[block * autoencoder.DSae];
        var scales = new InputScale[block];
        for (int row = 0; row < rows; row += block)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(block, rows - row);
            read((long)row * autoencoder.DIn, x.AsSpan(0, count * autoencoder.DIn));
            autoencoder.PreActivations(x, count, dense, scales);
            Span<float> values = dense.AsSpan(0, count * autoencoder.DSae);
            Unscale(values, autoencoder.PreActivationScales.Span);
            writer.Append<float>(values);
        }

        writer.Begin("latents", TensorType.F32, [rows, autoencoder.DSae]);
        var meter = new ReconstructionMeter(autoencoder.DIn);
        int most = 0;
        var reconstructions = new List<float[]>();
        EncodedRows encoded = autoencoder.CreateRows(block);
        var latents = new SparseLatents();
        for (int row = 0; row < rows; row += block)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(block, rows - row);
            read((long)row * autoencoder.DIn, x.AsSpan(0, count * autoencoder.DIn));
            autoencoder.Encode(x, count, encoded);
            float[] decoded = new float[count * autoencoder.DIn];
            for (int i = 0; i < count; i++)
            {
                encoded.Activate(i, latents);
                latents.CopyTo(dense.AsSpan(i * autoencoder.DSae, autoencoder.DSae));
                Span<float> one = decoded.AsSpan(i * autoencoder.DIn, autoencoder.DIn);
                autoencoder.Decode(latents, encoded.Scales[i], one);
                meter.Add(x.AsSpan(i * autoencoder.DIn, autoencoder.DIn), one, latents.Count);
                most = Math.Max(most, latents.Count);
            }

            writer.Append<float>(dense.AsSpan(0, count * autoencoder.DSae));
            reconstructions.Add(decoded);
        }

        writer.Begin("recon", TensorType.F32, [rows, autoencoder.DIn]);
        foreach (float[] decoded in reconstructions)
        {
            writer.Append<float>(decoded);
        }

        ReconstructionQuality quality = meter.Quality;
        return new SaeApplicationSummary(rows, quality.L0, most, quality.Fvu);
    }

    private static int RowsOf(SparseAutoencoder autoencoder, StoredTensor inputs)
    {
        bool isRow = inputs.Shape.Count == 1;
        if (inputs.Shape.Count is not (1 or 2) || inputs.Shape[^1] != autoencoder.DIn)
        {
            throw new InvalidDataException(
                $"'{inputs.File}': the array is {Display.Shape([.. inputs.Shape])}, expected [rows, {autoencoder.DIn}] "
                + $"or [{autoencoder.DIn}]: the autoencoder '{autoencoder.Path}' has inputs of width {autoencoder.DIn}");
        }

        long rows = isRow ? 1 : inputs.Shape[0];
        if (rows == 0)
        {
            throw new InvalidDataException($"'{inputs.File}': the array has no rows, expected at least one");
        }

        const double Gigabyte = 1L << 30;
        double bytes = (double)rows * autoencoder.DSae * sizeof(float);
        return bytes <= MostBytes
            ? (int)rows
            : throw new NotSupportedException(FormattableString.Invariant(
                $"'{inputs.File}': {rows} rows of {autoencoder.DSae} latents take {bytes / Gigabyte:F1} GiB of ")
                + FormattableString.Invariant($"pre-activations and as many of latents; at most {MostBytes / Gigabyte} ")
                + $"GiB each are written, which is {MostBytes / sizeof(float) / autoencoder.DSae} rows");
    }

    /// <summary>Back to what the encoder in the file gives.</summary>
    private static void Unscale(Span<float> preActivations, ReadOnlySpan<float> scales)
    {
        if (scales.IsEmpty)
        {
            return;
        }

        for (int i = 0; i < preActivations.Length; i++)
        {
            preActivations[i] /= scales[i % scales.Length];
        }
    }
}
