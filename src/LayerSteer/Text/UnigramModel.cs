using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// SentencePiece's Unigram model of one piece: the way through it whose scores add up to most (Viterbi, sums in single
/// precision as SentencePiece has them). A character that no piece begins at alone costs ten less than the lowest score
/// and is spelled by its bytes, or becomes the unknown token, one for a run.
/// <code>
/// best[e] = max over pieces p = text[s..e] of best[s] + score(p)
/// </code>
/// </summary>
internal sealed class UnigramModel : PieceModel
{
    private const float UnknownPenalty = 10;

    private readonly Dictionary<long, int> _children = []; // (node, character) -> node; the root is 0
    private readonly List<int> _idOfNode = [-1];
    private readonly float[] _scores;
    private readonly int[]? _idOfByte;
    private readonly int _unknownId;
    private readonly float _unknownScore;

    /// <param name="pieces">Pieces with their ids and scores; only those that a text may become.</param>
    /// <param name="unknownId">The unknown token.</param>
    /// <param name="idOfByte">[256]: the tokens of bytes; null for none.</param>
    public UnigramModel(IReadOnlyList<(string Text, int Id, float Score)> pieces, int unknownId, int[]? idOfByte)
    {
        _unknownId = unknownId;
        _idOfByte = idOfByte;
        _scores = new float[pieces.Max(p => p.Id) + 1];
        foreach ((string text, int id, float score) in pieces)
        {
            int node = 0;
            foreach (char c in text)
            {
                long key = Key(node, c);
                if (!_children.TryGetValue(key, out int child))
                {
                    child = _idOfNode.Count;
                    _children.Add(key, child);
                    _idOfNode.Add(-1);
                }
                node = child;
            }
            _idOfNode[node] = id;
            _scores[id] = score;
        }
        _unknownScore = pieces.Min(p => p.Score) - UnknownPenalty;
    }

    public override string Identity => $"Unigram; unknown {_unknownId}; bytes {_idOfByte is not null}";

    public override void AppendTables(IncrementalHash hash)
    {
        byte[] bytes = new byte[4 * _scores.Length];
        for (int i = 0; i < _scores.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), _scores[i]);
        }
        hash.AppendData(bytes);
    }

    public override PieceEncoder Begin() => Encode;

    private void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        float[] best = new float[piece.Length + 1];
        int[] from = new int[piece.Length + 1];
        int[] by = new int[piece.Length + 1];
        Array.Fill(from, -1);
        from[0] = 0;
        for (int start = 0; start < piece.Length;)
        {
            Rune.DecodeFromUtf16(piece[start..], out _, out int width);
            bool alone = false;
            int node = 0;
            for (int end = start; end < piece.Length && _children.TryGetValue(Key(node, piece[end]), out node);)
            {
                end++;
                if (_idOfNode[node] is >= 0 and int id)
                {
                    Offer(start, end, id, _scores[id]);
                    alone |= end - start == width;
                }
            }
            if (!alone)
            {
                Offer(start, start + width, _unknownId, _unknownScore);
            }
            start += width;
        }
        var ends = new List<int>();
        for (int end = piece.Length; end > 0; end = from[end])
        {
            ends.Add(end);
        }
        ends.Reverse();
        bool afterUnknown = false;
        foreach (int end in ends)
        {
            if (by[end] != _unknownId)
            {
                ids.Add(by[end]);
                afterUnknown = false;
            }
            else if (_idOfByte is not null)
            {
                AppendBytes(piece[from[end]..end], ids);
            }
            else
            {
                if (!afterUnknown)
                {
                    ids.Add(_unknownId);
                }
                afterUnknown = true;
            }
        }

        void Offer(int start, int end, int id, float score)
        {
            float sum = best[start] + score;
            if (from[end] < 0 || sum > best[end])
            {
                (best[end], from[end], by[end]) = (sum, start, id);
            }
        }
    }

    private void AppendBytes(ReadOnlySpan<char> text, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (byte b in bytes[..Encoding.UTF8.GetBytes(text, bytes)])
        {
            ids.Add(_idOfByte![b]);
        }
    }

    private static long Key(int node, char c) => ((long)node << 16) | c;
}
