using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>What a piece is made of before the first merge.</summary>
internal enum BytePairSymbols
{
    /// <summary>Its UTF-8 bytes, each with a token of its own in GPT-2's alphabet.</summary>
    Bytes,

    /// <summary>Its code points.</summary>
    CodePoints,

    /// <summary>Its code points; one without a token is spelled by the tokens <c>&lt;0x00&gt;</c> to
    /// <c>&lt;0xFF&gt;</c>
    /// of its UTF-8 bytes, where all of them are there.</summary>
    CodePointsOrBytes,
}

/// <summary>
/// Byte-pair encoding of one piece: symbols, then <see cref="BytePairMerges"/>. A symbol that the vocabulary lacks
/// becomes the unknown token where the file names one, and is dropped otherwise, as the Hugging Face fast tokenizer
/// does.
/// </summary>
internal sealed class BytePairModel : PieceModel
{
    // Words repeat: the cache takes most of the work out of ordinary text. Full, it stays as it is.
    private const int MaxCachedPieces = 1 << 16;
    private const int MaxCachedLength = 48;

    private readonly BytePairMerges _merges;
    private readonly BytePairSymbols _symbols;
    private readonly int[] _idOfByte = new int[256];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly Dictionary<int, int> _lacking;
    private readonly Dictionary<int, int> _codePointOf;
    private readonly int _size;
    private readonly int _unknownId;
    private readonly bool _fuseUnknown;
    private readonly bool _wholeFirst;
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cached;
    private int _cachedCount;

    /// <param name="vocabulary">Its pieces.</param>
    /// <param name="merges">Its merges.</param>
    /// <param name="symbols">What a piece is made of.</param>
    /// <param name="unknownId">The unknown token; null drops what is not in the vocabulary.</param>
    /// <param name="fuseUnknown">Unknown symbols that touch are one token.</param>
    /// <param name="wholeFirst">A piece that is in the vocabulary is its id, whatever the merges (Llama 3).</param>
    /// <param name="lacking">Code points without a token that merges use, and the symbols, from the vocabulary's size
    /// on, that stand for them there.</param>
    public BytePairModel(
        Vocabulary vocabulary,
        BytePairMerges merges,
        BytePairSymbols symbols,
        int? unknownId,
        bool fuseUnknown,
        bool wholeFirst = false,
        IReadOnlyDictionary<int, int>? lacking = null)
    {
        _merges = merges;
        _symbols = symbols;
        _fuseUnknown = fuseUnknown;
        _wholeFirst = wholeFirst;
        _ids = vocabulary.BySpan();
        _cached = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        _lacking = lacking is null ? [] : new Dictionary<int, int>(lacking);
        _codePointOf = _lacking.ToDictionary(l => l.Value, l => l.Key);
        _size = vocabulary.Size;
        bool complete = true;
        for (int b = 0; b < 256; b++)
        {
            _idOfByte[b] = symbols switch
            {
                BytePairSymbols.Bytes => vocabulary.Find(ByteLevelAlphabet.ToChar((byte)b).ToString()) ?? -1,
                BytePairSymbols.CodePoints => -1,
                _ => vocabulary.Find(ByteToken.Spelled((byte)b)) ?? -1,
            };
            complete &= _idOfByte[b] >= 0;
        }
        _unknownId = complete ? -1 : unknownId ?? -1;
    }

    public override string Identity
    {
        get
        {
            string kind = _symbols switch
            {
                BytePairSymbols.Bytes => "byte-level BPE",
                BytePairSymbols.CodePoints => "BPE",
                _ => "BPE with bytes",
            };
            return $"{kind}; unknown {_unknownId}; fuse {_fuseUnknown && _unknownId >= 0}"
                + (_wholeFirst ? "; whole pieces first" : "")
                + string.Concat(_lacking.Order().Select(l => $"; U+{l.Key:X} {l.Value}"));
        }
    }

    public override void AppendTables(IncrementalHash hash)
    {
        int[] merges = _merges.ByRank();
        if (!BitConverter.IsLittleEndian)
        {
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(merges, merges);
        }
        hash.AppendData(MemoryMarshal.AsBytes(merges.AsSpan()));
    }

    public override PieceEncoder Begin()
    {
        var scratch = new Scratch();
        return (piece, ids) => Encode(piece, ids, scratch);
    }

