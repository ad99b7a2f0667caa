using System.Buffers;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// SentencePiece's normaliser: the replacements of its charsmap; spaces at the ends dropped and runs of them made one
/// (where the model asks for it); one in front (add_dummy_prefix); spaces written as U+2581.
/// </summary>
/// <param name="Charsmap">Replacements; null for none (identity).</param>
/// <param name="Digest">Names the charsmap, for digests.</param>
/// <param name="AddDummyPrefix">A space in front of a text that is not empty.</param>
/// <param name="RemoveExtraSpaces">Spaces at the ends and doubled ones go.</param>
/// <param name="UserDefined">Pieces that are taken as they stand, whatever the charsmap says of them.</param>
internal sealed record SentencePieceNormalizer(
    Charsmap? Charsmap, string Digest, bool AddDummyPrefix, bool RemoveExtraSpaces, AddedTokenMatcher? UserDefined)
    : Normalizer
{
    public const char Mark = '\u2581';

    private static readonly byte[] MarkBytes = Encoding.UTF8.GetBytes(Mark.ToString());

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        if (Charsmap is null && !RemoveExtraSpaces)
        {
            return text.IsEmpty ? text : Marked(text);
        }
        var output = new ArrayBufferWriter<byte>(text.Length + 16);
        bool afterSpace = RemoveExtraSpaces; // spaces at the beginning go
        bool any = !RemoveExtraSpaces && !text.IsEmpty;
        if (any && AddDummyPrefix)
        {
            output.Write(MarkBytes);
        }
        int at = 0;
        while (UserDefined is not null && UserDefined.TryFind(text, at, out int start, out int end, out _))
        {
            Replace(text[at..start], output, ref afterSpace, ref any);
            Append(Encoding.UTF8.GetBytes(text[start..end].ToString()), output, ref afterSpace, ref any);
            at = end;
        }
        Replace(text[at..], output, ref afterSpace, ref any);
        ReadOnlySpan<byte> written = output.WrittenSpan;
        while (RemoveExtraSpaces && written.EndsWith(MarkBytes))
        {
            written = written[..^MarkBytes.Length];
        }
        return Encoding.UTF8.GetString(written);
    }

    public override string ToString() =>
        $"SentencePiece {Digest}; prefix {AddDummyPrefix}; fewer spaces {RemoveExtraSpaces}";

    private char[] Marked(ReadOnlySpan<char> text)
    {
        int prefix = AddDummyPrefix ? 1 : 0;
        char[] marked = new char[text.Length + prefix];
        marked[0] = Mark;
        text.Replace(marked.AsSpan(prefix), ' ', Mark);
        return marked;
    }

    private void Replace(ReadOnlySpan<char> text, ArrayBufferWriter<byte> output, ref bool afterSpace, ref bool any)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString()); // a lone surrogate becomes U+FFFD
        ReadOnlySpan<byte> rest = bytes;
        while (!rest.IsEmpty)
        {
            int used = 0;
            ReadOnlySpan<byte> replaced = Charsmap is null ? [] : Charsmap.Longest(rest, out used);
            if (used == 0)
            {
                Rune.DecodeFromUtf8(rest, out _, out used);
                replaced = rest[..used];
            }
            Append(replaced, output, ref afterSpace, ref any);
            rest = rest[used..];
        }
    }

    // A replacement may be empty, a space, or hold spaces.
    private void Append(ReadOnlySpan<byte> bytes, ArrayBufferWriter<byte> output, ref bool afterSpace, ref bool any)
    {
        while (afterSpace && bytes is [(byte)' ', ..])
        {
            bytes = bytes[1..];
        }
        if (bytes.IsEmpty)
        {
            return;
        }
        if (!any && AddDummyPrefix)
        {
            output.Write(MarkBytes);
        }
        any = true;
        afterSpace = RemoveExtraSpaces && bytes[^1] == ' ';
        for (int space; (space = bytes.IndexOf((byte)' ')) >= 0; bytes = bytes[(space + 1)..])
        {
            output.Write(bytes[..space]);
            output.Write(MarkBytes);
        }
        output.Write(bytes);
    }
}
