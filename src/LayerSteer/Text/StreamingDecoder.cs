using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Decodes ids one by one into the text that is complete so far. Bytes that only begin a character are held back; all
/// that was returned, one after the other, with <see cref="Flush"/> last, is <see cref="TextTokenizer.Decode"/> of all
/// ids. For one sequence and one thread at a time.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
public sealed class StreamingDecoder(TextTokenizer tokenizer)
{
    private readonly TextTokenizer _tokenizer = tokenizer ?? throw new ArgumentNullException(nameof(tokenizer));
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
    private bool _first = true;

    /// <summary>
    /// Takes the next id and returns the text that it completes, often with what came before; may be empty.
    /// </summary>
    /// <param name="id">In 0..VocabularySize-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is out of range; the decoder is as before.</exception>
    public string Append(int id)
    {
        ReadOnlySpan<byte> bytes = _tokenizer.Bytes(id, _first);
        _first = false;
        return Convert(bytes, flush: false);
    }

    /// <summary>
    /// Ends the sequence: what was held back becomes U+FFFD. The decoder is then ready for another sequence.
    /// </summary>
    public string Flush()
    {
        _first = true;
        return Convert([], flush: true);
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        char[] chars = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length)];
        return new string(chars, 0, _utf8.GetChars(bytes, chars, flush));
    }
}
