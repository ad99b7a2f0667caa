using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Topics;

/// <summary>The whole list of reference texts that an index, or a shard of it, is built from.</summary>
/// <param name="Path">Where the list was found; information only.</param>
/// <param name="Digest">The digest of the list, see <see cref="DigestOf"/>.</param>
/// <param name="Count">How many texts the whole list has.</param>
public sealed record ReferenceSource(string Path, string Digest, int Count)
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>The digest of one text.</summary>
    /// <param name="text">The text; a lone surrogate counts as U+FFFD.</param>
    /// <returns>SHA-256 of its UTF-8 bytes, 64 lower-case hexadecimal digits.</returns>
    public static string DigestOfText(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>The digest of a list: SHA-256 over its texts' digests in order, each followed by a line feed.</summary>
    /// <param name="textDigests">The digest of each text, as <see cref="DigestOfText"/> gives it.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string DigestOf(IEnumerable<string> textDigests)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string digest in textDigests)
        {
            hash.AppendData(Encoding.ASCII.GetBytes(digest));
            hash.AppendData("\n"u8);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Whether <paramref name="digest"/> looks like a SHA-256: 64 lower-case hexadecimal digits.</summary>
    internal static bool IsSha256(string digest) =>
        digest.Length == 64 && !digest.AsSpan().ContainsAnyExcept(HexDigits);
}
