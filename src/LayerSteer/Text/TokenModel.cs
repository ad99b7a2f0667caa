using System.Security.Cryptography;

namespace LayerSteer.Text;

/// <summary>How plain text (normalised, without added tokens) becomes ids.</summary>
internal abstract class TokenModel
{
    /// <summary>
    /// Appends the ids of a stretch of text, which is not empty; <paramref name="atStart"/>: it begins the whole text.
    /// Safe to call from many threads.
    /// </summary>
    public abstract void Encode(ReadOnlySpan<char> text, bool atStart, List<int> ids);

    /// <summary>Adds what, besides the vocabulary, decides the ids.</summary>
    public abstract void AppendIdentity(IncrementalHash hash);
}
