using System.Runtime.InteropServices;
using LayerSteer.Numerics;

namespace LayerSteer.Formats;

/// <summary>
/// Writes named tensors to a new file, one after another, without holding them in memory. The file appears under its
/// name when <see cref="Complete"/> returns; disposing without it leaves nothing behind. The same tensors give the same
/// bytes. Not thread-safe.
/// </summary>
public abstract class TensorWriter : IDisposable
{
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private string? _current;
    private TensorType _type;
    private long _left;
    private bool _complete;

    private protected TensorWriter()
    {
    }

    /// <summary>Adds a whole tensor.</summary>
    /// <typeparam name="T">float, double, Half, sbyte, byte, short, int, long or bool; ushort for the raw bits of
    /// bfloat16.</typeparam>
    /// <param name="name">Its name; not empty, not used before.</param>
    /// <param name="shape">The sizes of its dimensions, slowest first; empty for a scalar.</param>
    /// <param name="values">Its elements, row-major, as many as the shape says.</param>
    /// <exception cref="ArgumentException">The name or shape is not valid, or the number of values differs.</exception>
    /// <exception cref="NotSupportedException">The format has no such element type.</exception>
    public void Add<T>(string name, ReadOnlySpan<long> shape, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (!ElementLayout.TryCount(shape, out long count) || count != values.Length)
        {
            throw new ArgumentException(
                $"tensor {name} of shape {Display.Shape(shape)} was given {values.Length} values", nameof(values));
        }

        Begin(name, TypeOf<T>(), shape);
        Append(values);
    }

    /// <summary>Starts a tensor whose elements follow in parts.</summary>
    /// <param name="name">Its name; not empty, not used before.</param>
    /// <param name="type">Its element type.</param>
    /// <param name="shape">The sizes of its dimensions, slowest first; empty for a scalar.</param>
    /// <exception cref="ArgumentException">The name or shape is not valid.</exception>
    /// <exception cref="InvalidOperationException">The tensor before is not whole, or the file is complete.</exception>
    /// <exception cref="NotSupportedException">The format has no such element type.</exception>
    public void Begin(string name, TensorType type, ReadOnlySpan<long> shape)
    {
        CheckNothingOpen();
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!ElementLayout.TryCount(shape, out long count) || shape.Length > FormatLimits.Rank
            || count > long.MaxValue / type.Size())
        {
            throw new ArgumentException($"tensor {name} cannot have the shape {Display.Shape(shape)}", nameof(shape));
        }

        if (name.Length > FormatLimits.NameLength || !_names.Add(name))
        {
            throw new ArgumentException($"the name {Display.Name(name)} is too long or was added before", nameof(name));
        }

        BeginTensor(name, type, shape, count * type.Size());
        (_current, _type, _left) = (name, type, count);
        EndIfWhole();
    }

    /// <summary>Adds the next elements of the tensor that was begun, row-major.</summary>
    /// <typeparam name="T">The type of its elements, as for <see cref="Add"/>.</typeparam>
    /// <param name="values">The elements.</param>
    /// <exception cref="ArgumentException">They are of another type or more than are left.</exception>
    public void Append<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.IsEmpty)
        {
            return;
        }

        if (_current is null || TypeOf<T>() != _type || values.Length > _left)
        {
            throw new ArgumentException(
                _current is null
                    ? "no tensor was begun"
                    : $"tensor {_current} takes {_left} more {_type} elements, not {values.Length} {TypeOf<T>()}",
                nameof(values));
        }

        // A byte count can exceed an int where the element count does not.
        const int Block = 1 << 24;
        for (ReadOnlySpan<T> rest = values; !rest.IsEmpty; rest = rest[Math.Min(Block, rest.Length)..])
        {
            WriteBytes(MemoryMarshal.AsBytes(rest[..Math.Min(Block, rest.Length)]));
        }

        _left -= values.Length;
        EndIfWhole();
    }

    /// <summary>Adds the next elements of a float32 or bfloat16 tensor, rounded to its type.</summary>
    /// <param name="values">The elements.</param>
    /// <exception cref="ArgumentException">The tensor is of another type, or takes fewer.</exception>
    /// <exception cref="NotSupportedException">A value does not fit bfloat16.</exception>
    public void AppendFloats(ReadOnlySpan<float> values)
    {
        if (_current is null || _type != TensorType.BF16)
        {
            Append(values);
            return;
        }

        ushort[] narrow = new ushort[values.Length];
        for (int i = 0; i < narrow.Length; i++)
        {
            narrow[i] = BFloat16.Nearest(values[i]);
        }

        Append<ushort>(narrow);
    }

    /// <summary>Adds a whole tensor of floats, rounded to a type.</summary>
    /// <param name="name">Its name; not empty, not used before.</param>
    /// <param name="type">F32 or BF16.</param>
    /// <param name="shape">The sizes of its dimensions, slowest first.</param>
    /// <param name="values">Its elements, row-major, as many as the shape says.</param>
    /// <exception cref="ArgumentException">The name, shape or type is not valid, or the number differs.</exception>
    /// <exception cref="NotSupportedException">A value does not fit bfloat16.</exception>
    public void AddFloats(string name, TensorType type, ReadOnlySpan<long> shape, ReadOnlySpan<float> values)
    {
        Begin(name, type, shape);
        AppendFloats(values);
    }

    /// <summary>Adds the next elements as their bytes, little-endian, whatever their type.</summary>
    internal void AppendBytes(ReadOnlySpan<byte> bytes)
    {
        int count = bytes.Length / _type.Size();
        if (_current is null || count > _left)
        {
            throw new ArgumentException("more elements than the tensor takes, or none was begun", nameof(bytes));
        }

        WriteBytes(bytes);
        _left -= count;
        EndIfWhole();
    }

    /// <summary>Finishes the file and gives it its name. Nothing can be added afterwards.</summary>
    /// <exception cref="InvalidOperationException">The last tensor is not whole, or this was called before.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Complete()
    {
        CheckNothingOpen();
        Finish();
        _complete = true;
    }

    /// <summary>Deletes what was written unless <see cref="Complete"/> was called.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    private protected abstract void BeginTensor(string name, TensorType type, ReadOnlySpan<long> shape, long bytes);

    private protected abstract void WriteBytes(ReadOnlySpan<byte> bytes);

    private protected abstract void EndTensor();

    private protected abstract void Finish();

    /// <summary>Frees what the writer holds.</summary>
    /// <param name="disposing">True from <see cref="Dispose()"/>.</param>
    protected abstract void Dispose(bool disposing);

    private static TensorType TypeOf<T>()
        where T : unmanaged => default(T) switch
        {
            float => TensorType.F32,
            double => TensorType.F64,
            Half => TensorType.F16,
            ushort => TensorType.BF16,
            bool => TensorType.Bool,
            byte => TensorType.U8,
            sbyte => TensorType.I8,
            short => TensorType.I16,
            int => TensorType.I32,
            long => TensorType.I64,
            _ => throw new ArgumentException($"tensors of {typeof(T).Name} cannot be written"),
        };

    private void CheckNothingOpen()
    {
        if (_complete || _current is not null)
        {
            throw new InvalidOperationException(
                _complete ? "the file is complete" : $"tensor {_current} still takes {_left} elements");
        }
    }

    private void EndIfWhole()
    {
        if (_left == 0)
        {
            _current = null;
            EndTensor();
        }
    }
}
