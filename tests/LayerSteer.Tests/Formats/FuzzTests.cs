using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;

namespace LayerSteer.Tests.Formats;

public class FuzzTests
{
    // A small file may cost a few times its size, the inflated entries, and the chunk buffers of strided reads.
    private const long MostBytes = 64L << 20;

    public static TheoryData<string> Seeds =>
    [
        "sae-formats/openai-topk/autoencoder.pt",
        "sae-formats/openai-topk-strided-cuda/autoencoder.pt",
        "sae-formats/openai-topk-legacy/autoencoder.pt",
        "sae-formats/gemma-scope/params.npz",
        "sae-formats/saelens6-jumprelu/sae_weights.safetensors",
        "sae-formats/golden.npz",
    ];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Damaged_reference_files_are_refused_or_read_but_never_break(string relative)
    {
        Fuzz(File.ReadAllBytes(TestFiles.Golden(relative)), rounds: 300, seed: 1);
    }

    [Fact]
    public void Damaged_tiny_files_are_refused_or_read_but_never_break()
    {
        byte[] six = TempFolder.Floats(1, 2, 3, 4, 5, 6);
        byte[] pickle = Pickle(Dict(
            ("a", Tensor(Storage("0", "FloatStorage", 6), 0, [3, 2], [1, 3])),
            ("k", Int(7)),
            ("d", Dict(("s", Unicode("t"))))));
        byte[] npy = ZipBytes.NpyFloats("(2, 3)", 1, 2, 3, 4, 5, 6);
        Fuzz(Archive(pickle, ("0", six)), rounds: 700, seed: 2);
        Fuzz(
            Legacy(
                Pickle(Dict(("a", Tensor(Storage("0", "FloatStorage", 6), 0, [3, 2], [1, 3])))), ("0", 6, six)),
            rounds: 700,
            seed: 3);
        Fuzz(npy, rounds: 700, seed: 4);
        Fuzz(ZipBytes.Build(new ZipPart("x.npy", npy) { Method = 8 }, new ZipPart("y.npy", npy)), rounds: 700, seed: 5);
        Fuzz(
            SafetensorsReaderTests.Build(
                """{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""", six),
            rounds: 700,
            seed: 6);
    }

    private static void Fuzz(byte[] original, int rounds, int seed)
    {
        using var folder = new TempFolder();
        var random = new Random(seed);
        string path = folder.File("fuzz");
        int refused = 0;
        for (int round = 0; round < rounds; round++)
        {
            File.WriteAllBytes(path, Damaged(original, random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using TensorFile file = TensorFile.Open(path);
                foreach (StoredTensor tensor in file.Tensors.Values)
                {
                    Assert.InRange(tensor.Length, 0, MostBytes);
                    tensor.ToFloats();
                }
            }
            catch (Exception e) when (e is InvalidDataException or NotSupportedException)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
        }

        // Undamaged copies and flipped data are read, so neither outcome may be the only one.
        Assert.InRange(refused, rounds / 10, rounds - 1);
    }

    private static byte[] Damaged(byte[] original, Random random)
    {
        byte[] bytes = (byte[])original.Clone();
        int flips = random.Next(0, 4);
        for (int i = 0; i < flips; i++)
        {
            // Structure lies at the two ends of every format; the middle is data.
            int span = random.Next(3) == 0 ? bytes.Length : Math.Min(bytes.Length, 1500);
            int at = random.Next(2) == 0 ? random.Next(span) : bytes.Length - 1 - random.Next(span);
            bytes[at] = random.Next(4) switch
            {
                0 => 0,
                1 => 0xFF,
                2 => (byte)(bytes[at] ^ (1 << random.Next(8))),
                _ => (byte)random.Next(256),
            };
        }

        return random.Next(4) switch
        {
            0 => bytes[..random.Next(1, bytes.Length)],
            1 when random.Next(2) == 0 => [.. bytes, .. bytes[..random.Next(Math.Min(64, bytes.Length))]],
            _ => bytes,
        };
    }
}
