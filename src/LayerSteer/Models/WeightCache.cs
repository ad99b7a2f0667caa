using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Models;

/// <summary>
/// Keeps the packed weights of one artefact in the cache folder, by the digest of what they were packed from and their
/// type, and finds them there at the next load. Without a folder, or for a small artefact, it does nothing.
/// </summary>
internal sealed class WeightCache
{
    /// <summary>The folder of packed files within the cache folder.</summary>
    public const string PackedFolder = "packed";

    private static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);

    private readonly LoadOptions _options;
    private readonly string _kind;
    private readonly IReadOnlyList<FileStamp> _files;
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private string? _path;

    /// <summary>The cache for one load.</summary>
    /// <param name="options">Names the folder.</param>
    /// <param name="kind">What is loaded: model, autoencoder, sentence-encoder.</param>
    /// <param name="files">The weight files, stamped before they were opened.</param>
    public WeightCache(LoadOptions options, string kind, IReadOnlyList<FileStamp> files)
    {
        _options = options;
        _kind = kind;
        _files = files;
        Folder = files.Sum(file => file.Length) >= options.CachedFrom ? options.CacheFolder : null;
    }

    /// <summary>The cache folder; null if nothing is kept of this artefact.</summary>
    public string? Folder { get; }

    /// <summary>A store with what is packed already. The caller disposes it.</summary>
    /// <param name="type">The type of the matrices.</param>
    /// <param name="digest">The digest of all that decides the weights.</param>
    public WeightStore Open(WeightType type, Lazy<string> digest)
    {
        // A digest is of what lies there now, weights are of what was opened: they must be the same.
        if (Folder is null || digest.Value.Length == 0 || !_files.All(file => file.IsCurrent))
        {
            return new WeightStore();
        }

        string dtype = WeightTypes.NameOf(type);
        _metadata["format"] = "layersteer packed weights";
        _metadata["version"] = WeightMatrix.LayoutVersion.ToString(CultureInfo.InvariantCulture);
        _metadata["kind"] = _kind;
        _metadata["digest"] = digest.Value;
        _metadata["dtype"] = dtype;
        _path = Path.Combine(Folder, PackedFolder, $"{_kind}-{digest.Value}-{dtype}.safetensors");
        return new WeightStore(PackedFile.Open(_path, _metadata));
    }

    /// <summary>Keeps what a load packed, or marks what it found as used.</summary>
    public void Save(WeightStore store)
    {
        if (_path is null)
        {
            return;
        }

        try
        {
            if (store.IsAsKept)
            {
                File.SetLastWriteTimeUtc(_path, DateTime.UtcNow);
            }
            else if (_files.All(file => file.IsCurrent))
            {
                DirectoryInfo folder = Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
                RemoveAbandoned(folder);
                PackedFile.Write(_path, _metadata, store.Pieces);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (!store.IsAsKept)
            {
                _options.Note?.Invoke(
                    $"'{Folder}': packed weights cannot be kept ({e.Message}); the next start packs them again");
            }
        }
    }

    /// <summary>Deletes what processes left that ended while they were writing.</summary>
    private static void RemoveAbandoned(DirectoryInfo folder)
    {
        foreach (FileInfo file in folder.EnumerateFiles(AtomicFile.TemporaryPrefix + "*"))
        {
            if (DateTime.UtcNow - file.LastWriteTimeUtc > Abandoned)
            {
                file.Delete();
            }
        }
    }
}
