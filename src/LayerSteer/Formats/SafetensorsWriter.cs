using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LayerSteer.Formats;

/// <summary>
/// Writes a safetensors file. The header stands first and needs every shape, so the data goes to a temporary file until
/// <see cref="TensorWriter.Complete"/>. Tensors are ordered by element size, widest first, then by name: so each is
/// aligned to its elements, whatever the order in which they were added.
/// </summary>
public sealed class SafetensorsWriter : TensorWriter
{
    private readonly AtomicFile _file;
    private readonly FileStream _spool;
    private readonly IReadOnlyDictionary<string, string> _metadata;
    private readonly List<Entry> _entries = [];

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to create or replace in the end. Its folder must exist.</param>
    /// <param name="metadata">Strings to keep in the header under <c>__metadata__</c>; null for none.</param>
    /// <exception cref="IOException">The temporary files cannot be created.</exception>
    public SafetensorsWriter(string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _metadata = metadata ?? new Dictionary<string, string>();
        _file = new AtomicFile(path);
        try
        {
            string spool = AtomicFile.TemporaryName(Path.GetFullPath(path));
            _spool = new FileStream(
                spool, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    private protected override void BeginTensor(string name, TensorType type, ReadOnlySpan<long> shape, long bytes)
    {
        if (name == "__metadata__")
        {
            throw new ArgumentException("a tensor cannot be named __metadata__", nameof(name));
        }

        _entries.Add(new Entry(name, type, shape.ToArray(), _spool.Position, bytes));
    }

    private protected override void WriteBytes(ReadOnlySpan<byte> bytes) => _spool.Write(bytes);

    private protected override void EndTensor()
    {
    }

    private protected override void Finish()
    {
        _entries.Sort((a, b) => a.Type.Size() != b.Type.Size()
            ? b.Type.Size().CompareTo(a.Type.Size())
            : string.CompareOrdinal(a.Name, b.Name));
        byte[] header = Header();
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        _file.Stream.Write(length);
        _file.Stream.Write(header);
        foreach (Entry entry in _entries)
        {
            CopySpooled(entry);
        }

        _file.Complete();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        try
        {
            // Writes what is still buffered, which a full disk refuses.
            _spool.Dispose();
        }
        finally
        {
            _file.Dispose();
        }
    }

    private byte[] Header()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(
            buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (_metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in _metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            long begin = 0;
            foreach (Entry entry in _entries)
            {
                WriteEntry(json, entry, begin);
                begin += entry.Bytes;
            }

            json.WriteEndObject();
        }

        int padding = -buffer.WrittenCount & 7;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteEntry(Utf8JsonWriter json, Entry entry, long begin)
    {
        json.WriteStartObject(entry.Name);
        json.WriteString("dtype", entry.Type == TensorType.Bool ? "BOOL" : entry.Type.ToString());
        json.WriteStartArray("shape");
        foreach (long size in entry.Shape)
        {
            json.WriteNumberValue(size);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(begin + entry.Bytes);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void CopySpooled(Entry entry)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        _spool.Position = entry.SpooledAt;
        for (long left = entry.Bytes; left > 0;)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, left));
            _spool.ReadExactly(part);
            _file.Stream.Write(part);
            left -= part.Length;
        }

        ArrayPool<byte>.Shared.Return(buffer);
    }

    private sealed record Entry(string Name, TensorType Type, long[] Shape, long SpooledAt, long Bytes);
}
