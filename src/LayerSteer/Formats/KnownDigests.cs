using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// Digests of files that were read before, by full path, length and time of the last write: one small file an entry,
/// so that processes do not wait for each other. An entry that is not exactly as expected is no entry; a folder that
/// cannot be written keeps none.
/// <code>digests/SHA-256 of the path: path \n length ticks digest \n</code>
/// </summary>
internal static class KnownDigests
{
    /// <summary>The folder of the entries within the cache folder.</summary>
    public const string Folder = "digests";

    /// <summary>A file written again so soon may have the same time.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(2);

    /// <summary>The digest of a file: the known one, or what reading it gives.</summary>
    public static string OfFile(string cacheFolder, string path, Func<string> read)
    {
        FileStamp stamp = FileStamp.Of(path);
        string entry = Path.Combine(
            cacheFolder, Folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stamp.Path))));
        string known = string.Create(
            CultureInfo.InvariantCulture, $"{stamp.Path}\n{stamp.Length} {stamp.Written.Ticks} ");
        if (Read(entry, known) is { } digest)
        {
            return digest;
        }

        bool settled = DateTime.UtcNow - stamp.Written >= Settling;
        digest = read();
        if (settled && stamp.IsCurrent)
        {
            Write(entry, $"{known}{digest}\n");
        }

        return digest;
    }

    private static string? Read(string entry, string known)
    {
        try
        {
            byte[] expected = Encoding.UTF8.GetBytes(known);
            using var file = new FileStream(
                entry, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
            byte[] content = new byte[expected.Length + (2 * SHA256.HashSizeInBytes) + 1];
            if (file.Length != content.Length)
            {
                return null;
            }

            file.ReadExactly(content);
            string digest = Encoding.ASCII.GetString(content.AsSpan(expected.Length..^1));
            return content.AsSpan().StartsWith(expected) && content[^1] == '\n' && digest.All(char.IsAsciiHexDigitLower)
                ? digest
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Write(string entry, string content)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(entry)!);
            AtomicFile.WriteAllText(entry, content);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Reading the file again is slower, not wrong.
        }
    }
}
