namespace LayerSteer.Text;

/// <summary>
/// Gathers lines of a stream into one growing stretch of bytes, within the limits of <see cref="CorpusOptions"/>.
/// </summary>
internal sealed class CorpusLineReader(Stream stream, string file, CorpusOptions options)
{
    private const int BlockBytes = 1 << 18;

    private readonly bool _inflates = stream is not FileStream;
    private byte[] _buffer = new byte[BlockBytes];
    private int _first;
    private int _lineStart;
    private int _lineEnd;
    private int _read;
    private long _total;
    private bool _ended;

    /// <summary>The bytes since <see cref="Clear"/>, without the last line.</summary>
    public ReadOnlySpan<byte> BeforeLine => _buffer.AsSpan(_first, _lineStart - _first);

    /// <summary>The last line, with its line break where it has one; empty at the end of the stream.</summary>
    public ReadOnlySpan<byte> Line => _buffer.AsSpan(_lineStart, _lineEnd - _lineStart);

    /// <summary>Where the last line ends in the (inflated) file, in bytes.</summary>
    public long Position => _total - (_read - _lineEnd);

    /// <summary>Appends the next line; false at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">A limit is passed, or the stream is damaged.</exception>
    public bool Append()
    {
        _lineStart = _lineEnd;
        int searched = _lineEnd - _first;
        while (true)
        {
            int newline = _buffer.AsSpan(_first + searched, _read - _first - searched).IndexOf((byte)'\n');
            if (newline >= 0 || _ended)
            {
                _lineEnd = newline >= 0 ? _first + searched + newline + 1 : _read;
                RequireShort(_lineEnd - _first);
                return _lineEnd > _lineStart;
            }
            searched = _read - _first;
            RequireShort(searched);
            Fill();
        }
    }

    /// <summary>Begins anew after the last line.</summary>
    public void Clear() => _first = _lineStart = _lineEnd;

    private void Fill()
    {
        if (_first > 0)
        {
            _buffer.AsSpan(_first, _read - _first).CopyTo(_buffer);
            (_lineStart, _lineEnd, _read, _first) = (_lineStart - _first, _lineEnd - _first, _read - _first, 0);
        }
        if (_buffer.Length - _read < BlockBytes / 2)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }
        int count;
        try
        {
            count = stream.Read(_buffer, _read, _buffer.Length - _read);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"'{file}': not gzip, or damaged or cut off (after {_total} bytes of text)", e);
        }
        _ended = count == 0;
        _read += count;
        _total += count;
        if (_inflates && _total > options.MaxInflatedBytes)
        {
            throw new InvalidDataException(
                $"'{file}': inflates to more than {options.MaxInflatedBytes} bytes, which is the limit");
        }
    }

    private void RequireShort(int length)
    {
        if (length > options.MaxDocumentBytes)
        {
            throw new InvalidDataException(
                $"'{file}': the document that begins at byte {_total - (_read - _first)} has more than "
                + $"{options.MaxDocumentBytes} bytes, which is the limit; split it");
        }
    }
}
