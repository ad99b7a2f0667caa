using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Hub;

/// <summary>
/// The digest that a hub names a file by, computed while its bytes arrive: SHA-256 of them, or as git has it
/// <code>SHA-1("blob " length "\0" bytes)</code>
/// </summary>
internal sealed class BlobDigest : IDisposable
{
    private readonly HubFile _file;
    private readonly IncrementalHash _hash;

    // Git names its objects by SHA-1; it is compared with, not relied on for secrecy.
    public BlobDigest(HubFile file)
    {
        _file = file;
        _hash = IncrementalHash.CreateHash(file.Digest.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        Restart();
    }

    public void Append(ReadOnlySpan<byte> bytes) => _hash.AppendData(bytes);

    /// <summary>Forgets what was appended.</summary>
    public void Restart()
    {
        _hash.TryGetHashAndReset(stackalloc byte[SHA256.HashSizeInBytes], out _);
        if (_file.Digest.Length != 64)
        {
            _hash.AppendData(Encoding.ASCII.GetBytes(string.Create(
                CultureInfo.InvariantCulture, $"blob {_file.Bytes}\0")));
        }
    }

    /// <summary>The digest of what was appended; afterwards it starts again.</summary>
    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
