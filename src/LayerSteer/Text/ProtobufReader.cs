using System.Buffers.Binary;

namespace LayerSteer.Text;

/// <summary>
/// Reads the fields of one protobuf message, one after the other; nothing is copied. Every length is checked against
/// what is left.
/// </summary>
/// <param name="bytes">The message.</param>
/// <param name="path">The file, for messages.</param>
internal ref struct ProtobufReader(ReadOnlySpan<byte> bytes, string path)
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    private ReadOnlySpan<byte> _rest = bytes;
    private int _wire;

    /// <summary>The number of the field that <see cref="Next"/> found.</summary>
    public int Field { get; private set; }

    /// <summary>Goes to the next field, of which exactly one Read or Skip must follow; false at the end.</summary>
    public bool Next()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }
        ulong tag = RawVarint();
        Field = tag >> 3 is > 0 and < 1 << 29 ? (int)(tag >> 3) : throw Damaged("a field number that is none");
        _wire = (int)(tag & 7);
        return true;
    }

    /// <summary>An integer or enumeration.</summary>
    public long ReadInteger()
    {
        Expect(Varint);
        return (long)RawVarint();
    }

    /// <summary>A bool.</summary>
    public bool ReadBoolean() => ReadInteger() != 0;

    /// <summary>A float.</summary>
    public float ReadSingle()
    {
        Expect(Fixed32);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>A string, bytes or a message.</summary>
    public ReadOnlySpan<byte> ReadBytes()
    {
        Expect(Bytes);
        return Take(RawVarint());
    }

    /// <summary>Passes over the field.</summary>
    public void Skip()
    {
        switch (_wire)
        {
            case Varint:
                RawVarint();
                break;
            case Fixed64:
                Take(8);
                break;
            case Bytes:
                Take(RawVarint());
                break;
            case Fixed32:
                Take(4);
                break;
            default:
                throw Damaged($"wire type {_wire}");
        }
    }

    private readonly void Expect(int wire)
    {
        if (_wire != wire)
        {
            throw Damaged($"field {Field} with wire type {_wire}, expected {wire}");
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
        {
            throw Damaged($"a field of {length} bytes where {_rest.Length} are left");
        }
        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }

    private ulong RawVarint()
    {
        ulong value = 0;
        for (int i = 0; i < 10 && i < _rest.Length; i++)
        {
            value |= (ulong)(_rest[i] & 0x7F) << (7 * i);
            if (_rest[i] < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return value;
            }
        }
        throw Damaged("a number that does not end");
    }

    private readonly InvalidDataException Damaged(string what) =>
        new($"'{path}': not a SentencePiece model: {what}");
}
