using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using LayerSteer.Numerics;

namespace LayerSteer.Formats;

/// <summary>
/// Packed weights on disk: a safetensors file of bytes whose pieces begin and end at multiples of 64, so that kernels
/// read them where they are mapped. The metadata says what they are; the bytes themselves are trusted, as those of a
/// checkpoint are.
/// </summary>
internal static class PackedFile
{
    /// <summary>Maps the pieces of a file that holds what is expected.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">All that its metadata must say.</param>
    /// <returns>
    /// The pieces by name, which the caller disposes; none if there is no such file or anything in it is unexpected.
    /// </returns>
    public static IReadOnlyDictionary<string, NativeBuffer> Open(
        string path, IReadOnlyDictionary<string, string> metadata)
    {
        var pieces = new Dictionary<string, NativeBuffer>(StringComparer.Ordinal);
        if (!File.Exists(path))
        {
            return pieces;
        }

        try
        {
            using MappedFile file = MappedFile.Open(path);
            FileContents contents = SafetensorsReader.Read(file);
            if (contents.Values.Count != metadata.Count
                || !metadata.All(pair => pair.Value.Equals(contents.Values.GetValueOrDefault(pair.Key)))
                || !contents.Tensors.Values.All(IsPiece))
            {
                return pieces;
            }

            foreach ((string name, StoredTensor tensor) in contents.Tensors)
            {
                pieces.Add(name, tensor.Bytes.Floats());
            }
        }
        catch (Exception e) when (IsUnreadable(e))
        {
            // Packed anew.
        }

        return pieces;
    }

    /// <summary>What a file's metadata says; null if it is no safetensors file.</summary>
    public static IReadOnlyDictionary<string, object>? Metadata(string path)
    {
        try
        {
            using MappedFile file = MappedFile.Open(path);
            return SafetensorsReader.Read(file).Values;
        }
        catch (Exception e) when (IsUnreadable(e))
        {
            return null;
        }
    }

    /// <summary>Writes pieces in the order given, whole or not at all.</summary>
    /// <param name="path">The file to create or replace. Its folder must exist.</param>
    /// <param name="metadata">What to say of them.</param>
    /// <param name="pieces">The pieces, each a whole number of lines of 64 bytes.</param>
    /// <exception cref="IOException">The file cannot be written; what was there is untouched.</exception>
    public static void Write(
        string path,
        IReadOnlyDictionary<string, string> metadata,
        IReadOnlyDictionary<string, NativeBuffer> pieces)
    {
        const int Block = 1 << 24;
        byte[] header = Header(metadata, pieces);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (NativeBuffer piece in pieces.Values)
            {
                for (long at = 0; at < piece.Length; at += Block)
                {
                    Span<float> part = piece.Span(at, (int)Math.Min(Block, piece.Length - at));
                    stream.Write(MemoryMarshal.AsBytes(part));
                }
            }
        });
    }

    private static bool IsUnreadable(Exception e) =>
        e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException;

    private static bool IsPiece(StoredTensor tensor) =>
        tensor is { Type: TensorType.U8, Shape.Count: 1 }
        && tensor.Length % NativeBuffer.Alignment == 0
        && tensor.Bytes.Offset % NativeBuffer.Alignment == 0;

    /// <summary>Padded with spaces so that the data after it begins at a multiple of 64.</summary>
    private static byte[] Header(
        IReadOnlyDictionary<string, string> metadata, IReadOnlyDictionary<string, NativeBuffer> pieces)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach ((string key, string value) in metadata)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            long begin = 0;
            foreach ((string name, NativeBuffer piece) in pieces)
            {
                long bytes = piece.Length * sizeof(float);
                json.WriteStartObject(name);
                json.WriteString("dtype", "U8");
                json.WriteStartArray("shape");
                json.WriteNumberValue(bytes);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(begin);
                json.WriteNumberValue(begin + bytes);
                json.WriteEndArray();
                json.WriteEndObject();
                begin += bytes;
            }

            json.WriteEndObject();
        }

        int padding = -(sizeof(long) + buffer.WrittenCount) & (NativeBuffer.Alignment - 1);
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenSpan.ToArray();
    }
}
