using System.Buffers.Binary;

namespace LayerSteer.Formats;

/// <summary>
/// Reads what torch.save writes: the zip form (a pickle and one entry per storage) and the older form (consecutive
/// pickles, then the storages). Storages stay in the mapped file; tensors that share one share its bytes.
/// </summary>
internal static class TorchReader
{
    /// <summary>The first bytes of the older form: a pickled magic number.</summary>
    public static ReadOnlySpan<byte> LegacyMagic =>
        [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'];

    /// <summary>Whether a zip archive is one that torch wrote.</summary>
    public static bool Recognises(IReadOnlyDictionary<string, ZipEntry> entries) =>
        entries.Keys.Any(name => name.EndsWith("/data.pkl", StringComparison.Ordinal));

    /// <summary>Reads the zip form.</summary>
    public static FileContents ReadArchive(MappedFile file, IReadOnlyDictionary<string, ZipEntry> entries)
    {
        string[] pickles = [.. entries.Keys.Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal))];
        string folder = pickles[0][..^"data.pkl".Length];
        if (pickles.Length != 1 || folder.IndexOf('/', StringComparison.Ordinal) != folder.Length - 1)
        {
            throw Bad(file, "a torch archive has one top folder with one data.pkl");
        }

        if (entries.ContainsKey(folder + "constants.pkl"))
        {
            throw new NotSupportedException(
                $"'{file.Name}': it is a TorchScript program; save the state dict with torch.save instead");
        }

        if (entries.TryGetValue(folder + "byteorder", out ZipEntry? order)
            && !order.Start(16).AsSpan().SequenceEqual("little"u8))
        {
            throw new NotSupportedException($"'{file.Name}': its storages are not little-endian");
        }

        ZipEntry pickle = entries[pickles[0]];
        if (pickle.Length > FormatLimits.Pickle)
        {
            throw Bad(file, $"the pickle takes more than {FormatLimits.Pickle} bytes");
        }

        byte[] data = pickle.Start(FormatLimits.Pickle);
        var storages = new Dictionary<string, (TensorType Type, long Length)>(StringComparer.Ordinal);
        object? root = PickleReader.Read(file.Name, data, storages, out int length);
        if (length != data.Length)
        {
            throw Bad(file, $"{data.Length - length} bytes follow the pickle in data.pkl");
        }

        var bytes = new Dictionary<string, ByteRange>(StringComparer.Ordinal);
        foreach ((string key, (TensorType type, long elements)) in storages)
        {
            if (!entries.TryGetValue($"{folder}data/{key}", out ZipEntry? entry))
            {
                throw Bad(file, $"the pickle names the storage {Display.Name(key)}, which the archive does not have");
            }

            if (entry.Length != elements * type.Size())
            {
                throw Bad(
                    file,
                    $"storage {Display.Name(key)} of {elements} {type} elements takes " +
                    $"{elements * type.Size()} bytes, but the archive has {entry.Length}");
            }

            bytes.Add(key, entry.Bytes);
        }

        return PickleFlattener.Flatten(file.Name, root, bytes);
    }

    /// <summary>Reads the older form.</summary>
    public static FileContents ReadLegacy(MappedFile file)
    {
        using PinnedBytes pinned = file.Bytes.Pin();
        long at = LegacyMagic.Length;
        if (ReadPickle(file, pinned, [], ref at) is not 1001L)
        {
            throw new NotSupportedException($"'{file.Name}': its torch protocol is not 1001");
        }

        if (ReadPickle(file, pinned, [], ref at) is not PickledDict system
            || !system.Items.TryGetValue("little_endian", out object? little) || little is not true)
        {
            throw new NotSupportedException($"'{file.Name}': its storages are not little-endian");
        }

        var storages = new Dictionary<string, (TensorType Type, long Length)>(StringComparer.Ordinal);
        object? root = ReadPickle(file, pinned, storages, ref at);
        if (ReadPickle(file, pinned, [], ref at) is not List<object?> keys)
        {
            throw Bad(file, "the list of storage keys is not a list");
        }

        var bytes = new Dictionary<string, ByteRange>(StringComparer.Ordinal);
        foreach (object? listed in keys)
        {
            if (listed is not string key || !storages.TryGetValue(key, out (TensorType Type, long Length) storage))
            {
                throw Bad(file, "the list of storage keys names a storage that belongs to no tensor");
            }

            if (!bytes.TryAdd(key, ReadStorage(file, pinned, key, storage.Type, storage.Length, ref at)))
            {
                throw Bad(file, $"the storage {Display.Name(key)} is listed twice");
            }
        }

        if (bytes.Count != storages.Count)
        {
            string missing = storages.Keys.First(key => !bytes.ContainsKey(key));
            throw Bad(file, $"the pickle names the storage {Display.Name(missing)}, which the file does not have");
        }

        return at == file.Length
            ? PickleFlattener.Flatten(file.Name, root, bytes)
            : throw Bad(file, $"{file.Length - at} bytes follow the last storage");
    }

    private static object? ReadPickle(
        MappedFile file,
        PinnedBytes pinned,
        Dictionary<string, (TensorType Type, long Length)> storages,
        ref long at)
    {
        ReadOnlySpan<byte> rest = pinned.Span(at, (int)Math.Min(FormatLimits.Pickle, file.Length - at));
        object? value = PickleReader.Read(file.Name, rest, storages, out int length);
        at += length;
        return value;
    }

    // Each storage is its element count, then its data.
    private static ByteRange ReadStorage(
        MappedFile file, PinnedBytes pinned, string key, TensorType type, long elements, ref long at)
    {
        if (file.Length - at < 8 || elements > (file.Length - at - 8) / type.Size())
        {
            throw Bad(
                file,
                $"storage {Display.Name(key)} of {elements} {type} elements takes {elements * type.Size()} bytes, " +
                $"but {Math.Max(file.Length - at - 8, 0)} are left");
        }

        long stored = BinaryPrimitives.ReadInt64LittleEndian(pinned.Span(at, 8));
        if (stored != elements)
        {
            throw Bad(file, $"storage {Display.Name(key)} holds {stored} elements, but the pickle says {elements}");
        }

        long start = at + 8;
        at = start + (elements * type.Size());
        return file.Bytes.Slice(start, at - start);
    }

    private static InvalidDataException Bad(MappedFile file, string what) => new($"'{file.Name}': {what}");
}
