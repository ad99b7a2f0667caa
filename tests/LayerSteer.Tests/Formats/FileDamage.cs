using System.Globalization;
using LayerSteer.Numerics;
using Xunit;

namespace LayerSteer.Tests.Formats;

/// <summary>Damages bytes as files are damaged: bits, ends, pieces in the wrong place.</summary>
internal static class FileDamage
{
    private const int Rounds = 60;
    private const long MostBytes = 64L << 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Damages one of the files, runs, and restores it, again and again: each time it must run or be refused in one line,
    /// soon and without much memory. LAYERSTEER_FUZZ=N runs N rounds.
    /// </summary>
    /// <param name="files">The files.</param>
    /// <param name="seed">Of the damage.</param>
    /// <param name="run">Reads the files and uses what it has read.</param>
    /// <param name="isRefusal">Other exceptions that are refusals; null for none.</param>
    public static void Check(string[] files, ulong seed, Action run, Func<Exception, bool>? isRefusal = null)
    {
        Dictionary<string, byte[]> whole = files.ToDictionary(file => file, File.ReadAllBytes);
        int rounds = int.TryParse(
            Environment.GetEnvironmentVariable("LAYERSTEER_FUZZ"), CultureInfo.InvariantCulture, out int asked)
            ? asked
            : Rounds;
        var random = new SplitMix64(seed);
        int refused = 0;
        for (int round = 0; round < rounds; round++)
        {
            string file = files[Next(ref random, files.Length)];
            File.WriteAllBytes(file, Of(whole[file], ref random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            long started = Environment.TickCount64;
            try
            {
                run();
            }
            catch (Exception e) when (e is InvalidDataException or NotSupportedException || isRefusal?.Invoke(e) == true)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
            Assert.InRange(Environment.TickCount64 - started, 0, (long)Longest.TotalMilliseconds);
            File.WriteAllBytes(file, whole[file]);
        }

        Assert.InRange(refused, rounds / 10, rounds);
    }

    private static int Next(ref SplitMix64 random, int below) => (int)(random.NextDouble() * below);

    private static byte[] Of(byte[] original, ref SplitMix64 random)
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
