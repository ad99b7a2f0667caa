using LayerSteer.Formats;

namespace LayerSteer.Autoencoders;

/// <summary>
/// The file of an autoencoder's weights, open, and the one that says what they are; with the reads that every format
/// needs. Disposing closes it.
/// </summary>
internal sealed class SaeFiles : IDisposable
{
    private SaeFiles(string path, string? configPath, FileStamp stamp, TensorFile weights)
    {
        Path = path;
        ConfigPath = configPath;
        Stamp = stamp;
        Weights = weights;
    }

    /// <summary>The file of the weights, as it was named.</summary>
    public string Path { get; }

    /// <summary>The file that says what they are; null where the weights' own file says all.</summary>
    public string? ConfigPath { get; }

    /// <summary>What tells the weights' file from another, taken before it was opened.</summary>
    public FileStamp Stamp { get; }

    /// <summary>The weights.</summary>
    public TensorFile Weights { get; }

    /// <summary>Opens them and reads what they say; where that fails they are closed again.</summary>
    /// <param name="path">The weights.</param>
    /// <param name="configPath">The file that says what they are; null where the weights' own file says all.</param>
    /// <param name="read">Checks them and brings them to the one form.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="IOException">The file does not exist or cannot be opened.</exception>
    public static AutoencoderFile Open(string path, string? configPath, Func<SaeFiles, AutoencoderFile> read)
    {
        SaeFiles? files = new(path, configPath, FileStamp.Of(path), TensorFile.Open(path));
        try
        {
            AutoencoderFile file = read(files);
            files = null; // they are its own now
            return file;
        }
        finally
        {
            files?.Dispose();
        }
    }

    /// <summary>Whether there is a tensor of a name.</summary>
    public bool Has(string name) => Weights.Tensors.ContainsKey(name);

    /// <summary>A vector of finite numbers.</summary>
    /// <exception cref="InvalidDataException">It is missing, of another length, or holds something else.</exception>
    public float[] Vector(string name, int length)
    {
        StoredTensor tensor = Weights[name];
        tensor.ExpectShape(length);
        float[] values = new float[length];
        FiniteReader.Of(tensor)(0, values);
        return values;
    }

    /// <summary>A matrix of a known shape.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isColumns">Whether it holds the latents as columns.</param>
    /// <param name="dIn">The width of the input.</param>
    /// <param name="dSae">The number of latents.</param>
    /// <exception cref="InvalidDataException">It is missing, of another shape, or holds no floats.</exception>
    public StoredTensor Matrix(string name, bool isColumns, int dIn, int dSae)
    {
        StoredTensor tensor = Weights[name];
        if (isColumns)
        {
            tensor.ExpectShape(dIn, dSae);
        }
        else
        {
            tensor.ExpectShape(dSae, dIn);
        }

        return tensor;
    }

    /// <summary>A finite number: a tensor of one element of any float type.</summary>
    /// <exception cref="InvalidDataException">It is missing, has more elements, or holds something else.</exception>
    public float Scalar(string name)
    {
        StoredTensor tensor = Weights[name];
        if (tensor.Length != 1)
        {
            throw new InvalidDataException(
                $"'{Path}': tensor {name} has {tensor.Length} elements, expected one number");
        }

        float[] value = new float[1];
        FiniteReader.Of(tensor)(0, value);
        return value[0];
    }

    /// <summary>A whole number: an integer tensor of one element.</summary>
    /// <exception cref="InvalidDataException">It is missing, has more elements, or holds something else.</exception>
    public long Whole(string name)
    {
        StoredTensor tensor = Weights[name];
        if (tensor.Length != 1)
        {
            throw new InvalidDataException(
                $"'{Path}': tensor {name} has {tensor.Length} elements, expected one number");
        }

        long[] value = new long[1];
        tensor.ReadInt64(0, value);
        return value[0];
    }

    /// <summary>Refuses a tensor that the format does not use, for it might change what is computed.</summary>
    /// <param name="what">The format or architecture, for the message.</param>
    /// <param name="names">The tensors that it uses.</param>
    /// <exception cref="NotSupportedException">There is another.</exception>
    public void RefuseOthers(string what, params ReadOnlySpan<string> names)
    {
        foreach (string name in Weights.Tensors.Keys)
        {
            if (!names.Contains(name))
            {
                throw new NotSupportedException(
                    $"'{Path}': tensor {Display.Name(name)} is not supported; {what} has {string.Join(", ", names)}");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();
}
