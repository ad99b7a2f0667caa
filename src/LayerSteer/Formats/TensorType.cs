namespace LayerSteer.Formats;

/// <summary>The element types that tensor files can hold here. All are little-endian on disk.</summary>
public enum TensorType
{
    /// <summary>One byte, zero is false and anything else is true.</summary>
    Bool,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>IEEE half precision: 5 exponent bits, 10 mantissa bits.</summary>
    F16,

    /// <summary>The upper 16 bits of an IEEE single: 8 exponent bits, 7 mantissa bits.</summary>
    BF16,

    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>IEEE double precision.</summary>
    F64,
}

/// <summary>Sizes and kinds of <see cref="TensorType"/>.</summary>
public static class TensorTypeExtensions
{
    /// <summary>Bytes that one element takes on disk: 1, 2, 4 or 8.</summary>
    /// <param name="type">The element type.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not a member of the enum.</exception>
    public static int Size(this TensorType type) => type switch
    {
        TensorType.Bool or TensorType.U8 or TensorType.I8 => 1,
        TensorType.I16 or TensorType.F16 or TensorType.BF16 => 2,
        TensorType.I32 or TensorType.F32 => 4,
        TensorType.I64 or TensorType.F64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type"),
    };

    /// <summary>Whether the type is F16, BF16, F32 or F64; the others are integers and bool.</summary>
    /// <param name="type">The element type.</param>
    public static bool IsFloat(this TensorType type) => type >= TensorType.F16;
}
