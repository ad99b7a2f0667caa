using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// BERT's model on normalised text: words at white space, every punctuation code point (any of ASCII's, or category P)
/// on its own; then the longest piece from the left again and again, continuations with their prefix. A word with a
/// stretch that no piece covers, or of more than <c>maxWordLength</c> code points, is the unknown token.
/// </summary>
internal sealed class WordPiece : TokenModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly int _longestPiece;
    private readonly int _unknownId;
    private readonly string _prefix;
    private readonly int _maxWordLength;

    public WordPiece(Vocabulary vocabulary, int unknownId, string continuationPrefix, int maxWordLength)
    {
        _ids = vocabulary.BySpan();
        // A word has at most two UTF-16 units a code point, so no longer piece can match.
        int longest = Enumerable.Range(0, vocabulary.Size).Max(id => vocabulary.Piece(id)?.Length ?? 0);
        _longestPiece = Math.Clamp(longest, 1, 2 * maxWordLength);
        _unknownId = unknownId;
        _prefix = continuationPrefix;
        _maxWordLength = maxWordLength;
    }

    public override void Encode(ReadOnlySpan<char> text, bool atStart, List<int> ids)
    {
        char[] continuation = new char[_prefix.Length + _longestPiece];
        _prefix.CopyTo(continuation);
        int wordStart = 0;
        for (int at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int used);
            bool space = Rune.IsWhiteSpace(rune);
            if (space || IsPunctuation(rune))
            {
                EncodeWord(text[wordStart..at], continuation, ids);
                if (!space)
                {
                    EncodeWord(text.Slice(at, used), continuation, ids);
                }
                wordStart = at + used;
            }
            at += used;
        }
        EncodeWord(text[wordStart..], continuation, ids);
    }

    public override void AppendIdentity(IncrementalHash hash) => hash.AppendData(Encoding.UTF8.GetBytes(
        $"WordPiece; unknown {_unknownId}; prefix '{_prefix}'; longest word {_maxWordLength}\n"));

    private void EncodeWord(ReadOnlySpan<char> word, Span<char> continuation, List<int> ids)
    {
        if (word.IsEmpty)
        {
            return;
        }
        int before = ids.Count;
        if (IsTooLong(word))
        {
            ids.Add(_unknownId);
            return;
        }
        for (int start = 0; start < word.Length;)
        {
            int length = Math.Min(word.Length - start, _longestPiece);
            ReadOnlySpan<char> candidate = word.Slice(start, length);
            if (start > 0)
            {
                candidate.CopyTo(continuation[_prefix.Length..]);
                candidate = continuation[..(_prefix.Length + length)];
            }
            int id;
            while (!_ids.TryGetValue(candidate, out id))
            {
                candidate = candidate[..^1];
                if (--length == 0)
                {
                    ids.RemoveRange(before, ids.Count - before);
                    ids.Add(_unknownId);
                    return;
                }
            }
            ids.Add(id);
            start += length;
        }
    }

    private bool IsTooLong(ReadOnlySpan<char> word)
    {
        if (word.Length <= _maxWordLength)
        {
            return false;
        }
        int codePoints = 0;
        foreach (Rune _ in word.EnumerateRunes())
        {
            codePoints++;
        }
        return codePoints > _maxWordLength;
    }

    private static bool IsPunctuation(Rune rune)
    {
        if (rune.IsAscii)
        {
            return rune.Value > ' ' && rune.Value < 0x7F && !char.IsAsciiLetterOrDigit((char)rune.Value);
        }
        return Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation
            or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation
            or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation
            or UnicodeCategory.OtherPunctuation;
    }
}
