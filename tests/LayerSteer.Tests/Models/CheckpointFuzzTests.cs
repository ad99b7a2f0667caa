using System.Globalization;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Models;

/// <summary>
/// Damaged checkpoints of every family: what comes of them is a model that runs or one line that says what is wrong,
/// soon and without much memory. LAYERSTEER_FUZZ=N runs N rounds of each.
/// </summary>
public class CheckpointFuzzTests
{
    private const int Rounds = 60;
    private const long MostBytes = 64L << 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    [Theory]
    [MemberData(nameof(TinyFamily.Cases), MemberType = typeof(TinyFamily))]
    public void Damaged_files_are_refused_or_run(string name)
    {
        using TinyFamily tiny = TinyFamily.Create(name);
        tiny.Write();
        string[] files = [tiny.File("config.json"), tiny.File("model.safetensors")];
        Dictionary<string, byte[]> whole = files.ToDictionary(file => file, File.ReadAllBytes);
        int rounds = int.TryParse(
            Environment.GetEnvironmentVariable("LAYERSTEER_FUZZ"), CultureInfo.InvariantCulture, out int asked)
            ? asked
            : Rounds;
        var random = new SplitMix64(815);
        int refused = 0;
        for (int round = 0; round < rounds; round++)
        {
            string file = files[FileDamage.Next(ref random, files.Length)];
            File.WriteAllBytes(file, FileDamage.Of(whole[file], ref random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            long started = Environment.TickCount64;
            try
            {
                using Decoder decoder = Decoder.Load(tiny.Path);
                Passes.Logits(decoder, [1, 0, 2]);
            }
            catch (Exception e) when (e is InvalidDataException or NotSupportedException)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
            catch (ArgumentException e) when (e.Message.StartsWith("token id", StringComparison.Ordinal))
            {
                refused++; // a vocabulary of one or two
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
            Assert.InRange(Environment.TickCount64 - started, 0, (long)Longest.TotalMilliseconds);
            File.WriteAllBytes(file, whole[file]);
        }

        Assert.InRange(refused, rounds / 10, rounds);
    }
}
