using System.Globalization;

namespace LayerSteer.Formats;

/// <summary>
/// Writes the tensors of any file that is read here as safetensors: the same names, types, shapes and bits, row-major.
/// </summary>
public static class TensorConversion
{
    private const int BlockElements = 1 << 20;

    /// <summary>Converts a file.</summary>
    /// <param name="source">safetensors, .npz, .npy, or what torch.save writes.</param>
    /// <param name="target">The .safetensors file; an existing one is replaced. Its folder must exist.</param>
    /// <returns>
    /// The number of tensors. Strings and numbers beside them go into the header as text, under their own names.
    /// </returns>
    /// <exception cref="InvalidDataException">The source is damaged.</exception>
    /// <exception cref="NotSupportedException">It holds what is not read here.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static int ToSafetensors(string source, string target)
    {
        using TensorFile file = TensorFile.Open(source);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
        foreach ((string name, object value) in file.Values)
        {
            metadata[name] = value switch
            {
                bool flag => flag ? "true" : "false",
                IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
                _ => (string)value,
            };
        }

        using var writer = new SafetensorsWriter(target, metadata);
        byte[] block = [];
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            writer.Begin(tensor.Name, tensor.Type, [.. tensor.Shape]);
            for (long at = 0; at < tensor.Length; at += BlockElements)
            {
                int count = (int)Math.Min(BlockElements, tensor.Length - at);
                int bytes = count * tensor.Type.Size();
                if (block.Length < bytes)
                {
                    block = new byte[bytes];
                }

                tensor.ReadBytes(at, block.AsSpan(0, bytes));
                writer.AppendBytes(block.AsSpan(0, bytes));
            }
        }

        writer.Complete();
        return file.Tensors.Count;
    }
}
