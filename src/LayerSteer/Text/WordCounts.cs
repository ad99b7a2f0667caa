using System.Runtime.InteropServices;
using System.Text;

namespace LayerSteer.Text;

/// <summary>How often each word (a piece of <see cref="Gpt2Scanner"/>) occurs in texts.</summary>
internal sealed class WordCounts
{
    private readonly int _maxWordBytes;
    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    public WordCounts(int maxWordBytes)
    {
        _maxWordBytes = maxWordBytes;
        _bySpan = _counts.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Texts added.</summary>
    public long Documents { get; private set; }

    /// <summary>Their size as UTF-8.</summary>
    public long TextBytes { get; private set; }

    /// <summary>Bytes of words that were too long to be counted.</summary>
    public long LeftOutBytes { get; private set; }

    /// <summary>The words, and how often each was there.</summary>
    public IReadOnlyCollection<KeyValuePair<string, long>> Words => _counts;

    public void Add(string text)
    {
        Documents++;
        TextBytes += Encoding.UTF8.GetByteCount(text);
        ReadOnlySpan<char> span = text;
        for (int start = 0; start < span.Length;)
        {
            int end = Gpt2Scanner.PieceEnd(span, start);
            ReadOnlySpan<char> word = span[start..end];
            start = end;

            // A UTF-16 unit is at most three bytes, so most words need no count of their bytes.
            if (word.Length * 3L > _maxWordBytes && Encoding.UTF8.GetByteCount(word) is int bytes
                && bytes > _maxWordBytes)
            {
                LeftOutBytes += bytes;
                continue;
            }
            CollectionsMarshal.GetValueRefOrAddDefault(_bySpan, word, out _)++;
        }
    }
}
