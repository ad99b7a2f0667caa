namespace LayerSteer.Numerics;

/// <summary>bfloat16: the upper half of a float.</summary>
internal static class BFloat16
{
    /// <summary>As a float, exactly.</summary>
    public static float Widen(ushort value) => BitConverter.Int32BitsToSingle(value << 16);

    /// <summary>The nearest bfloat16, ties to even.</summary>
    /// <exception cref="NotSupportedException">The value does not fit: it is too large, or not finite.</exception>
    public static ushort Nearest(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        ushort nearest = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        return float.IsFinite(Widen(nearest))
            ? nearest
            : throw new NotSupportedException(
                FormattableString.Invariant($"a weight of {value} does not fit bfloat16; use f32"));
    }
}
