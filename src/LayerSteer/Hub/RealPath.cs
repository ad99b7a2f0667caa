namespace LayerSteer.Hub;

/// <summary>Where a path ends up when every link on the way is followed, of folders as well as files.</summary>
internal static class RealPath
{
    private const int MostLinks = 40;

    /// <exception cref="IOException">Links lead round in a circle.</exception>
    public static string Of(string path) => Of(Path.GetFullPath(path), 0);

    private static string Of(string path, int links)
    {
        string current = Path.GetPathRoot(path)!;
        foreach (string part in path[current.Length..].Split(
            [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(current, part);
            FileSystemInfo info = Directory.Exists(next) ? new DirectoryInfo(next) : new FileInfo(next);
            if (info.LinkTarget is not { } link)
            {
                current = next;
                continue;
            }

            if (links == MostLinks)
            {
                throw new IOException($"'{path}': more than {MostLinks} links one behind the other");
            }

            current = Of(Path.GetFullPath(link, current), ++links);
        }

        return current;
    }
}
