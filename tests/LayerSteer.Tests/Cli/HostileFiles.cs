using System.Buffers.Binary;
using System.Text.Json.Nodes;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Golden;
using static LayerSteer.Tests.Formats.PickleBytes;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Cli;

/// <summary>Files of a reference case with something wrong in them.</summary>
internal static class HostileFiles
{
    /// <summary>A copy of the case's model folder.</summary>
    public static string CopyModel(GoldenCase golden, TempFolder folder)
    {
        string copy = folder.File($"model-{Guid.NewGuid():N}");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(golden.Model))
        {
            File.WriteAllBytes(Path.Combine(copy, Path.GetFileName(file)), File.ReadAllBytes(file));
        }

        return copy;
    }

    /// <summary>Rewrites a safetensors file: its header as JSON, and the bytes behind it.</summary>
    public static void Edit(string path, Action<JsonObject> header, Action<byte[]>? data = null)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        JsonObject json = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        byte[] tensors = bytes[(8 + length)..];
        header(json);
        data?.Invoke(tensors);
        byte[] edited = System.Text.Encoding.UTF8.GetBytes(json.ToJsonString());
        File.WriteAllBytes(path, Concat(U64(edited.Length), edited, tensors));
    }

    /// <summary>A state dict of openai/sparse_autoencoder with ReLU, [dSae, dIn], by default all zeros.</summary>
    public static byte[] Sae(
        int dSae,
        int dIn,
        string type = "FloatStorage",
        int decoderRows = 0,
        float first = 0f,
        string? without = null,
        string activation = "ReLU")
    {
        int rows = decoderRows == 0 ? dIn : decoderRows;
        byte[] encoder = new byte[dSae * dIn * 4];
        BitConverter.GetBytes(first).CopyTo(encoder, 0);
        (string Name, byte[] Value)[] items =
        [
            ("pre_bias", Tensor(Storage("0", "FloatStorage", dIn), 0, [dIn], [1])),
            ("latent_bias", Tensor(Storage("1", "FloatStorage", dSae), 0, [dSae], [1])),
            ("encoder.weight", Tensor(Storage("2", type, dSae * dIn), 0, [dSae, dIn], [dIn, 1])),
            ("decoder.weight", Tensor(Storage("3", "FloatStorage", rows * dSae), 0, [rows, dSae], [dSae, 1])),
            ("activation", Unicode(activation)),
        ];
        int width = type is "LongStorage" or "DoubleStorage" ? 8 : 4;
        return Archive(
            Pickle(Dict([.. items.Where(item => item.Name != without)])),
            ("0", new byte[dIn * 4]),
            ("1", new byte[dSae * 4]),
            ("2", width == 4 ? encoder : new byte[dSae * dIn * width]),
            ("3", new byte[rows * dSae * 4]));
    }
}
