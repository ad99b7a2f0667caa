namespace LayerSteer.Formats;

/// <summary>What tells one state of a file from another without reading it.</summary>
/// <param name="Path">The full path.</param>
/// <param name="Length">The length in bytes; -1 if there is no such file.</param>
/// <param name="Written">When it was last written, UTC.</param>
internal readonly record struct FileStamp(string Path, long Length, DateTime Written)
{
    /// <summary>Whether the file is still as it was when the stamp was taken.</summary>
    public bool IsCurrent => Of(Path) == this;

    /// <summary>The stamp of a file as it is now.</summary>
    public static FileStamp Of(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            return new FileStamp(file.FullName, -1, default);
        }

        // A FileInfo of a link, as hub caches have them, is about the link.
        FileInfo content = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
        return new FileStamp(file.FullName, content.Length, content.LastWriteTimeUtc);
    }
}
