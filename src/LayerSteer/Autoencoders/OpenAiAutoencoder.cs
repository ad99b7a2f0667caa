using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Loads the checkpoints of openai/sparse_autoencoder: one state dict with <c>pre_bias</c> [dIn], <c>latent_bias</c>
/// [dSae], <c>encoder.weight</c> [dSae, dIn], <c>decoder.weight</c> [dIn, dSae], <c>activation</c> (TopK or ReLU;
/// absent means ReLU) and <c>activation_state_dict</c>. The input is normalised exactly when the activation is TopK.
/// </summary>
public static class OpenAiAutoencoder
{
    private const int LargestDimension = 1 << 24;

    /// <summary>Loads an autoencoder from a file, or from the one checkpoint in a folder.</summary>
    /// <param name="path">A <c>.pt</c> or <c>.safetensors</c> file, or a folder that holds exactly one.</param>
    /// <param name="options">How to load it; the defaults if null.</param>
    /// <returns>The autoencoder; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, a tensor is missing, of another shape or not finite.
    /// </exception>
    /// <exception cref="NotSupportedException">The activation is not supported.</exception>
    public static SparseAutoencoder Load(string path, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        options ??= new LoadOptions();
        string filePath = Find(path);
        FileStamp stamp = FileStamp.Of(filePath);
        using TensorFile file = TensorFile.Open(filePath);
        StoredTensor encoder = file["encoder.weight"];
        if (encoder.Shape.Count != 2 || encoder.Shape.Any(n => n is < 1 or > LargestDimension))
        {
            throw new InvalidDataException(
                $"'{filePath}': tensor encoder.weight is [{string.Join(", ", encoder.Shape)}], "
                + "expected [latents, width of the input]");
        }

        int dSae = (int)encoder.Shape[0];
        int dIn = (int)encoder.Shape[1];
        StoredTensor decoder = file["decoder.weight"];
        decoder.ExpectShape(dIn, dSae);
        float[] preBias = Finite(file, "pre_bias", dIn);
        float[] latentBias = Finite(file, "latent_bias", dSae);
        SaeActivation activation = ReadActivation(file, dSae);

        var cache = new WeightCache(options, "autoencoder", [stamp]);
        var digest = new Lazy<string>(() => FileDigest.OfFile(filePath, cache.Folder));
        WeightStore? store = cache.Open(WeightType.F32, digest);
        try
        {
            var screened = new ScreenedEncoder(store, dSae, dIn, latentBias, FiniteReader.Of(encoder));
            NativeBuffer rows = store.Take(
                "decoder", (long)dSae * dIn, rows => Transpose(rows, dIn, dSae, FiniteReader.Of(decoder)));
            cache.Save(store);
            var autoencoder = new SparseAutoencoder(
                filePath,
                screened,
                rows,
                preBias,
                activation,
                normalises: activation.Kind != SaeActivationKind.Relu,
                store,
                digest,
                options.Pool ?? WorkerPool.Shared);
            store = null;
            return autoencoder;
        }
        finally
        {
            store?.Dispose();
        }
    }

    private static string Find(string path)
    {
        if (!Directory.Exists(path))
        {
            return path;
        }

        string[] files = [.. Directory.EnumerateFiles(path)
            .Where(f => Path.GetExtension(f) is ".pt" or ".safetensors").Order(StringComparer.Ordinal)];
        return files.Length == 1
            ? files[0]
            : throw new InvalidDataException(
                $"'{path}': {files.Length} files end in .pt or .safetensors, expected one; name the file");
    }

    private static SaeActivation ReadActivation(TensorFile file, int dSae)
    {
        string name = file.Values.TryGetValue("activation", out object? value) ? value as string ?? "?" : "ReLU";
        if (name == "ReLU")
        {
            return new SaeActivation(SaeActivationKind.Relu, 0);
        }

        if (name != "TopK")
        {
            throw new NotSupportedException(
                $"'{file.Path}': activation is '{Display.Name(name)}'; supported: TopK, ReLU");
        }

        long k = ReadK(file);
        if (k < 1 || k > dSae)
        {
            throw new InvalidDataException(
                $"'{file.Path}': activation_state_dict.k is {k}, expected 1 to {dSae}, the number of latents");
        }

        string post = file.Values.TryGetValue("activation_state_dict.postact_fn", out object? fn)
            ? fn as string ?? "?"
            : "ReLU";
        return post switch
        {
            "ReLU" => new SaeActivation(SaeActivationKind.TopK, (int)k),
            "Identity" => new SaeActivation(SaeActivationKind.TopKIdentity, (int)k),
            _ => throw new NotSupportedException(
                $"'{file.Path}': activation_state_dict.postact_fn is '{Display.Name(post)}'; "
                + "supported: ReLU, Identity"),
        };
    }

    /// <summary>k as a number, or as a tensor of one element.</summary>
    private static long ReadK(TensorFile file)
    {
        // A safetensors file holds its k as text, since its metadata holds nothing else.
        if (file.Values.TryGetValue("activation_state_dict.k", out object? value)
            && (value is long || value is string)
            && long.TryParse(
                Convert.ToString(value, CultureInfo.InvariantCulture),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out long k))
        {
            return k;
        }

        if (file.Tensors.TryGetValue("activation_state_dict.k", out StoredTensor? tensor) && tensor.Length == 1)
        {
            Span<long> one = stackalloc long[1];
            tensor.ReadInt64(0, one);
            return one[0];
        }

        throw new InvalidDataException(
            $"'{file.Path}': activation is TopK, but activation_state_dict has no whole number k");
    }

    private static float[] Finite(TensorFile file, string name, int length)
    {
        StoredTensor tensor = file[name];
        tensor.ExpectShape(length);
        float[] values = new float[length];
        FiniteReader.Of(tensor)(0, values);
        return values;
    }

    /// <summary>[dIn, dSae] on disk to [dSae, dIn] in memory, in blocks that the caches hold.</summary>
    internal static void Transpose(NativeBuffer rows, int dIn, int dSae, ElementReader read)
    {
        const int Block = 16;
        float[] block = new float[checked(Block * dSae)];
        for (int i = 0; i < dIn; i += Block)
        {
            int count = Math.Min(Block, dIn - i);
            read((long)i * dSae, block.AsSpan(0, count * dSae));
            for (int f = 0; f < dSae; f++)
            {
                Span<float> target = rows.Span(((long)f * dIn) + i, count);
                for (int j = 0; j < count; j++)
                {
                    target[j] = block[(j * dSae) + f];
                }
            }
        }
    }
}
