using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LayerSteer.Formats;

/// <summary>
/// Turns raw elements into float32 or int64. Half and bfloat16, which model checkpoints hold, have a vector path.
/// <code>
/// bf16:  the 16 bits are the upper half of the float
/// f16:   |h| shifted to the float's fields, times 2^112 to correct the exponent's bias (exact, subnormals included);
///        exponent 31 (infinity, NaN) becomes exponent 255
/// </code>
/// Each runs once or twice per process, over millions of elements, so waiting for tiered compilation would cost several
/// times the conversion.
/// </summary>
internal static class ElementConversion
{
    private const float HalfScale = 5.192296858534828e33f; // 2^112
    private const uint HalfInfinity = 0x7C00u << 13;

    /// <summary>Converts every element of <paramref name="source"/>; values that do not fit round to nearest.</summary>
    public static void ToSingle(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case TensorType.Bool:
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = source[i] == 0 ? 0 : 1;
                }

                break;
            case TensorType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case TensorType.BF16:
                FromBFloat16(MemoryMarshal.Cast<byte, ushort>(source), MemoryMarshal.Cast<float, uint>(destination));
                break;
            case TensorType.F16:
                FromHalf(MemoryMarshal.Cast<byte, ushort>(source), MemoryMarshal.Cast<float, uint>(destination));
                break;
            case TensorType.F64:
                ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(source);
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = (float)doubles[i];
                }

                break;
            default:
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = Integer(type, source, i);
                }

                break;
        }
    }

    /// <summary>Converts every element of an integer or bool type.</summary>
    public static void ToInt64(TensorType type, ReadOnlySpan<byte> source, Span<long> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = Integer(type, source, i);
        }
    }

    private static long Integer(TensorType type, ReadOnlySpan<byte> source, int index) => type switch
    {
        TensorType.Bool => source[index] == 0 ? 0 : 1,
        TensorType.U8 => source[index],
        TensorType.I8 => (sbyte)source[index],
        TensorType.I16 => MemoryMarshal.Cast<byte, short>(source)[index],
        TensorType.I32 => MemoryMarshal.Cast<byte, int>(source)[index],
        TensorType.I64 => MemoryMarshal.Cast<byte, long>(source)[index],
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an integer type"),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<uint> destination)
    {
        int i = 0;
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source[i..]));
            (low << 16).CopyTo(destination[i..]);
            (high << 16).CopyTo(destination[(i + Vector256<uint>.Count)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = (uint)source[i] << 16;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromHalf(ReadOnlySpan<ushort> source, Span<uint> destination)
    {
        int i = 0;
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source[i..]));
            HalfBits(low).CopyTo(destination[i..]);
            HalfBits(high).CopyTo(destination[(i + Vector256<uint>.Count)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = HalfBits(source[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> HalfBits(Vector256<uint> half)
    {
        Vector256<uint> sign = (half & Vector256.Create(0x8000u)) << 16;
        Vector256<uint> magnitude = (half & Vector256.Create(0x7FFFu)) << 13;
        Vector256<uint> scaled = (magnitude.AsSingle() * HalfScale).AsUInt32();
        Vector256<uint> special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(HalfInfinity));
        return sign | scaled | (special & Vector256.Create(0x7F800000u));
    }

    private static uint HalfBits(uint half)
    {
        uint sign = (half & 0x8000u) << 16;
        uint magnitude = (half & 0x7FFFu) << 13;
        uint scaled = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude) * HalfScale);
        return sign | scaled | (magnitude >= HalfInfinity ? 0x7F800000u : 0);
    }
}
