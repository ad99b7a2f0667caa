using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// A cache of hub files as huggingface_hub lays it out, so that files which other tools fetched are found and they find
/// ours. Reads only; nothing is fetched. Immutable; thread-safe.
/// <code>
/// models--org--name/refs/main                  the commit that the branch was at
/// models--org--name/snapshots/COMMIT/file      a link to ../../blobs/DIGEST, or the file itself
/// models--org--name/blobs/DIGEST               the bytes; DIGEST.incomplete while they are fetched
/// </code>
/// </summary>
public sealed class HubCache
{
    private const string FolderStart = "models--";
    private const int LongestRef = 256;

    /// <summary>A cache in a folder.</summary>
    /// <param name="folder">The folder; it need not exist.</param>
    public HubCache(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        Folder = Path.GetFullPath(folder);
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>
    /// The cache of this process's environment: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME.
    /// </summary>
    public static HubCache FromEnvironment() => new(HubSettings.CacheFrom(Environment.GetEnvironmentVariable));

    /// <summary>The repositories that have files here, by name.</summary>
    public IEnumerable<HubRepository> Repositories() => !Directory.Exists(Folder) ? [] :
        Directory.EnumerateDirectories(Folder, FolderStart + "*")
            .Select(path => Path.GetFileName(path)[FolderStart.Length..].Replace("--", "/", StringComparison.Ordinal))
            .Where(HubRepository.IsName)
            .Order(StringComparer.Ordinal)
            .Select(name => HubRepository.Parse(name));

    /// <summary>
    /// The snapshots of a repository, the best one first: that of its revision; for <c>main</c> then the others, the
    /// newest first, since a branch that moved on leaves earlier files where they were.
    /// </summary>
    /// <param name="repository">The repository.</param>
    public IEnumerable<HubSnapshot> Snapshots(HubRepository repository)
    {
        ArgumentNullException.ThrowIfNull(repository);
        string folder = SnapshotsOf(repository);
        string? named = repository.IsCommit ? repository.Revision : Commit(repository);
        IEnumerable<string> commits = named is null ? [] : [named];
        if (repository.Revision == HubRepository.MainRevision && Directory.Exists(folder))
        {
            commits = commits.Concat(new DirectoryInfo(folder).EnumerateDirectories()
                .OrderByDescending(snapshot => snapshot.LastWriteTimeUtc)
                .ThenBy(snapshot => snapshot.Name, StringComparer.Ordinal)
                .Select(snapshot => snapshot.Name)
                .Where(HubRepository.IsCommitName));
        }

        return commits.Distinct(StringComparer.Ordinal)
            .Select(commit => new HubSnapshot(repository, commit, Path.Combine(folder, commit)))
            .Where(snapshot => Directory.Exists(snapshot.Folder));
    }

    /// <summary>The folder or file of what a name stands for, whole.</summary>
    /// <param name="target">What is meant.</param>
    /// <param name="needsWeights">Whether a model without its weights will not do.</param>
    /// <returns>A full path: of the snapshot, or of the autoencoder in it.</returns>
    /// <exception cref="FileNotFoundException">
    /// It is not here, or not all of it; the message says how to fetch it.
    /// </exception>
    /// <exception cref="InvalidDataException">A file here is a link that leads out of the cache.</exception>
    public string Locate(HubTarget target, bool needsWeights = true)
    {
        ArgumentNullException.ThrowIfNull(target);
        string? lacks = null;
        foreach (HubSnapshot snapshot in target.Repositories.SelectMany(Snapshots))
        {
            string path = snapshot.PathOf(target.Path);
            string? missing = HubFiles.Missing(path, target.Kind, needsWeights);
            if (missing is null)
            {
                foreach (string file in Directory.Exists(path) ? Directory.EnumerateFiles(path).Prepend(path) : [path])
                {
                    RequireInside(file);
                }

                return target.Kind == HubKind.Autoencoder ? HubFiles.ToLoad(path) : path;
            }

            lacks ??= missing;
        }

        string name = Display.Name(target.Name);
        throw new FileNotFoundException(lacks is null
            ? $"'{name}' is neither a path here nor in the cache '{Folder}'; layersteer pull {name} fetches it"
            : $"'{name}' is not whole in the cache '{Folder}': {lacks}; layersteer pull {name} fetches what it lacks");
    }

    /// <summary>The folder of a repository.</summary>
    internal string FolderOf(HubRepository repository) => Path.Combine(Folder, repository.FolderName);

    internal string SnapshotsOf(HubRepository repository) => Path.Combine(FolderOf(repository), "snapshots");

    internal string BlobOf(HubRepository repository, string digest) =>
        Path.Combine(FolderOf(repository), "blobs", digest);

    internal string RefOf(HubRepository repository) =>
        Path.Combine([FolderOf(repository), "refs", .. repository.Revision.Split('/')]);

    /// <summary>
    /// The file that one process at a time holds open while it fetches a blob, where other tools lock it too.
    /// </summary>
    internal string LockOf(HubRepository repository, string digest) =>
        Path.Combine(Folder, ".locks", repository.FolderName, digest + ".lock");

    /// <summary>Refuses a path of the cache that a link leads out of it.</summary>
    /// <exception cref="InvalidDataException">One does.</exception>
    internal void RequireInside(string path)
    {
        string real = RealPath.Of(path);
        if (!real.StartsWith(RealPath.Of(Folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new InvalidDataException(
                $"'{path}' leads to '{Display.Name(real)}', out of the cache '{Folder}'; remove it and pull again");
        }
    }

    /// <summary>The commit that a branch or tag was at when it was last fetched; null if it never was.</summary>
    private string? Commit(HubRepository repository)
    {
        var file = new FileInfo(RefOf(repository));
        if (!file.Exists || file.Length > LongestRef)
        {
            return null;
        }

        string commit = File.ReadAllText(file.FullName).Trim();
        return HubRepository.IsCommitName(commit) ? commit : null;
    }
}
