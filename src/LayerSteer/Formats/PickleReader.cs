using System.Buffers.Binary;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>
/// A pickle machine that can only make data. It knows the opcodes that torch.save writes and the global names in
/// <see cref="PickledGlobal"/>; whatever else a pickle asks for is refused by name. Nothing is ever called, imported or
/// looked up by reflection.
/// <para>
/// Results are null, string, long, double, bool, object?[] (tuple), List&lt;object?&gt;, <see cref="PickledDict"/>,
/// <see cref="PickledTensor"/>, <see cref="PickledStorage"/> or <see cref="PickledGlobal"/>. Lists and dicts may
/// contain themselves: whoever walks the result must limit depth and count.
/// </para>
/// </summary>
internal ref struct PickleReader
{
    private static readonly object Mark = new();
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly string _file;
    private readonly ReadOnlySpan<byte> _data;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private readonly PickleBuilder _values;
    private int _at;
    private int _opcodes;

    private PickleReader(
        string file, ReadOnlySpan<byte> data, Dictionary<string, (TensorType Type, long Length)> storages)
    {
        _file = file;
        _data = data;
        _values = new PickleBuilder(file, storages);
    }

    /// <summary>Reads one pickle from the start of the bytes.</summary>
    /// <param name="file">The file name for errors.</param>
    /// <param name="data">The bytes; more may follow the pickle.</param>
    /// <param name="storages">Receives the storages that the pickle names, lengths in elements.</param>
    /// <param name="length">The bytes that the pickle takes.</param>
    /// <exception cref="InvalidDataException">The pickle is damaged or holds anything but data.</exception>
    public static object? Read(
        string file,
        ReadOnlySpan<byte> data,
        Dictionary<string, (TensorType Type, long Length)> storages,
        out int length)
    {
        var reader = new PickleReader(file, data[..Math.Min(data.Length, FormatLimits.Pickle)], storages);
        object? value = reader.Run();
        length = reader._at;
        return value;
    }

    private object? Run()
    {
        while (true)
        {
            int start = _at;
            byte opcode = Take(1)[0];
            if (++_opcodes > FormatLimits.PickleOpcodes)
            {
                throw Bad($"has more than {FormatLimits.PickleOpcodes} opcodes");
            }

            if (opcode == '.')
            {
                object? value = Pop();
                return _stack.Count == 0 ? value : throw Bad($"leaves {_stack.Count} values on its stack");
            }

            Step(opcode, start);
        }
    }

    private void Step(byte opcode, int start)
    {
        switch (opcode)
        {
            case 0x80: // PROTO
                byte protocol = Take(1)[0];
                if (protocol > 5)
                {
                    throw Bad($"has protocol {protocol}, 0 to 5 can be read");
                }

                break;
            case 0x95: // FRAME
                Take(8);
                break;
            case (byte)'(':
                _stack.Add(Mark);
                break;
            case (byte)'N':
                _stack.Add(null);
                break;
            case 0x88: // NEWTRUE
                _stack.Add(true);
                break;
            case 0x89: // NEWFALSE
                _stack.Add(false);
                break;
            case (byte)'K': // BININT1
                _stack.Add((long)Take(1)[0]);
                break;
            case (byte)'M': // BININT2
                _stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                break;
            case (byte)'J': // BININT
                _stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case 0x8A: // LONG1
                _stack.Add(TakeLong());
                break;
            case (byte)'G': // BINFLOAT
                _stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                break;
            case (byte)'X': // BINUNICODE
                _stack.Add(Text(Take(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))));
                break;
            case 0x8C: // SHORT_BINUNICODE
                _stack.Add(Text(Take(Take(1)[0])));
                break;
            case (byte)'U': // SHORT_BINSTRING
            case (byte)'C': // SHORT_BINBYTES
                _stack.Add(Encoding.Latin1.GetString(Take(Take(1)[0])));
                break;
            case (byte)'B': // BINBYTES
                _stack.Add(Encoding.Latin1.GetString(Take(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))));
                break;
            case (byte)'}':
                _stack.Add(_values.NewDict(ordered: false));
                break;
            case (byte)']':
                _stack.Add(_values.NewList());
                break;
            case (byte)')':
                _stack.Add(Array.Empty<object?>());
                break;
            case (byte)'t':
                _stack.Add(_values.Tuple(PopToMark()));
                break;
            case 0x85 or 0x86 or 0x87: // TUPLE1, TUPLE2, TUPLE3
                _stack.Add(_values.Tuple(Pop(opcode - 0x84)));
                break;
            case (byte)'s':
                SetItems(Pop(2));
                break;
            case (byte)'u':
                SetItems(PopToMark());
                break;
            case (byte)'a':
                Append(Pop(1));
                break;
            case (byte)'e':
                Append(PopToMark());
                break;
            case (byte)'q': // BINPUT
                Memoize(Take(1)[0]);
                break;
            case (byte)'r': // LONG_BINPUT
                Memoize(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case 0x94: // MEMOIZE
                Memoize(_memo.Count);
                break;
            case (byte)'h': // BINGET
                Recall(Take(1)[0]);
                break;
            case (byte)'j': // LONG_BINGET
                Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case (byte)'c': // GLOBAL
                string module = Line();
                _stack.Add(_values.Global(module, Line()));
                break;
            case 0x93: // STACK_GLOBAL
                object?[] path = Pop(2);
                _stack.Add(_values.Global(path[0] as string ?? "?", path[1] as string ?? "?"));
                break;
            case (byte)'R':
                object?[] call = Pop(2);
                _stack.Add(_values.Construct(call[0], call[1]));
                break;
            case (byte)'b':
                object? state = Pop();
                _values.Build(_stack.Count == 0 ? null : _stack[^1], state);
                break;
            case (byte)'Q': // BINPERSID
                _stack.Add(_values.Storage(Pop()));
                break;
            default:
                throw Bad(
                    $"uses the opcode {PickleOpcodes.Name(opcode)} at byte {start}; " +
                    "only tensors and plain values can be loaded");
        }
    }

    private void SetItems(object?[] items)
    {
        if (_stack.Count == 0 || _stack[^1] is not PickledDict dict || items.Length % 2 != 0)
        {
            throw Bad("sets items of something that is not a dict");
        }

        for (int i = 0; i < items.Length; i += 2)
        {
            _values.AddItem(dict, items[i], items[i + 1]);
        }
    }

    private void Append(object?[] items)
    {
        if (_stack.Count == 0 || _stack[^1] is not List<object?> list)
        {
            throw Bad("appends to something that is not a list");
        }

        list.AddRange(items);
    }

    private void Memoize(long index)
    {
        if (_stack.Count == 0 || ReferenceEquals(_stack[^1], Mark))
        {
            throw Bad("takes a value from an empty stack");
        }

        _memo[index] = _stack[^1];
    }

    private void Recall(long index) => _stack.Add(_memo.TryGetValue(index, out object? value)
        ? value
        : throw Bad($"recalls value {index}, which it never stored"));

    private object? Pop() => Pop(1)[0];

    private object?[] Pop(int count)
    {
        if (_stack.Count < count)
        {
            throw Bad("takes a value from an empty stack");
        }

        var items = new object?[count];
        _stack.CopyTo(_stack.Count - count, items, 0, count);
        _stack.RemoveRange(_stack.Count - count, count);
        return Array.IndexOf(items, Mark) < 0 ? items : throw Bad("takes a value from an empty stack");
    }

    private object?[] PopToMark()
    {
        int mark = _stack.LastIndexOf(Mark);
        if (mark < 0)
        {
            throw Bad("has no mark where it needs one");
        }

        var items = new object?[_stack.Count - mark - 1];
        _stack.CopyTo(mark + 1, items, 0, items.Length);
        _stack.RemoveRange(mark, _stack.Count - mark);
        return items;
    }

    private long TakeLong()
    {
        ReadOnlySpan<byte> bytes = Take(Take(1)[0]);
        if (bytes.Length > 8)
        {
            throw Bad($"has an integer of {bytes.Length} bytes, at most 8 are read");
        }

        long value = bytes.Length > 0 && bytes[^1] >= 0x80 ? -1 : 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        return value;
    }

    private string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Bad("has a string that is not UTF-8");
        }
    }

    private string Line()
    {
        int length = _data[_at..].IndexOf((byte)'\n');
        if (length is < 0 or > 256)
        {
            throw Bad("has a global name without an end");
        }

        string line = Text(Take(length));
        Take(1);
        return line;
    }

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > _data.Length - _at)
        {
            throw Bad(_data.Length == FormatLimits.Pickle
                ? $"takes more than {FormatLimits.Pickle} bytes"
                : "is cut short");
        }

        ReadOnlySpan<byte> bytes = _data.Slice(_at, (int)count);
        _at += (int)count;
        return bytes;
    }

    private readonly InvalidDataException Bad(string what) => new($"'{_file}': the pickle {what}");
}
