using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// Writes GGUF, version 3, little-endian, with float32 vectors: what llama.cpp and its kin read.
/// <code>
/// "GGUF", u32 3, u64 tensors, u64 entries
/// entry:   key, u32 type, value          string: u64 length, UTF-8
/// tensor:  name, u32 1, u64 length, u32 0 (float32), u64 offset from the first byte of data
/// data:    each from a multiple of 32 bytes
/// </code>
/// </summary>
public static class GgufWriter
{
    private const int Alignment = 32;

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced. Its folder must exist.</param>
    /// <param name="metadata">Keys with their values: string, uint, int, float or bool. No key twice.</param>
    /// <param name="vectors">Names with their values. No name twice.</param>
    /// <exception cref="ArgumentException">A key or name is there twice, or a value is of another type.</exception>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    public static void Write(
        string path,
        IReadOnlyList<(string Key, object Value)> metadata,
        IReadOnlyList<(string Name, float[] Values)> vectors)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(vectors);
        if (metadata.Select(entry => entry.Key).Distinct(StringComparer.Ordinal).Count() != metadata.Count
            || vectors.Select(vector => vector.Name).Distinct(StringComparer.Ordinal).Count() != vectors.Count)
        {
            throw new ArgumentException("a key or a name is there twice, expected once", nameof(metadata));
        }

        byte[] header = Header(metadata, vectors);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            Pad(stream);
            foreach ((_, float[] values) in vectors)
            {
                stream.Write(MemoryMarshal.AsBytes<float>(values));
                Pad(stream);
            }
        });
    }

    private static byte[] Header(
        IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<(string Name, float[] Values)> vectors)
    {
        using var memory = new MemoryStream();
        memory.Write("GGUF"u8);
        Write(memory, 3u);
        Write(memory, (ulong)vectors.Count);
        Write(memory, (ulong)metadata.Count);
        foreach ((string key, object value) in metadata)
        {
            Write(memory, key);
            switch (value)
            {
                case uint number:
                    Write(memory, 4u);
                    Write(memory, number);
                    break;
                case int number:
                    Write(memory, 5u);
                    Write(memory, (uint)number);
                    break;
                case float number:
                    Write(memory, 6u);
                    Write(memory, BitConverter.SingleToUInt32Bits(number));
                    break;
                case bool flag:
                    Write(memory, 7u);
                    memory.WriteByte(flag ? (byte)1 : (byte)0);
                    break;
                case string text:
                    Write(memory, 8u);
                    Write(memory, text);
                    break;
                default:
                    throw new ArgumentException(
                        $"{key} is a {value.GetType().Name}, expected string, uint, int, float or bool",
                        nameof(metadata));
            }
        }

        ulong offset = 0;
        foreach ((string name, float[] values) in vectors)
        {
            Write(memory, name);
            Write(memory, 1u);
            Write(memory, (ulong)values.Length);
            Write(memory, 0u);
            Write(memory, offset);
            offset += ((ulong)values.Length * sizeof(float)) + Alignment - 1;
            offset -= offset % Alignment;
        }

        return memory.ToArray();
    }

    private static void Pad(Stream stream)
    {
        while (stream.Position % Alignment != 0)
        {
            stream.WriteByte(0);
        }
    }

    private static void Write(Stream stream, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}
