using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// GPT-2's model: pieces by <see cref="Gpt2Scanner"/>, their UTF-8 bytes as symbols, then <see cref="BytePairMerges"/>.
/// A byte that the vocabulary lacks becomes the unknown token where the file names one, and is dropped otherwise, as
/// the Hugging Face fast tokenizer does.
/// </summary>
internal sealed class ByteLevelBpe : TokenModel
{
    // Words repeat: the cache takes most of the work out of ordinary text. Full, it stays as it is.
    private const int MaxCachedPieces = 1 << 16;
    private const int MaxCachedLength = 48;

    private readonly BytePairMerges _merges;
    private readonly int[] _idOfByte = new int[256];
    private readonly int _unknownId;
    private readonly bool _fuseUnknown;
    private readonly bool _addPrefixSpace;
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cached;
    private int _cachedCount;

    public ByteLevelBpe(
        Vocabulary vocabulary, BytePairMerges merges, int? unknownId, bool fuseUnknown, bool addPrefixSpace)
    {
        _merges = merges;
        _fuseUnknown = fuseUnknown;
        _addPrefixSpace = addPrefixSpace;
        _cached = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        bool complete = true;
        for (int b = 0; b < 256; b++)
        {
            _idOfByte[b] = vocabulary.Find(ByteLevelAlphabet.ToChar((byte)b).ToString()) ?? -1;
            complete &= _idOfByte[b] >= 0;
        }
        _unknownId = complete ? -1 : unknownId ?? -1;
    }

    public override void Encode(ReadOnlySpan<char> text, List<int> ids)
    {
        if (_addPrefixSpace && text[0] != ' ')
        {
            text = string.Concat(" ", text);
        }
        var scratch = new Scratch();
        for (int start = 0; start < text.Length;)
        {
            int end = Gpt2Scanner.PieceEnd(text, start);
            EncodePiece(text[start..end], ids, scratch);
            start = end;
        }
    }

    public override byte[] Spell(string piece, bool first) => ByteLevelAlphabet.ToBytes(piece);

    public override void AppendIdentity(IncrementalHash hash)
    {
        hash.AppendData(Encoding.UTF8.GetBytes(
            $"byte-level BPE; unknown {_unknownId}; fuse {_fuseUnknown && _unknownId >= 0}; "
            + $"prefix space {_addPrefixSpace}\n"));
        int[] merges = _merges.ByRank();
        if (!BitConverter.IsLittleEndian)
        {
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(merges, merges);
        }
        hash.AppendData(MemoryMarshal.AsBytes(merges.AsSpan()));
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> ids, Scratch scratch)
    {
        if (_cached.TryGetValue(piece, out int[]? known))
        {
            ids.AddRange(known.AsSpan());
            return;
        }
        ReadOnlySpan<int> merged = Merge(piece, scratch);
        ids.AddRange(merged);
        if (piece.Length <= MaxCachedLength && Volatile.Read(ref _cachedCount) < MaxCachedPieces
            && _cached.TryAdd(piece, merged.ToArray()))
        {
            Interlocked.Increment(ref _cachedCount);
        }
    }

    private ReadOnlySpan<int> Merge(ReadOnlySpan<char> piece, Scratch scratch)
    {
        int most = Encoding.UTF8.GetMaxByteCount(piece.Length);
        if (scratch.Bytes.Length < most)
        {
            scratch.Bytes = new byte[Math.Max(256, most)];
            scratch.Symbols = new int[scratch.Bytes.Length];
        }
        int nBytes = Encoding.UTF8.GetBytes(piece, scratch.Bytes);
        int count = 0;
        bool afterUnknown = false;
        foreach (byte b in scratch.Bytes.AsSpan(0, nBytes))
        {
            int id = _idOfByte[b];
            bool unknown = id < 0;
            if (!unknown)
            {
                scratch.Symbols[count++] = id;
            }
            else if (_unknownId >= 0 && !(_fuseUnknown && afterUnknown))
            {
                scratch.Symbols[count++] = _unknownId;
            }
            afterUnknown = unknown;
        }
        return scratch.Symbols.AsSpan(0, _merges.Apply(scratch.Symbols.AsSpan(0, count), scratch.Merges));
    }

    private sealed class Scratch
    {
        public readonly BytePairMerges.Workspace Merges = new();
        public byte[] Bytes = [];
        public int[] Symbols = [];
    }
}
