using System.Globalization;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>A file of a repository as the hub describes it.</summary>
/// <param name="Name">Its name, with '/' between folders.</param>
/// <param name="Digest">
/// SHA-256 of its bytes (64 digits) where it is large, or git's SHA-1 of it (40 digits).
/// </param>
/// <param name="Bytes">Its length.</param>
public sealed record HubFile(string Name, string Digest, long Bytes)
{
    private const long Largest = 1L << 44;

    /// <summary>Reads what the headers of an answer say.</summary>
    /// <exception cref="InvalidDataException">They do not say it; then nothing could be checked.</exception>
    internal static HubFile Read(string name, string? etag, string? length, string source)
    {
        string digest = (etag ?? string.Empty).Trim();
        if (digest.StartsWith("W/", StringComparison.Ordinal))
        {
            digest = digest[2..];
        }

        digest = digest.Trim('"').ToLowerInvariant();
        if (digest.Length is not (40 or 64) || !digest.All(char.IsAsciiHexDigitLower))
        {
            throw new InvalidDataException(
                $"{source} gives the ETag '{Display.Name(etag ?? "nothing")}', expected a SHA-256 or a git SHA-1; "
                + "what cannot be checked is not fetched");
        }

        return long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes <= Largest
            ? new HubFile(name, digest, bytes)
            : throw new InvalidDataException($"{source} gives the length '{Display.Name(length ?? "nothing")}', expected bytes");
    }
}
