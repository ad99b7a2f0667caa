using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// Loads the checkpoints of openai/sparse_autoencoder: one state dict with <c>pre_bias</c> [dIn], <c>latent_bias</c>
/// [dSae], <c>encoder.weight</c> [dSae, dIn], <c>decoder.weight</c> [dIn, dSae], <c>activation</c> (TopK or ReLU;
/// absent means ReLU) and <c>activation_state_dict</c>. The input is normalised exactly when the activation is TopK.
/// </summary>
public static class OpenAiAutoencoder
{
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
        using AutoencoderFile file = SaeFiles.Open(Find(path), null, Read);
        return file.Load(options);
    }

    /// <summary>Opens a checkpoint.</summary>
    internal static AutoencoderFile Read(SaeFiles files)
    {
        StoredTensor encoder = files.Weights["encoder.weight"];
        (int dIn, int dSae) = StoredMatrix.SizesOf(encoder, isColumns: false);
        StoredTensor decoder = files.Matrix("decoder.weight", isColumns: true, dIn, dSae);
        float[] preBias = files.Vector("pre_bias", dIn);
        float[] latentBias = files.Vector("latent_bias", dSae);
        SaeActivation activation = ReadActivation(files.Weights, dSae);
        return new AutoencoderFile(files, SaeFormat.OpenAi)
        {
            Config = new AutoencoderConfig
            {
                DIn = dIn,
                DSae = dSae,
                Kind = activation.Kind,
                K = activation.K,
                Normalisation = activation.Kind == SaeActivationKind.Relu
                    ? InputNormalisation.None
                    : InputNormalisation.LayerNorm,
            },
            Encoder = new StoredMatrix(encoder, isColumns: false),
            Decoder = new StoredMatrix(decoder, isColumns: true),
            EncoderBias = latentBias,
            DecoderBias = preBias,
        };
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
            // A file that lost the name of its activation would be run as ReLU, and without normalisation.
            return file.Values.ContainsKey("activation_state_dict.k")
                || file.Tensors.ContainsKey("activation_state_dict.k")
                    ? throw new InvalidDataException(
                        $"'{file.Path}': activation_state_dict has k, but activation is "
                        + $"{(value is null ? "nothing" : "'ReLU'")}; expected activation 'TopK', or no k")
                    : new SaeActivation(SaeActivationKind.Relu, 0);
        }

        if (name != "TopK")
        {
            throw new NotSupportedException(
                $"'{file.Path}': activation is '{Display.Name(name)}'; supported: TopK, ReLU");
        }

        int k = ConfigChecks.RequireK(file.Path, "activation_state_dict.k", ReadK(file), dSae);
        string post = file.Values.TryGetValue("activation_state_dict.postact_fn", out object? fn)
            ? fn as string ?? "?"
            : "ReLU";
        return post switch
        {
            "ReLU" => new SaeActivation(SaeActivationKind.TopK, k),
            "Identity" => new SaeActivation(SaeActivationKind.TopKIdentity, k),
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
}
