using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// The files of one repository in the cache, for writing: blobs by their digest, and snapshots that link to them.
/// </summary>
internal sealed class HubBlobs
{
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(100);

    /// <summary>EAGAIN of Linux and of macOS; ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION of Windows.</summary>
    private static readonly int[] HeldByAnother = [11, 35, unchecked((int)0x80070020), unchecked((int)0x80070021)];

    private readonly HubCache _cache;
    private readonly HubRepository _repository;
    private readonly bool _links;

    /// <param name="cache">The cache.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="links">Whether snapshots may be links.</param>
    public HubBlobs(HubCache cache, HubRepository repository, bool links)
    {
        _cache = cache;
        _repository = repository;
        _links = links;
        Folder = Path.GetDirectoryName(cache.BlobOf(repository, "any"))!;
    }

    /// <summary>The folder of the blobs.</summary>
    public string Folder { get; }

    public string PathOf(HubFile file) => _cache.BlobOf(_repository, file.Digest);

    public string IncompleteOf(HubFile file) => PathOf(file) + ".incomplete";

    /// <summary>Whether the blob is there, by its name and length.</summary>
    public bool Has(HubFile file) => LengthOf(PathOf(file)) == file.Bytes;

    /// <summary>Whether the snapshot has the file already.</summary>
    public bool IsPlaced(string commit, HubFile file)
    {
        string pointer = PointerOf(commit, file);
        if (LengthOf(pointer) != file.Bytes)
        {
            return false;
        }

        _cache.RequireInside(pointer);

        // A link that is right leads to the blob of that digest; a plain file is what stands there without links.
        return new FileInfo(pointer).LinkTarget is not { } target || Path.GetFileName(target) == file.Digest;
    }

    /// <summary>How many bytes of a file are here, whole or not.</summary>
    public long BytesHere(string commit, HubFile file) => IsPlaced(commit, file) || Has(file)
        ? file.Bytes
        : Math.Min(LengthOf(IncompleteOf(file)) ?? 0, file.Bytes);

    /// <summary>
    /// Keeps others from fetching the same file: this process, and huggingface_hub, which locks the same file.
    /// </summary>
    /// <returns>The lock; disposing it releases it.</returns>
    public async Task<FileStream> LockAsync(HubFile file, CancellationToken cancellation)
    {
        string path = _cache.LockOf(_repository, file.Digest);
        CreateInside(Path.GetDirectoryName(path)!);
        CreateInside(Folder);
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (HeldByAnother.Contains(e.HResult))
            {
                await Task.Delay(LockPause, cancellation);
            }
        }
    }

    /// <summary>
    /// Makes the file appear in the snapshot: a relative link to the blob, or where links fail a file.
    /// </summary>
    /// <param name="commit">The snapshot.</param>
    /// <param name="file">The file, whose blob is there.</param>
    /// <param name="isNew">Whether no other snapshot can need the blob, so that it may move.</param>
    public void Place(string commit, HubFile file, bool isNew)
    {
        string blob = PathOf(file);
        string pointer = PointerOf(commit, file);
        string folder = Path.GetDirectoryName(pointer)!;
        CreateInside(folder);
        if (IsPlaced(commit, file))
        {
            return;
        }

        File.Delete(pointer);
        if (_links && TryLink(pointer, Path.GetRelativePath(folder, blob)))
        {
            return;
        }

        if (isNew)
        {
            File.Move(blob, pointer);
        }
        else
        {
            AtomicFile.Write(pointer, copy =>
            {
                using FileStream source = File.OpenRead(blob);
                source.CopyTo(copy);
            });
        }
    }

    /// <summary>
    /// Says which commit a branch or tag is at: last, so that it never names a snapshot that is not whole.
    /// </summary>
    public void WriteRef(string commit)
    {
        if (!_repository.IsCommit)
        {
            string path = _cache.RefOf(_repository);
            CreateInside(Path.GetDirectoryName(path)!);
            AtomicFile.WriteAllText(path, commit);
        }
    }

    private static bool TryLink(string pointer, string target)
    {
        try
        {
            File.CreateSymbolicLink(pointer, target);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            return false;
        }
    }

    private static long? LengthOf(string path)
    {
        FileStamp stamp = FileStamp.Of(path);
        return stamp.Length < 0 ? null : stamp.Length;
    }

    private string PointerOf(string commit, HubFile file) =>
        new HubSnapshot(_repository, commit, Path.Combine(_cache.SnapshotsOf(_repository), commit)).PathOf(file.Name);

    private void CreateInside(string folder)
    {
        Directory.CreateDirectory(folder);
        _cache.RequireInside(folder);
    }
}
