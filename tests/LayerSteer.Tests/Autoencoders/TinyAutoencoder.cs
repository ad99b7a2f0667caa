using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Models;
using LayerSteer.Tests.Numerics;
using Xunit;

namespace LayerSteer.Tests.Autoencoders;

/// <summary>
/// A random autoencoder for <see cref="TinyModel"/>, in OpenAI's names. Change its parts first, then load.
/// </summary>
internal sealed class TinyAutoencoder : IDisposable
{
    public const int DIn = TinyModel.DModel;
    public const int DSae = 90;
    public const int K = 7;

    private readonly TempFolder _folder = new();

    public TinyAutoencoder(SaeActivationKind kind, ulong seed = 500)
    {
        Tensors["encoder.weight"] = ([DSae, DIn], RandomFloats.Of(seed, DSae * DIn, 0.5f));
        Tensors["decoder.weight"] = ([DIn, DSae], RandomFloats.Of(seed + 1, DIn * DSae, 0.3f));
        Tensors["pre_bias"] = ([DIn], RandomFloats.Of(seed + 2, DIn, 0.2f));
        Tensors["latent_bias"] = ([DSae], RandomFloats.Of(seed + 3, DSae, 0.2f));
        if (kind == SaeActivationKind.Relu)
        {
            return;
        }

        Values["activation"] = "TopK";
        Values["activation_state_dict.postact_fn"] = kind == SaeActivationKind.TopKIdentity ? "Identity" : "ReLU";
        Count = K;
    }

    /// <summary>Those of OpenAI's files.</summary>
    public static TheoryData<SaeActivationKind> Kinds =>
        [SaeActivationKind.Relu, SaeActivationKind.TopK, SaeActivationKind.TopKIdentity];

    public Dictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = [];

    public Dictionary<string, string> Values { get; } = [];

    /// <summary>activation_state_dict.k; null to leave it out.</summary>
    public long? Count { get; set; }

    public string Path => _folder.Path;

    public static SparseAutoencoder Create(SaeActivationKind kind, WorkerPool? pool = null)
    {
        using var tiny = new TinyAutoencoder(kind);
        return tiny.Load(pool);
    }

    /// <summary>Decoder row of a latent, [dIn].</summary>
    public float[] DecoderRow(int latent) =>
        [.. Enumerable.Range(0, DIn).Select(i => Tensors["decoder.weight"].Values[(i * DSae) + latent])];

    public SparseAutoencoder Load(WorkerPool? pool = null)
    {
        Write("autoencoder.safetensors");
        return OpenAiAutoencoder.Load(Path, new LoadOptions { Pool = pool });
    }

    public void Write(string name)
    {
        using var writer = new SafetensorsWriter(_folder.File(name), Values);
        foreach ((string tensor, (long[] shape, float[] values)) in Tensors)
        {
            writer.Add<float>(tensor, shape, values);
        }

        if (Count is { } k)
        {
            writer.Add<long>("activation_state_dict.k", [], [k]);
        }

        writer.Complete();
    }

    /// <summary>The message with which loading is refused, the folder written as DIR.</summary>
    public string Refusal<TException>() where TException : Exception
    {
        string message = Assert.Throws<TException>(() => Load().Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message.Replace(Path, "DIR", StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
