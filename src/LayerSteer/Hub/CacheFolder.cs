using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Hub;

/// <summary>One file of packed weights.</summary>
/// <param name="Path">The file.</param>
/// <param name="Kind">model, autoencoder or sentence-encoder; unreadable where the file does not say.</param>
/// <param name="Digest">The digest of what it was packed from.</param>
/// <param name="Dtype">The type of its weights.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="LastUse">When it was last loaded from or written, UTC.</param>
public sealed record CachedFile(
    string Path, string Kind, string Digest, string Dtype, long Bytes, DateTime LastUse);

/// <summary>What lies in a cache folder, <see cref="LoadOptions.CacheFolder"/>.</summary>
public static class CacheFolder
{
    /// <summary>The packed weights, by kind and digest.</summary>
    /// <param name="folder">The cache folder; it need not exist.</param>
    public static IReadOnlyList<CachedFile> List(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        IEnumerable<CachedFile> files = Files(folder, WeightCache.PackedFolder)
            .Where(file => !file.Name.StartsWith(AtomicFile.TemporaryPrefix, StringComparison.Ordinal))
            .Select(Describe);
        return [.. files.OrderBy(file => file.Path, StringComparer.Ordinal)];
    }

    /// <summary>Removes all that LayerSteer keeps there, and nothing else.</summary>
    /// <param name="folder">The cache folder; it need not exist.</param>
    /// <returns>How many files went and how many bytes they had.</returns>
    /// <exception cref="IOException">A file is in use, on systems that keep such files.</exception>
    public static (int Files, long Bytes) Clear(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int count = 0;
        long bytes = 0;
        foreach (FileInfo file in Files(folder, WeightCache.PackedFolder).Concat(Files(folder, KnownDigests.Folder)))
        {
            long length = file.Length;
            file.Delete();
            count++;
            bytes += length;
        }

        return (count, bytes);
    }

    private static FileInfo[] Files(string folder, string name)
    {
        var directory = new DirectoryInfo(Path.Combine(folder, name));
        return directory.Exists ? directory.GetFiles() : [];
    }

    private static CachedFile Describe(FileInfo file)
    {
        DateTime used = file.LastWriteTimeUtc;
        IReadOnlyDictionary<string, object>? metadata = PackedFile.Metadata(file.FullName);
        return new CachedFile(
            file.FullName, Of("kind") ?? "unreadable", Of("digest") ?? "", Of("dtype") ?? "", file.Length, used);

        string? Of(string key) => metadata?.GetValueOrDefault(key) as string;
    }
}
