using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace LayerSteer.Text;

/// <summary>
/// The bytes of the text that ids stand for, one id after the other. Tokens that are single bytes are held back until
/// another token or the end follows: only a run that is valid UTF-8 as a whole is text, in any other each byte is
/// U+FFFD, as in the Hugging Face fast tokenizer.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
/// <param name="continues">The ids go on from others, so that nothing is special about the first.</param>
internal sealed class SpelledSequence(TextTokenizer tokenizer, bool continues)
{
    private readonly List<byte> _run = [];
    private bool _first = !continues;
    private int _toStrip = continues ? 0 : tokenizer.Spelling.Stripped.Count;

    public void Append(int id, ArrayBufferWriter<byte> output)
    {
        if (tokenizer.ByteOf(id) is { } value)
        {
            _run.Add(value);
        }
        else
        {
            ReadOnlySpan<byte> bytes = tokenizer.Bytes(id, _first);
            EndRun(output);
            Write(bytes, output);
        }
        _first = false;
    }

    /// <summary>Ends the sequence; the next id begins another, or continues as this one did.</summary>
    public void Flush(ArrayBufferWriter<byte> output)
    {
        EndRun(output);
        _first = !continues;
        _toStrip = continues ? 0 : tokenizer.Spelling.Stripped.Count;
    }

    private void EndRun(ArrayBufferWriter<byte> output)
    {
        if (_run.Count == 0)
        {
            return;
        }
        byte[] run = [.. _run];
        _run.Clear();
        Write(Utf8.IsValid(run) ? run : Encoding.UTF8.GetBytes(new string('\uFFFD', run.Length)), output);
    }

    private void Write(ReadOnlySpan<byte> bytes, ArrayBufferWriter<byte> output)
    {
        for (; _toStrip > 0 && !bytes.IsEmpty; _toStrip--)
        {
            if (bytes[0] != tokenizer.Spelling.Stripped.Ascii)
            {
                _toStrip = 0;
                break;
            }
            bytes = bytes[1..];
        }
        output.Write(bytes);
    }
}
