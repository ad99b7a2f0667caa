using System.Text;
using LayerSteer.Formats;
using Xunit;

namespace LayerSteer.Tests.Formats;

/// <summary>A folder for one test, deleted afterwards.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("layersteer-formats-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] bytes)
    {
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    /// <summary>The message with which opening the bytes, then reading every tensor, is refused; of the path the name only.</summary>
    public string Refusal<TException>(string name, byte[] bytes)
        where TException : Exception
    {
        string path = Write(name, bytes);
        TException e = Assert.Throws<TException>(() =>
        {
            using TensorFile file = TensorFile.Open(path);
            foreach (StoredTensor tensor in file.Tensors.Values)
            {
                tensor.ToFloats();
            }
        });
        Assert.DoesNotContain('\n', e.Message);
        return e.Message.Replace(Path + System.IO.Path.DirectorySeparatorChar, string.Empty, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public static byte[] Concat(params ReadOnlySpan<byte[]> parts)
    {
        var bytes = new List<byte>();
        foreach (byte[] part in parts)
        {
            bytes.AddRange(part);
        }

        return [.. bytes];
    }

    public static byte[] Ascii(string text) => Encoding.Latin1.GetBytes(text);

    public static byte[] U16(int value) => BitConverter.GetBytes((ushort)value);

    public static byte[] U32(long value) => BitConverter.GetBytes((uint)value);

    public static byte[] U64(long value) => BitConverter.GetBytes(value);

    public static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];
}
