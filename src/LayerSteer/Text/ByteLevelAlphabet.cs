using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// GPT-2's spelling of bytes as printable characters: 0x21–0x7E, 0xA1–0xAC and 0xAE–0xFF are themselves, the other
/// 68 bytes in increasing order are U+0100, U+0101, … (so a space is 'Ġ' and a newline 'Ċ').
/// </summary>
internal static class ByteLevelAlphabet
{
    private const int ShiftedBytes = 68;

    private static readonly char[] CharOfByte = BuildChars();
    private static readonly short[] ByteOfChar = BuildBytes();
    private static readonly int[] IdOfByte = BuildIds();

    public static char ToChar(byte value) => CharOfByte[value];

    /// <summary>GPT-2's id of a byte: its place when all are sorted by their characters.</summary>
    public static int IdOf(byte value) => IdOfByte[value];

    /// <summary>[256]: the characters in the order of GPT-2's ids.</summary>
    public static IEnumerable<string> ById() => CharOfByte.Order().Select(c => c.ToString());

    /// <summary>A text's UTF-8 bytes in the alphabet.</summary>
    public static char[] Spelled(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return Array.ConvertAll(bytes, ToChar);
    }

    /// <summary>
    /// The bytes that a piece stands for; a piece with a character outside the alphabet stands for its own text.
    /// </summary>
    public static byte[] ToBytes(string piece)
    {
        byte[] bytes = new byte[piece.Length];
        for (int i = 0; i < piece.Length; i++)
        {
            int value = piece[i] < ByteOfChar.Length ? ByteOfChar[piece[i]] : -1;
            if (value < 0)
            {
                return Encoding.UTF8.GetBytes(piece);
            }
            bytes[i] = (byte)value;
        }
        return bytes;
    }

    private static char[] BuildChars()
    {
        char[] chars = new char[256];
        int shifted = 0;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            chars[b] = (char)(printable ? b : 0x100 + shifted++);
        }
        return chars;
    }

    private static short[] BuildBytes()
    {
        short[] bytes = new short[0x100 + ShiftedBytes];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++)
        {
            bytes[CharOfByte[b]] = (short)b;
        }
        return bytes;
    }

    private static int[] BuildIds()
    {
        char[] sorted = [.. CharOfByte.Order()];
        return [.. CharOfByte.Select(c => Array.IndexOf(sorted, c))];
    }
}
