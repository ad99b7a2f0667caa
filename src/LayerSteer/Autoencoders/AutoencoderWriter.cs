using LayerSteer.Formats;
using LayerSteer.Numerics;

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
    /// <exception cref="NotSupportedException">The layout cannot say what it is, or it is a gated one.</exception>
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
        string text = SaeLensConfigText.Of(config, type);
        Directory.CreateDirectory(folder);
        Write(
            Path.Combine(folder, SaeLensAutoencoder.WeightsName),
            config,
            tensors,
            type,
            new Dictionary<string, string>(provenance ?? Nothing));
        AtomicFile.WriteAllText(Path.Combine(folder, SaeLensAutoencoder.ConfigName), text);
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
            [SaeLensAutoencoder.ConfigEntry] = SaeLensConfigText.Of(config, type),
        });
    }

    /// <summary>
    /// Writes an autoencoder of any format in one of the two layouts, where it can say what it is: what is loaded from
    /// it has the bits of what is loaded from the source, if they are stored as F32.
    /// </summary>
    /// <param name="source">A file or folder that <see cref="SparseAutoencoder.Load"/> loads.</param>
    /// <param name="target">
    /// A folder, made if it is not there, for SAELens' layout; or a name that ends in .safetensors for our single file.
    /// </param>
    /// <param name="type">F32 or BF16: how the weights are stored.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="InvalidDataException">The source is damaged or of no known format.</exception>
    /// <exception cref="NotSupportedException">The layout cannot say what the source is.</exception>
    /// <exception cref="IOException">A file cannot be read or written; one of that name stays as it was.</exception>
    public static AutoencoderConfig Convert(string source, string target, TensorType type = TensorType.F32)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        RequireStored(type);
        using AutoencoderFile file = SaeFormats.Open(source);
        string text = TextOf(file, type);
        bool isFile = target.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (!isFile)
        {
            Directory.CreateDirectory(target);
        }

        var metadata = new Dictionary<string, string>
        {
            ["layersteer.converted_from"] = SaeFormats.NameOf(file.Format),
        };
        if (isFile)
        {
            metadata[SaeLensAutoencoder.ConfigEntry] = text;
        }

        Write(isFile ? target : Path.Combine(target, SaeLensAutoencoder.WeightsName), file, type, metadata);
        if (!isFile)
        {
            AtomicFile.WriteAllText(Path.Combine(target, SaeLensAutoencoder.ConfigName), text);
        }

        return file.Config;
    }

    private static Dictionary<string, string> Nothing => [];

    private static void Check(AutoencoderConfig config, AutoencoderTensors tensors, TensorType type)
    {
        ArgumentNullException.ThrowIfNull(config);
        RequireStored(type);
        if (config.IsGated)
        {
            throw new NotSupportedException("a gated autoencoder is written from its own files alone");
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

    private static void RequireStored(TensorType type)
    {
        if (type is not (TensorType.F32 or TensorType.BF16))
        {
            throw new ArgumentException($"weights are stored as F32 or BF16, not as {type}", nameof(type));
        }
    }

    /// <summary>The text of cfg.json; a refusal names the file.</summary>
    private static string TextOf(AutoencoderFile file, TensorType type)
    {
        try
        {
            return SaeLensConfigText.Of(file.Config, type);
        }
        catch (NotSupportedException e)
        {
            throw new NotSupportedException($"'{file.Path}': {e.Message}", e);
        }
    }

    private static void Write(
        string path,
        AutoencoderConfig config,
        AutoencoderTensors tensors,
        TensorType type,
        Dictionary<string, string> metadata)
    {
        using SafetensorsWriter writer = Begin(path, metadata);
        (int dIn, int dSae) = (config.DIn, config.DSae);
        using (var rows = new NativeBuffer((long)dSae * dIn))
        {
            tensors.Encoder.CopyTo(rows.Span(0, tensors.Encoder.Length));
            WriteColumns(writer, type, rows, dIn, dSae);
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

    private static void Write(
        string path, AutoencoderFile file, TensorType type, Dictionary<string, string> metadata)
    {
        using SafetensorsWriter writer = Begin(path, metadata);
        (int dIn, int dSae) = (file.Config.DIn, file.Config.DSae);

        // What the layout has a setting for stays as it is stored; what it has none for is folded in.
        float[] norms = file.BringsDecoderToNorm1 ? file.Norms() : [];
        using (var rows = new NativeBuffer((long)dSae * dIn))
        {
            for (int row = 0; row < dSae; row++)
            {
                long start = (long)row * dIn;
                file.Encoder.Read(start, rows.Span(start, dIn));
                file.Multiply(start, rows.Span(start, dIn), norms);
            }

            WriteColumns(writer, type, rows, dIn, dSae);
        }

        writer.Begin("W_dec", type, [dSae, dIn]);
        float[] decoded = new float[dIn];
        for (int row = 0; row < dSae; row++)
        {
            file.ReadDecoderRow(row, norms, decoded);
            writer.AppendFloats(decoded);
        }

        float[] bias = norms.Length == 0
            ? file.EncoderBias
            : [.. file.EncoderBias.Zip(norms, (value, norm) => value * norm)];
        writer.AddFloats(file.Config.IsGated ? "b_mag" : "b_enc", type, [dSae], bias);
        writer.AddFloats("b_dec", type, [dIn], file.DecoderBias);
        if (file.Config.IsGated)
        {
            writer.AddFloats("b_gate", type, [dSae], file.GateBias);
            writer.AddFloats("r_mag", type, [dSae], file.GateLogScale);
        }
        else if (file.Thresholds.Length > 0)
        {
            writer.AddFloats("threshold", type, [dSae], file.Thresholds);
        }

        writer.Complete();
    }

    private static SafetensorsWriter Begin(string path, Dictionary<string, string> metadata) =>
        new(path, new Dictionary<string, string>(metadata) { ["format"] = "pt" });

    /// <summary>W_enc, [dIn, dSae], of rows of latents; in blocks of columns that the caches hold.</summary>
    private static void WriteColumns(
        SafetensorsWriter writer, TensorType type, NativeBuffer rows, int dIn, int dSae)
    {
        const int Block = 16;
        writer.Begin("W_enc", type, [dIn, dSae]);
        float[][] columns = [.. Enumerable.Range(0, Math.Min(Block, dIn)).Select(_ => new float[dSae])];
        for (int i = 0; i < dIn; i += Block)
        {
            int count = Math.Min(Block, dIn - i);
            for (int latent = 0; latent < dSae; latent++)
            {
                ReadOnlySpan<float> part = rows.Span(((long)latent * dIn) + i, count);
                for (int column = 0; column < count; column++)
                {
                    columns[column][latent] = part[column];
                }
            }

            for (int column = 0; column < count; column++)
            {
                writer.AppendFloats(columns[column]);
            }
        }
    }
}
