using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>
/// An autoencoder's files as some software writes them, made by hand: tensors by name, and a configuration. Change its
/// parts first, then write it.
/// </summary>
internal sealed class SaeFolder : IDisposable
{
    public const int DIn = 12;
    public const int DSae = 30;

    private readonly TempFolder _folder = new();

    public Dictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = [];

    /// <summary>Tensors of one whole number.</summary>
    public Dictionary<string, long> Wholes { get; } = [];

    /// <summary>Text files by their names.</summary>
    public Dictionary<string, string> Texts { get; } = [];

    public string Path { get; private set; }

    public SaeFolder() => Path = _folder.Path;

    /// <summary>A random tensor under a name.</summary>
    public SaeFolder With(string name, float scale, params long[] shape)
    {
        int length = (int)shape.Aggregate(1L, (product, size) => product * size);
        Tensors[name] = (shape, RandomFloats.Of((ulong)(100 + Tensors.Count), length, scale));
        return this;
    }

    /// <summary>A text file beside the weights.</summary>
    public SaeFolder Saying(string file, string json)
    {
        Texts[file] = json;
        return this;
    }

    /// <summary>Puts all into a folder of this name from now on.</summary>
    public SaeFolder Called(string name)
    {
        Path = System.IO.Path.Combine(_folder.Path, name);
        return this;
    }

    public float[] this[string name] => Tensors[name].Values;

    /// <summary>Writes all; the weights by the end of their name as .safetensors, .npz or .pt.</summary>
    public SaeFolder Write(string weights)
    {
        string path = System.IO.Path.Combine(Path, weights);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        foreach ((string file, string text) in Texts)
        {
            File.WriteAllText(System.IO.Path.Combine(Path, file), text);
        }

        if (weights.EndsWith(".pt", StringComparison.Ordinal))
        {
            File.WriteAllBytes(path, Torch());
            return this;
        }

        using TensorWriter writer = weights.EndsWith(".npz", StringComparison.Ordinal)
            ? new NpzWriter(path)
            : new SafetensorsWriter(path);
        foreach ((string name, (long[] shape, float[] values)) in Tensors)
        {
            writer.Add<float>(name, shape, values);
        }

        foreach ((string name, long value) in Wholes)
        {
            writer.Add<long>(name, [], [value]);
        }

        writer.Complete();
        return this;
    }

    public SparseAutoencoder Load() => SparseAutoencoder.Load(Path);

    /// <summary>The message with which loading is refused, the folder written as DIR.</summary>
    public string Refusal<TException>(string? file = null)
        where TException : Exception
    {
        string path = file is null ? Path : System.IO.Path.Combine(Path, file);
        string message = Assert.Throws<TException>(() => SparseAutoencoder.Load(path).Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(Path, "DIR", StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private byte[] Torch()
    {
        var items = new List<(string, byte[])>();
        var storages = new List<(string, byte[])>();
        foreach ((string name, (long[] shape, float[] values)) in Tensors)
        {
            string key = $"{storages.Count}";
            long[] strides = new long[shape.Length];
            long stride = 1;
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                strides[i] = stride;
                stride *= shape[i];
            }

            items.Add((name, Tensor(Storage(key, "FloatStorage", values.Length, "cuda:0"), 0, shape, strides)));
            storages.Add((key, TempFolder.Floats(values)));
        }

        foreach ((string name, long value) in Wholes)
        {
            string key = $"{storages.Count}";
            items.Add((name, Tensor(Storage(key, "LongStorage", 1), 0, [], [])));
            storages.Add((key, BitConverter.GetBytes(value)));
        }

        return Archive(Pickle(Dict([.. items])), [.. storages]);
    }
}
