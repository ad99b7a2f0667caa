using System.Text;

namespace LayerSteer.Text;

/// <summary>How tokens are spelled in decoded text (tokenizer.json's decoder).</summary>
internal abstract class TokenSpelling
{
    /// <summary>The bytes of a piece; <paramref name="first"/>: nothing was decoded before it.</summary>
    public abstract byte[] Spell(string piece, bool first);

    /// <summary>
    /// The byte that a piece stands for, where runs of such pieces are text only if all their bytes are valid UTF-8.
    /// </summary>
    public virtual byte? ByteOf(string piece) => null;

    /// <summary>A character that is dropped at the beginning of a decoded text, and how many of it at most.</summary>
    public virtual (byte Ascii, int Count) Stripped => (0, 0);
}

/// <summary>GPT-2's alphabet of bytes.</summary>
internal sealed class ByteLevelSpelling : TokenSpelling
{
    public override byte[] Spell(string piece, bool first) => ByteLevelAlphabet.ToBytes(piece);
}

/// <summary>
/// A space between words, none before a continuation, and no clean-up before punctuation.
/// </summary>
/// <param name="prefix">What continuations begin with.</param>
internal sealed class WordPieceSpelling(string prefix) : TokenSpelling
{
    public override byte[] Spell(string piece, bool first)
    {
        bool continues = piece.StartsWith(prefix, StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(first ? piece : continues ? piece[prefix.Length..] : " " + piece);
    }
}

/// <summary>
/// Pieces of text with replacements in each, bytes as tokens, and a stripped beginning (SentencePiece's vocabularies).
/// </summary>
/// <param name="replacements">Applied to each piece in this order; texts, not expressions.</param>
/// <param name="firstDrops">A mark that becomes a space, and in the first piece nothing; null for none.</param>
/// <param name="bytes">Whether <c>&lt;0x0A&gt;</c> is a byte.</param>
/// <param name="stripped">How many spaces are dropped at the beginning.</param>
internal sealed class MarkedSpelling(
    IReadOnlyList<(string Old, string New)> replacements, char? firstDrops, bool bytes, int stripped) : TokenSpelling
{
    public override (byte Ascii, int Count) Stripped => ((byte)' ', stripped);

    public override byte[] Spell(string piece, bool first)
    {
        foreach ((string old, string replacement) in replacements)
        {
            piece = piece.Replace(old, replacement, StringComparison.Ordinal);
        }
        if (firstDrops is { } mark)
        {
            piece = piece.Replace(mark.ToString(), first ? "" : " ", StringComparison.Ordinal);
        }
        return Encoding.UTF8.GetBytes(piece);
    }

    public override byte? ByteOf(string piece) => bytes ? ByteToken.ByteOf(piece) : null;
}
