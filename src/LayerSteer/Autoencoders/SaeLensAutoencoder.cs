using System.Text;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Loads autoencoders in SAELens' layout, a folder with <c>cfg.json</c> and <c>sae_weights.safetensors</c>, and our own
/// layout, one .safetensors file with the same tensors and the text of cfg.json in its header:
/// <code>W_enc [dIn, dSae], b_enc [dSae], W_dec [dSae, dIn], b_dec [dIn], threshold [dSae] of jumprelu</code>
/// </summary>
public static class SaeLensAutoencoder
{
    /// <summary>The configuration of a folder.</summary>
    public const string ConfigName = "cfg.json";

    /// <summary>The weights of a folder.</summary>
    public const string WeightsName = "sae_weights.safetensors";

    /// <summary>The header's entry that holds the text of cfg.json in our own file.</summary>
    internal const string ConfigEntry = "layersteer.sae.cfg";

    /// <summary>Whether a path is one of the two layouts.</summary>
    /// <param name="path">A file or a folder; it need not exist.</param>
    /// <exception cref="InvalidDataException">It is a .safetensors file that is damaged.</exception>
    public static bool Recognises(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path))
        {
            return File.Exists(Path.Combine(path, ConfigName));
        }

        if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) || !File.Exists(path))
        {
            return false;
        }

        if (Path.GetFileName(path) == WeightsName && File.Exists(ConfigBeside(path)))
        {
            return true;
        }

        using TensorFile file = TensorFile.Open(path);
        return file.Values.ContainsKey(ConfigEntry);
    }

    /// <summary>What the configuration says, without the weights.</summary>
    /// <param name="path">A file or a folder that <see cref="Recognises"/> accepts.</param>
    /// <exception cref="InvalidDataException">A file is missing or damaged, or a field is out of range.</exception>
    /// <exception cref="NotSupportedException">A setting is not supported; the message names it.</exception>
    public static AutoencoderConfig ReadConfig(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using TensorFile weights = TensorFile.Open(WeightsOf(path));
        return ReadConfig(path, weights);
    }

    /// <summary>Loads an autoencoder.</summary>
    /// <param name="path">A file or a folder that <see cref="Recognises"/> accepts.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <returns>The autoencoder; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// A file is missing or damaged, a field is out of range, or a tensor is missing, of another shape or not finite.
    /// </exception>
    /// <exception cref="NotSupportedException">A setting is not supported; the message names it.</exception>
    public static SparseAutoencoder Load(string path, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        options ??= new LoadOptions();
        string filePath = WeightsOf(path);
        FileStamp stamp = FileStamp.Of(filePath);
        using TensorFile file = TensorFile.Open(filePath);
        AutoencoderConfig config = ReadConfig(path, file);
        (int dIn, int dSae) = (config.DIn, config.DSae);
        StoredTensor encoder = file["W_enc"];
        StoredTensor decoder = file["W_dec"];
        encoder.ExpectShape(dIn, dSae);
        decoder.ExpectShape(dSae, dIn);
        foreach (string name in file.Tensors.Keys)
        {
            if (name is not ("W_enc" or "W_dec" or "b_enc" or "b_dec")
                && !(name == "threshold" && config.Kind == SaeActivationKind.JumpRelu))
            {
                throw new NotSupportedException(
                    $"'{filePath}': tensor {Display.Name(name)} is not supported; "
                    + "supported: W_enc, W_dec, b_enc, b_dec, and threshold of jumprelu");
            }
        }

        float[] decoderBias = Vector(file, "b_dec", dIn);
        float[] encoderBias = Vector(file, "b_enc", dSae);
        var activation = new SaeActivation(config.Kind, config.K);
        if (config.Kind == SaeActivationKind.JumpRelu)
        {
            activation = activation with { Thresholds = Vector(file, "threshold", dSae) };
        }

        var cache = new WeightCache(options, "autoencoder", [stamp]);
        var digest = new Lazy<string>(() => Digest(path, filePath, cache.Folder));
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            ScreenedEncoder screened = ReadEncoder(store, encoder, encoderBias, dIn, dSae);
            NativeBuffer rows = store.Take("decoder", (long)dSae * dIn, to => ReadRows(to, dSae, dIn, decoder));
            cache.Save(store);
            var autoencoder = new SparseAutoencoder(
                filePath,
                screened,
                rows,
                decoderBias,
                activation,
                config.Normalises,
                store,
                digest,
                options.Pool ?? WorkerPool.Shared,
                config.TakesOffBias)
            {
                HookPoint = config.HookPoint,
                Config = config,
            };
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>An autoencoder in memory, which copies the weights.</summary>
    internal static SparseAutoencoder Create(
        string name, AutoencoderConfig config, AutoencoderTensors tensors, WorkerPool pool)
    {
        (int dIn, int dSae) = (config.DIn, config.DSae);
        float[] encoder = tensors.Encoder.ToArray();
        float[] decoder = tensors.Decoder.ToArray();
        WeightStore? store = new();
        try
        {
            var screened = new ScreenedEncoder(
                store,
                dSae,
                dIn,
                tensors.EncoderBias.ToArray(),
                (start, to) => encoder.AsSpan((int)start, to.Length).CopyTo(to));
            NativeBuffer rows = store.Take(
                "decoder", (long)dSae * dIn, to => decoder.CopyTo(to.Span(0, decoder.Length)));
            var autoencoder = new SparseAutoencoder(
                name,
                screened,
                rows,
                tensors.DecoderBias.ToArray(),
                new SaeActivation(config.Kind, config.K) { Thresholds = tensors.Thresholds.ToArray() },
                config.Normalises,
                store,
                new Lazy<string>(string.Empty),
                pool,
                config.TakesOffBias)
            {
                HookPoint = config.HookPoint,
                Config = config,
            };
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    private static string WeightsOf(string path) =>
        Directory.Exists(path) ? Path.Combine(path, WeightsName) : path;

    private static string ConfigBeside(string file) =>
        Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, ConfigName);

    private static AutoencoderConfig ReadConfig(string path, TensorFile weights)
    {
        if (weights.Values.TryGetValue(ConfigEntry, out object? text) && !Directory.Exists(path))
        {
            using ConfigFile own = ConfigFile.Parse(path, Encoding.UTF8.GetBytes((string)text));
            return AutoencoderConfig.Read(own);
        }

        using ConfigFile config =
            ConfigFile.Read(Directory.Exists(path) ? Path.Combine(path, ConfigName) : ConfigBeside(path));
        return AutoencoderConfig.Read(config);
    }

    /// <summary>Of the file alone if it says all, else of both files.</summary>
    private static string Digest(string path, string filePath, string? cacheFolder)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(filePath))!;
        return Directory.Exists(path) || File.Exists(ConfigBeside(filePath))
            ? FileDigest.OfFiles(folder, [ConfigName, Path.GetFileName(filePath)], cacheFolder)
            : FileDigest.OfFile(filePath, cacheFolder);
    }

    /// <summary>[dIn, dSae] on disk to rows of latents.</summary>
    private static ScreenedEncoder ReadEncoder(
        WeightStore store, StoredTensor encoder, float[] bias, int dIn, int dSae)
    {
        // Read when a store that has it packed does not have it.
        var rows = new Lazy<NativeBuffer>(() =>
        {
            var buffer = new NativeBuffer((long)dSae * dIn);
            OpenAiAutoencoder.Transpose(buffer, dIn, dSae, FiniteReader.Of(encoder));
            return buffer;
        });
        try
        {
            return new ScreenedEncoder(
                store, dSae, dIn, bias, (start, to) => rows.Value.Span(start, to.Length).CopyTo(to));
        }
        finally
        {
            if (rows.IsValueCreated)
            {
                rows.Value.Dispose();
            }
        }
    }

    private static void ReadRows(NativeBuffer to, int rows, int width, StoredTensor tensor)
    {
        ElementReader read = FiniteReader.Of(tensor);
        for (int row = 0; row < rows; row++)
        {
            read((long)row * width, to.Span((long)row * width, width));
        }
    }

    private static float[] Vector(TensorFile file, string name, int length)
    {
        StoredTensor tensor = file[name];
        tensor.ExpectShape(length);
        float[] values = new float[length];
        FiniteReader.Of(tensor)(0, values);
        return values;
    }
}
