using System.Diagnostics;
using System.Globalization;
using System.Text;
using LayerSteer.Numerics;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

/// <summary>
/// Damaged files: whatever stands in them, reading ends soon with a tokenizer, InvalidDataException or
/// NotSupportedException. LAYERSTEER_FUZZ=N tries N files of each kind.
/// </summary>
public class TokenizerFuzzTests
{
    private const long MostBytes = 256L << 20;

    private static readonly int Tries = int.TryParse(
        Environment.GetEnvironmentVariable("LAYERSTEER_FUZZ"), NumberStyles.None, CultureInfo.InvariantCulture,
        out int tries) ? tries : 60;

    private static readonly string[] Tokens =
    [
        "null", "true", "-1", "1e9", "99999999999", "\"\"", "\"▁\"", "{}", "[]", "\"Sequence\"", "\"ByteLevel\"", "\"BPE\"",
        "\"Metaspace\"", "(", "[", "\\\\p{L}*", "{1000}", "+", "\"Regex\"", "\"String\"", ",", "}", "]", ":",
    ];

    public static TheoryData<string> Files => [TinyTokenizers.Gemma(), TinyTokenizers.Llama2(),
        TinyTokenizers.Metaspace("first"), TinyTokenizers.Patterned(TinyTokenizers.Llama3Pattern, true)];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_damaged_tokenizer_json_is_read_or_refused(string sound)
    {
        Func<int, int> below = Below(12);
        for (int i = 0; i < Tries; i++)
        {
            Check("tokenizer.json", Mutated(Encoding.UTF8.GetBytes(sound), below, text: true), i);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_damaged_tokenizer_model_is_read_or_refused(int type)
    {
        byte[] sound = new SentencePieceModels
        {
            ModelType = type,
            ByteFallback = true,
            Charsmap = SentencePieceModels.CharsmapOf(("é", "e"), ("ab", "c")),
        }.WithBytes().With(("▁", -1), ("a", -2), ("b", -3), ("ab", -1), ("▁ab", -4)).ToBytes();
        Func<int, int> below = Below(13);
        for (int i = 0; i < Tries; i++)
        {
            Check("tokenizer.model", Mutated(sound, below, text: false), i);
        }
    }

    private static void Check(string name, byte[] file, int number)
    {
        With(new Dictionary<string, string>(), folder =>
        {
            File.WriteAllBytes(Path.Combine(folder, name), file);
            var watch = Stopwatch.StartNew();
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                TextTokenizer tokenizer = TextTokenizer.Load(folder);
                int[] ids = tokenizer.EncodeWithSpecials("the café  inon 123\n😀<s>", null);
                tokenizer.Decode(ids);
            }
            catch (Exception e) when (e is InvalidDataException or NotSupportedException)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < MostBytes, $"file {number} took {allocated} bytes");
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"file {number} took {watch.Elapsed}");
        });
    }

    private static byte[] Mutated(byte[] sound, Func<int, int> below, bool text)
    {
        var bytes = new List<byte>(sound);
        int changes = 1 + below(4);
        for (int i = 0; i < changes && bytes.Count > 0; i++)
        {
            // Half of the changes hit the parts around the vocabulary, which is most of a file.
            int at = below(below(2) == 0 ? bytes.Count : Math.Min(bytes.Count, 1500));
            switch (below(6))
            {
                case 0:
                    bytes[at] = (byte)below(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + below(40)));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, 1 + below(40))));
                    break;
                case 3 when text:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Tokens[below(Tokens.Length)]));
                    break;
                case 3:
                    bytes[at] ^= (byte)(1 << below(8));
                    break;
                case 4:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                default:
                    if (text)
                    {
                        ReplaceValue(bytes, at, Encoding.UTF8.GetBytes(Tokens[below(Tokens.Length)]));
                    }
                    else
                    {
                        bytes.InsertRange(at, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
                    }
                    break;
            }
        }
        return [.. bytes];
    }

    private static Func<int, int> Below(ulong seed)
    {
        var random = new SplitMix64(seed);
        return limit => (int)(random.Next() % (ulong)limit);
    }

    // The value after the next colon, up to a comma or bracket.
    private static void ReplaceValue(List<byte> bytes, int at, byte[] value)
    {
        int colon = bytes.IndexOf((byte)':', at);
        int end = colon < 0 ? -1 : bytes.FindIndex(colon, b => b is (byte)',' or (byte)'}' or (byte)']');
        if (end > 0)
        {
            bytes.RemoveRange(colon + 1, end - colon - 1);
            bytes.InsertRange(colon + 1, value);
        }
    }
}
