using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>SHA-256 digests that say which files an artefact was made from; lower-case hex of 64 characters.</summary>
public static class FileDigest
{
    private const int Block = 1 << 20;

    /// <summary>The digest of one file's bytes, as sha256sum prints it.</summary>
    /// <param name="path">The file; it is read once, in blocks.</param>
    /// <param name="cancellationToken">Checked at every block.</param>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string OfFile(string path, CancellationToken cancellationToken = default) =>
        OfFile(path, cacheFolder: null, cancellationToken);

    /// <summary>The digest of one file's bytes, known by its path, length and time if it was read before.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cacheFolder">Where digests are kept; null to read the file.</param>
    /// <param name="cancellationToken">Checked at every block.</param>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string OfFile(string path, string? cacheFolder, CancellationToken cancellationToken = default) =>
        cacheFolder is null
            ? Read(path, cancellationToken)
            : KnownDigests.OfFile(cacheFolder, path, () => Read(path, cancellationToken));

    /// <summary>
    /// The digest of a set of files: SHA-256 over one line <c>name\0digest\n</c> per file, UTF-8, sorted by name
    /// (ordinal, with '/' between folders), so that it depends on contents and relative names alone.
    /// </summary>
    /// <param name="folder">The folder that the names are relative to.</param>
    /// <param name="relativeNames">The files, in any order; at least one, none twice.</param>
    /// <param name="cancellationToken">Checked at every block.</param>
    /// <exception cref="ArgumentException">There is no name, or one is there twice.</exception>
    /// <exception cref="IOException">A file does not exist or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string OfFiles(
        string folder, IEnumerable<string> relativeNames, CancellationToken cancellationToken = default) =>
        OfFiles(folder, relativeNames, cacheFolder: null, cancellationToken);

    /// <summary>
    /// The digest of a set of files, each known by its path, length and time if it was read before.
    /// </summary>
    /// <param name="folder">The folder that the names are relative to.</param>
    /// <param name="relativeNames">The files, in any order; at least one, none twice.</param>
    /// <param name="cacheFolder">Where digests are kept; null to read the files.</param>
    /// <param name="cancellationToken">Checked at every block.</param>
    /// <exception cref="ArgumentException">There is no name, or one is there twice.</exception>
    /// <exception cref="IOException">A file does not exist or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string OfFiles(
        string folder,
        IEnumerable<string> relativeNames,
        string? cacheFolder,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(relativeNames);
        string[] names = [.. relativeNames.Select(name => name.Replace('\\', '/'))];
        Array.Sort(names, StringComparer.Ordinal);
        if (names.Length == 0 || names.Distinct(StringComparer.Ordinal).Count() != names.Length)
        {
            throw new ArgumentException("a set of files has at least one, and none twice", nameof(relativeNames));
        }

        var lines = new StringBuilder();
        foreach (string name in names)
        {
            string digest = OfFile(Path.Combine(folder, name), cacheFolder, cancellationToken);
            lines.Append(name).Append('\0').Append(digest).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())));
    }

    private static string Read(string path, CancellationToken cancellationToken)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Block);
        try
        {
            int read;
            while ((read = stream.Read(buffer)) > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
