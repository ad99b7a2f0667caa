using LayerSteer.Formats;

namespace LayerSteer.Autoencoders;

/// <summary>Writes autoencoders in the two layouts that <see cref="SaeLensAutoencoder"/> reads.</summary>
public static class AutoencoderWriter
{
    /// <summary>Writes SAELens' layout: <c>cfg.json</c> and <c>sae_weights.safetensors</c>.</summary>
    /// <param name="folder">The folder; made if it is not there.</param>
    /// <param name="config">What it is.</param>
    /// <param name="tensors">The weights.</param>
    /// <param name="type">F32 or BF16: how they are stored.</param>
    /// <param name="provenance">What else the weights' file says of itself; null for nothing.</param>
    /// <exception cref="ArgumentException">A length does not fit the configuration.</exception>
    /// <exception cref="IOException">A file cannot be written; one of that name stays as it was.</exception>
    public static void WriteFolder(
        string folder,
        AutoencoderConfig config,
        AutoencoderTensors tensors,
        TensorType type = TensorType.F32,
        IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        Check(config, tensors, type);
        Directory.CreateDirectory(folder);
        Write(Path.Combine(folder, SaeLensAutoencoder.WeightsName), config, tensors, type, provenance ?? Nothing);
        AtomicFile.WriteAllText(Path.Combine(folder, SaeLensAutoencoder.ConfigName), config.ToJson(type));
    }

    /// <summary>Writes our own layout: one file, with the text of cfg.json in its header.</summary>
    /// <param name="path">The file, which should end in .safetensors; its folder must exist.</param>
    /// <param name="config">What it is.</param>
    /// <param name="tensors">The weights.</param>
    /// <param name="type">F32 or BF16: how they are stored.</param>
    /// <param name="provenance">What else the file says of itself; null for nothing.</param>
    /// <exception cref="ArgumentException">A length does not fit the configuration.</exception>
    /// <exception cref="IOException">The file cannot be written; one of that name stays as it was.</exception>
    public static void WriteFile(
        string path,
        AutoencoderConfig config,
        AutoencoderTensors tensors,
        TensorType type = TensorType.F32,
        IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        Check(config, tensors, type);
        Write(path, config, tensors, type, new Dictionary<string, string>(provenance ?? Nothing)
        {
            [SaeLensAutoencoder.ConfigEntry] = config.ToJson(type),
        });
    }

    private static Dictionary<string, string> Nothing => [];

    private static void Check(AutoencoderConfig config, AutoencoderTensors tensors, TensorType type)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (type is not (TensorType.F32 or TensorType.BF16))
        {
            throw new ArgumentException($"weights are stored as F32 or BF16, not as {type}", nameof(type));
        }

        long matrix = (long)config.DIn * config.DSae;
        int thresholds = config.Kind == SaeActivationKind.JumpRelu ? config.DSae : 0;
        if (tensors.Encoder.Length != matrix || tensors.Decoder.Length != matrix
            || tensors.EncoderBias.Length != config.DSae || tensors.DecoderBias.Length != config.DIn
            || tensors.Thresholds.Length != thresholds)
        {
            throw new ArgumentException(
                $"the weights do not fit {config.DSae} latents of width {config.DIn} with {thresholds} thresholds");
        }
    }

    private static void Write(
        string path,
        AutoencoderConfig config,
        AutoencoderTensors tensors,
        TensorType type,
        IReadOnlyDictionary<string, string> metadata)
    {
        using var writer = new SafetensorsWriter(
            path, new Dictionary<string, string>(metadata) { ["format"] = "pt" });
        (int dIn, int dSae) = (config.DIn, config.DSae);
        writer.Begin("W_enc", type, [dIn, dSae]);
        float[] column = new float[dSae];
        for (int i = 0; i < dIn; i++)
        {
            for (int latent = 0; latent < dSae; latent++)
            {
                column[latent] = tensors.Encoder[(latent * dIn) + i];
            }

            writer.AppendFloats(column);
        }

        writer.AddFloats("W_dec", type, [dSae, dIn], tensors.Decoder);
        writer.AddFloats("b_enc", type, [dSae], tensors.EncoderBias);
        writer.AddFloats("b_dec", type, [dIn], tensors.DecoderBias);
        if (!tensors.Thresholds.IsEmpty)
        {
            writer.AddFloats("threshold", type, [dSae], tensors.Thresholds);
        }

        writer.Complete();
    }
}
