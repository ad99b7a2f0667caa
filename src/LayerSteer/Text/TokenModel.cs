using System.Security.Cryptography;

namespace LayerSteer.Text;

/// <summary>
/// How plain text (normalised, without added tokens) becomes ids, and how a piece is spelled in decoded text.
/// </summary>
internal abstract class TokenModel
{
    /// <summary>Appends the ids of a stretch of text; safe to call from many threads.</summary>
    public abstract void Encode(ReadOnlySpan<char> text, List<int> ids);

    /// <summary>
    /// The bytes of a piece in decoded text; <paramref name="first"/>: nothing was decoded before it.
    /// </summary>
    public abstract byte[] Spell(string piece, bool first);

    /// <summary>Adds what, besides the vocabulary, decides the ids.</summary>
    public abstract void AppendIdentity(IncrementalHash hash);
}
