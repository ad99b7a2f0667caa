using System.Globalization;

namespace LayerSteer.Text;

/// <summary>Tokens that stand for one byte of a character without a token: <c>&lt;0x00&gt;</c> to
/// <c>&lt;0xFF&gt;</c>.</summary>
internal static class ByteToken
{
    /// <summary>The token of a byte, with capital letters as in every vocabulary.</summary>
    public static string Spelled(byte value) => $"<0x{value:X2}>";

    /// <summary>The byte of a token; null if the piece is not such a token.</summary>
    public static byte? ByteOf(string piece) =>
        piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>'
        && byte.TryParse(
            piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : null;
}
