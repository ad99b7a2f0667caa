using LayerSteer.Numerics;

namespace LayerSteer.Tests.Formats;

/// <summary>Damages bytes as files are damaged: bits, ends, pieces in the wrong place.</summary>
internal static class FileDamage
{
    public static int Next(ref SplitMix64 random, int below) => (int)(random.NextDouble() * below);

    public static byte[] Of(byte[] original, ref SplitMix64 random)
    {
        byte[] bytes = [.. original];
        int changes = 1 + Next(ref random, 4);
        for (int i = 0; i < changes; i++)
        {
            // Structure lies at both ends of every format, and in all of a configuration.
            int span = Next(ref random, 3) == 0 ? bytes.Length : Math.Min(bytes.Length, 700);
            int at = Next(ref random, 2) == 0 ? Next(ref random, span) : bytes.Length - 1 - Next(ref random, span);
            bytes[at] = Next(ref random, 5) switch
            {
                0 => 0,
                1 => 0xFF,
                2 => (byte)(bytes[at] ^ (1 << Next(ref random, 8))),
                3 => (byte)('0' + Next(ref random, 10)),
                _ => (byte)Next(ref random, 256),
            };
        }

        return Next(ref random, 6) switch
        {
            0 => bytes[..(1 + Next(ref random, bytes.Length - 1))],
            1 => [.. bytes, .. bytes[..Next(ref random, Math.Min(64, bytes.Length))]],
            2 => Moved(bytes, ref random),
            _ => bytes,
        };
    }

    /// <summary>A piece of it written over another.</summary>
    private static byte[] Moved(byte[] bytes, ref SplitMix64 random)
    {
        int length = 1 + Next(ref random, Math.Min(40, bytes.Length));
        byte[] piece = bytes.AsSpan(Next(ref random, bytes.Length - length + 1), length).ToArray();
        piece.CopyTo(bytes, Next(ref random, bytes.Length - length + 1));
        return bytes;
    }
}