    private void Encode(ReadOnlySpan<char> piece, List<int> ids, Scratch scratch)
    {
        if (_cached.TryGetValue(piece, out int[]? known))
        {
            ids.AddRange(known.AsSpan());
            return;
        }
        int before = ids.Count;
        if (_wholeFirst && FindWhole(piece) is { } whole)
        {
            ids.Add(whole);
        }
        else
        {
            Merge(piece, ids, scratch);
        }
        if (piece.Length <= MaxCachedLength && Volatile.Read(ref _cachedCount) < MaxCachedPieces
            && _cached.TryAdd(piece, CollectionsMarshal.AsSpan(ids)[before..].ToArray()))
        {
            Interlocked.Increment(ref _cachedCount);
        }
    }

    private int? FindWhole(ReadOnlySpan<char> piece)
    {
        if (_symbols == BytePairSymbols.Bytes)
        {
            piece = ByteLevelAlphabet.Spelled(piece);
        }
        return _ids.TryGetValue(piece, out int id) ? id : null;
    }

    private void Merge(ReadOnlySpan<char> piece, List<int> ids, Scratch scratch)
    {
        int most = Encoding.UTF8.GetMaxByteCount(piece.Length);
        if (scratch.Symbols.Length < most)
        {
            scratch.Bytes = new byte[Math.Max(256, most)];
            scratch.Symbols = new int[scratch.Bytes.Length];
        }
        int count = _symbols == BytePairSymbols.Bytes ? ReadBytes(piece, scratch) : ReadCodePoints(piece, scratch);
        Span<int> symbols = scratch.Symbols.AsSpan(0, count);
        symbols = symbols[.._merges.Apply(symbols, scratch.Merges)];
        if (_lacking.Count == 0)
        {
            ids.AddRange(symbols);
            return;
        }
        bool afterUnknown = false;
        Span<int> spelled = stackalloc int[4];
        foreach (int symbol in symbols)
        {
            if (symbol < _size)
            {
                bool unknown = symbol == _unknownId;
                if (!(unknown && afterUnknown && _fuseUnknown))
                {
                    ids.Add(symbol);
                }
                afterUnknown = unknown;
            }
            else
            {
                // A code point without a token that no merge has taken up.
                foreach (int id in spelled[..Spell(new Rune(_codePointOf[symbol]), spelled, ref afterUnknown)])
                {
                    ids.Add(id);
                }
            }
        }
    }

    private int ReadBytes(ReadOnlySpan<char> piece, Scratch scratch)
    {
        int nBytes = Encoding.UTF8.GetBytes(piece, scratch.Bytes);
        int count = 0;
        bool afterUnknown = false;
        foreach (byte b in scratch.Bytes.AsSpan(0, nBytes))
        {
            int id = _idOfByte[b];
            if (id >= 0)
            {
                scratch.Symbols[count++] = id;
                afterUnknown = false;
            }
            else
            {
                count += SpellUnknown(scratch.Symbols.AsSpan(count), ref afterUnknown);
            }
        }
        return count;
    }

    private int ReadCodePoints(ReadOnlySpan<char> piece, Scratch scratch)
    {
        int count = 0;
        bool afterUnknown = false;
        Span<char> units = stackalloc char[2];
        foreach (Rune rune in piece.EnumerateRunes())
        {
            ReadOnlySpan<char> character = units[..rune.EncodeToUtf16(units)];
            if (_ids.TryGetValue(character, out int id) || _lacking.TryGetValue(rune.Value, out id))
            {
                scratch.Symbols[count++] = id;
                afterUnknown = false;
            }
            else
            {
                count += Spell(rune, scratch.Symbols.AsSpan(count), ref afterUnknown);
            }
        }
        return count;
    }

    // The bytes of a code point that has no token, if all of them have one; otherwise the unknown token.
    private int Spell(Rune rune, Span<int> symbols, ref bool afterUnknown)
    {
        Span<byte> bytes = stackalloc byte[4];
        int nBytes = rune.EncodeToUtf8(bytes);
        for (int i = 0; i < nBytes; i++)
        {
            int id = _idOfByte[bytes[i]];
            if (id < 0)
            {
                return SpellUnknown(symbols, ref afterUnknown);
            }
            symbols[i] = id;
        }
        afterUnknown = false;
        return nBytes;
    }

    private int SpellUnknown(Span<int> symbols, ref bool afterUnknown)
    {
        bool written = _unknownId >= 0 && !(_fuseUnknown && afterUnknown);
        if (written)
        {
            symbols[0] = _unknownId;
        }
        afterUnknown = true;
        return written ? 1 : 0;
    }

    private sealed class Scratch
    {
        public readonly BytePairMerges.Workspace Merges = new();
        public byte[] Bytes = [];
        public int[] Symbols = [];
    }
}
