using System.Buffers.Binary;
using System.Text.Unicode;

namespace LayerSteer.Text;

/// <summary>
/// SentencePiece's compiled table of replacements (precompiled_charsmap, of nmt_nfkc and its like): a double-array trie
/// over UTF-8 bytes whose values are places in a block of zero-terminated texts. At each place of a text the longest
/// entry that matches is replaced.
/// </summary>
internal sealed class Charsmap
{
    // Entries in use have up to a dozen bytes; a hostile trie may lead in circles.
    private const int MaxEntry = 256;

    private readonly uint[] _trie;
    private readonly byte[] _texts;

    /// <param name="bytes">The block: the trie's length in bytes, little-endian, the trie, the texts.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="InvalidDataException">The lengths or the texts are not sound.</exception>
    public Charsmap(ReadOnlySpan<byte> bytes, string path)
    {
        uint length = bytes.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (length == 0 || length % 4 != 0 || length > bytes.Length - 5 || bytes[^1] != 0)
        {
            throw new InvalidDataException(
                $"'{path}': normalizer_spec.precompiled_charsmap of {bytes.Length} bytes names a trie of {length}, "
                + "expected a multiple of 4 and, behind it, texts that end with 0");
        }
        _trie = new uint[length / 4];
        for (int i = 0; i < _trie.Length; i++)
        {
            _trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 + (4 * i))..]);
        }
        _texts = bytes[(4 + (int)length)..].ToArray();
        if (!Utf8.IsValid(_texts))
        {
            throw new InvalidDataException(
                $"'{path}': normalizer_spec.precompiled_charsmap holds texts that are not UTF-8");
        }
    }

    /// <summary>The longest entry that the text begins with.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="used">Bytes of the text that it takes; 0 where no entry matches.</param>
    /// <returns>What it is replaced by.</returns>
    public ReadOnlySpan<byte> Longest(ReadOnlySpan<byte> text, out int used)
    {
        used = 0;
        int value = -1;
        uint node = Offset(_trie[0]);
        for (int i = 0; i < Math.Min(text.Length, MaxEntry); i++)
        {
            node ^= text[i];
            if (node >= (uint)_trie.Length || (_trie[node] & 0x800000FF) != text[i])
            {
                break;
            }
            uint unit = _trie[node];
            node ^= Offset(unit);
            // Bit 8: an entry ends here, and its value stands where the byte 0 would lead.
            if ((unit >> 8 & 1) != 0 && node < (uint)_trie.Length)
            {
                value = (int)(_trie[node] & 0x7FFFFFFF);
                used = i + 1;
            }
        }
        if (value < 0 || value >= _texts.Length)
        {
            used = 0;
            return [];
        }
        ReadOnlySpan<byte> from = _texts.AsSpan(value);
        return from[..from.IndexOf((byte)0)];
    }

    // Darts-clone's layout of a unit: the offset in bits 10 to 30, shifted by 8 more where bit 9 is set.
    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & (1u << 9)) >> 6);
}
