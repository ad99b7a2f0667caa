using System.Buffers;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Decodes ids one by one into the text that is complete so far. Bytes that only begin a character are held back, and
/// so are tokens of single bytes (<c>&lt;0x0A&gt;</c>) until another token follows; all that was returned, one after
/// the other, with <see cref="Flush"/> last, is <see cref="TextTokenizer.Decode"/> of all ids. For one sequence and
/// one thread at a time.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
/// <param name="continues">
/// The ids continue others: the first keeps the space that Llama's and BERT's tokenizers drop at the beginning of a
/// text. The text after a prompt is then what follows the prompt's own.
/// </param>
public sealed class StreamingDecoder(TextTokenizer tokenizer, bool continues = false)
{
    private readonly SpelledSequence _spelling =
        new(tokenizer ?? throw new ArgumentNullException(nameof(tokenizer)), continues);
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    /// <summary>
    /// Takes the next id and returns the text that it completes, often with what came before; may be empty.
    /// </summary>
    /// <param name="id">In 0..VocabularySize-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is out of range; the decoder is as before.</exception>
    public string Append(int id)
    {
        _spelling.Append(id, _bytes);
        return Converted(flush: false);
    }

    /// <summary>
    /// Ends the sequence: what was held back becomes text or U+FFFD. The decoder is then ready for another sequence.
    /// </summary>
    public string Flush()
    {
        _spelling.Flush(_bytes);
        return Converted(flush: true);
    }

    private string Converted(bool flush)
    {
        ReadOnlySpan<byte> bytes = _bytes.WrittenSpan;
        char[] chars = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length)];
        string text = new(chars, 0, _utf8.GetChars(bytes, chars, flush));
        _bytes.ResetWrittenCount();
        return text;
    }
}
