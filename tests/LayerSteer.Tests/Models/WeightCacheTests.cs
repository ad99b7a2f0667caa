using System.Buffers.Binary;
using System.Globalization;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Tests.Autoencoders;
using LayerSteer.Tests.Formats;
using LayerSteer.Tests.Numerics;
using Xunit;
using Encoding = System.Text.Encoding;

namespace LayerSteer.Tests.Models;

/// <summary>
/// Loads through the cache. That a matrix was not read again is shown by a file whose matrices have become NaN, with
/// its size and time kept: reading them would be refused.
/// </summary>
public sealed class WeightCacheTests : IDisposable
{
    private static readonly DateTime Long = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
    private static readonly int[] Ids = TinyModel.Ids(5, 20);

    private readonly TempFolder _cache = new();
    private readonly TinyModel _tiny = new();

    [Theory]
    [InlineData(null)]
    [InlineData(WeightType.F32)]
    [InlineData(WeightType.BF16)]
    [InlineData(WeightType.I8)]
    public void A_second_load_has_the_same_bits_and_reads_no_matrix(WeightType? type)
    {
        LoadOptions options = Cached() with { Type = type };
        float[] first = Logits(options);
        Spoil();
        Assert.Throws<InvalidDataException>(() => _tiny.Load(options with { CacheFolder = null }).Dispose());
        Bits.Same(first, Logits(options), "logits");
        string name = Path.GetFileName(Assert.Single(Packed()));
        Assert.Matches($"^model-[0-9a-f]{{64}}-{WeightTypes.NameOf(type ?? WeightType.F32)}\\.safetensors$", name);
    }

    [Fact]
    public void What_is_mapped_has_the_bits_of_what_was_packed()
    {
        float[] uncached = Logits(new LoadOptions());
        LoadOptions options = Cached();
        Bits.Same(uncached, Logits(options), "packed now");
        Bits.Same(uncached, Logits(options), "mapped");
    }

    [Fact]
    public void Each_type_is_kept_apart()
    {
        foreach (WeightType type in Enum.GetValues<WeightType>())
        {
            Logits(Cached() with { Type = type });
        }

        Assert.Equal(3, Packed().Length);
    }

    [Fact]
    public void A_second_load_leaves_the_packed_file_as_it_is_but_for_its_time()
    {
        Logits(Cached());
        string path = Assert.Single(Packed());
        byte[] bytes = File.ReadAllBytes(path);
        File.SetLastWriteTimeUtc(path, Long);
        Logits(Cached());
        Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.True(DateTime.UtcNow - File.GetLastWriteTimeUtc(path) < TimeSpan.FromMinutes(5));
    }

    [Fact]
    public void A_changed_checkpoint_is_packed_anew()
    {
        float[] before = Logits(Cached());
        _tiny.Tensors["wte.weight"].Values[3] += 1f;
        Write(Long.AddSeconds(1));
        float[] after = Logits(Cached());
        Bits.Same(Logits(new LoadOptions()), after, "logits");
        Assert.NotEqual(before, after);
        Assert.Equal(2, Packed().Length);
    }

    [Fact]
    public void A_checkpoint_written_just_now_is_hashed_again_at_the_next_load()
    {
        Write(Long);
        File.SetLastWriteTimeUtc(_tiny.File("model.safetensors"), DateTime.UtcNow);
        float[] before = Logits(Cached(), write: false);
        DateTime written = File.GetLastWriteTimeUtc(_tiny.File("model.safetensors"));
        _tiny.Tensors["wte.weight"].Values[3] += 1f;
        Write(written);
        Assert.NotEqual(before, Logits(Cached(), write: false));
    }

    [Theory]
    [InlineData("cut short")]
    [InlineData("empty")]
    [InlineData("garbage")]
    [InlineData("an archive")]
    [InlineData("another version")]
    [InlineData("another digest")]
    [InlineData("another type")]
    [InlineData("more metadata")]
    [InlineData("another name")]
    [InlineData("another length")]
    [InlineData("one piece less")]
    [InlineData("one piece more")]
    [InlineData("floats")]
    [InlineData("not aligned")]
    public void A_packed_file_that_is_not_as_expected_is_packed_anew_and_replaced(string damage)
    {
        float[] first = Logits(Cached());
        string path = Assert.Single(Packed());
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, Damaged(whole, damage));
        Bits.Same(first, Logits(Cached()), "logits");
        Assert.Equal(whole, File.ReadAllBytes(path));
        Assert.Equal([path], Packed());
    }

    [Fact]
    public void A_cache_folder_that_cannot_be_made_is_noted_and_the_model_loads()
    {
        string file = _cache.Write("a file", [1]);
        var notes = new List<string>();
        float[] logits = Logits(Cached() with { CacheFolder = file, Note = notes.Add });
        Bits.Same(Logits(new LoadOptions()), logits, "logits");
        string note = Assert.Single(notes);
        Assert.StartsWith($"'{file}': packed weights cannot be kept (", note, StringComparison.Ordinal);
        Assert.EndsWith("); the next start packs them again", note, StringComparison.Ordinal);
        Assert.Equal([1], File.ReadAllBytes(file));
    }

    [Fact]
    public void Several_loads_at_once_all_succeed()
    {
        Write(Long);
        float[] expected = Logits(new LoadOptions(), write: false);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
            Bits.Same(expected, Logits(Cached(), write: false), "logits"));
        Assert.Single(Packed());
    }

    [Fact]
    public void A_packed_file_may_be_replaced_and_deleted_while_it_is_mapped()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows keeps mapped files");
        float[] first = Logits(Cached());
        using Decoder decoder = _tiny.Load(Cached());
        string path = Assert.Single(Packed());
        AtomicFile.Write(path, stream => stream.Write(new byte[100]));
        File.Delete(path);
        Bits.Same(first, Passes.Logits(decoder, Ids), "logits");
    }

    [Fact]
    public void Nothing_is_kept_of_a_small_checkpoint()
    {
        Write(Long);
        using Decoder decoder = _tiny.Load(new LoadOptions { CacheFolder = _cache.Path });
        Assert.Equal(64, decoder.Digest.Length);
        Assert.Empty(Directory.GetFileSystemEntries(_cache.Path));
    }

    [Fact]
    public void What_an_abandoned_load_left_is_removed_by_a_later_one()
    {
        string folder = Directory.CreateDirectory(_cache.File("packed")).FullName;
        string old = Path.Combine(folder, ".tmp-old");
        string young = Path.Combine(folder, ".tmp-young");
        File.WriteAllText(old, "x");
        File.WriteAllText(young, "x");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));
        Logits(Cached());
        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young));
    }

    [Fact]
    public void An_autoencoder_is_kept_too()
    {
        using var tiny = new TinyAutoencoder(SaeActivationKind.TopK);
        float[] x = RandomFloats.Of(9, TinyModel.DModel, 1f);
        string path = Path.Combine(tiny.Path, "autoencoder.safetensors");
        float[] Load()
        {
            using SparseAutoencoder autoencoder = OpenAiAutoencoder.Load(tiny.Path, Cached());
            EncodedRows rows = autoencoder.CreateRows(1);
            autoencoder.Encode(x, 1, rows);
            var latents = new SparseLatents();
            rows.Activate(0, latents);
            float[] reconstruction = new float[TinyModel.DModel];
            autoencoder.Decode(latents, rows.Scales[0], reconstruction);
            return [.. rows.PreActivations(0), .. reconstruction];
        }

        tiny.Write("autoencoder.safetensors");
        File.SetLastWriteTimeUtc(path, Long);
        float[] first = Load();
        Array.Fill(tiny.Tensors["encoder.weight"].Values, float.NaN);
        Array.Fill(tiny.Tensors["decoder.weight"].Values, float.NaN);
        tiny.Write("autoencoder.safetensors");
        File.SetLastWriteTimeUtc(path, Long);
        Bits.Same(first, Load(), "pre-activations and reconstruction");
        Assert.StartsWith("autoencoder-", Path.GetFileName(Assert.Single(Packed())), StringComparison.Ordinal);
    }

    [Fact]
    public void A_sentence_encoder_is_kept_too()
    {
        using var copy = new TempFolder();
        string source = Path.Combine(TestFiles.Root, "samples", "tiny", "encoder");
        foreach (string file in Directory.GetFiles(source))
        {
            File.Copy(file, copy.File(Path.GetFileName(file)));
            File.SetLastWriteTimeUtc(copy.File(Path.GetFileName(file)), Long);
        }

        float[] Embed(LoadOptions options)
        {
            using SentenceEncoder encoder = SentenceEncoder.Load(copy.Path, options);
            int[] window = encoder.Tokenizer.EncodeWithSpecials("The doctor listened.", null);
            return encoder.Embed([window], TestContext.Current.CancellationToken)[0];
        }

        float[] first = Embed(Cached());
        SpoilMatrices(copy.File("model.safetensors"), name => name.EndsWith("query.weight", StringComparison.Ordinal)
            || name.EndsWith("word_embeddings.weight", StringComparison.Ordinal));
        Assert.Throws<InvalidDataException>(() => Embed(new LoadOptions()));
        Bits.Same(first, Embed(Cached()), "embedding");
        Assert.StartsWith("sentence-encoder-", Path.GetFileName(Assert.Single(Packed())), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _tiny.Dispose();
        _cache.Dispose();
    }

    private LoadOptions Cached() => new() { CacheFolder = _cache.Path, CachedFrom = 0 };

    private string[] Packed() => Directory.Exists(_cache.File("packed"))
        ? Directory.GetFiles(_cache.File("packed"), "*.safetensors")
        : [];

    /// <summary>Writes the checkpoint as it is now, with a time.</summary>
    private void Write(DateTime written)
    {
        _tiny.WriteConfig();
        _tiny.WriteTensors("model.safetensors", _tiny.Tensors.Keys);
        File.SetLastWriteTimeUtc(_tiny.File("config.json"), Long);
        File.SetLastWriteTimeUtc(_tiny.File("model.safetensors"), written);
    }

    private float[] Logits(LoadOptions options, bool write = true)
    {
        if (write && !File.Exists(_tiny.File("model.safetensors")))
        {
            Write(Long);
        }

        using Decoder decoder = _tiny.Load(options);
        return Passes.Logits(decoder, Ids);
    }

    /// <summary>Makes every matrix of the model NaN behind the back of size and time.</summary>
    private void Spoil() => SpoilMatrices(
        _tiny.File("model.safetensors"),
        name => name == "wte.weight" || name.Contains(".attn.c_", StringComparison.Ordinal)
            || name.Contains(".mlp.c_", StringComparison.Ordinal));

    private static void SpoilMatrices(string path, Func<string, bool> chosen)
    {
        DateTime written = File.GetLastWriteTimeUtc(path);
        byte[] bytes = File.ReadAllBytes(path);
        using (TensorFile file = TensorFile.Open(path))
        {
            foreach (StoredTensor tensor in file.Tensors.Values.Where(t => t.Shape.Count == 2 && chosen(t.Name)))
            {
                bytes.AsSpan((int)tensor.Bytes.Offset, (int)tensor.Bytes.Length).Fill(0xFF);
            }
        }

        File.WriteAllBytes(path, bytes);
        File.SetLastWriteTimeUtc(path, written);
    }

    private static byte[] Damaged(byte[] whole, string damage)
    {
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        string header = Encoding.UTF8.GetString(whole, 8, headerLength);
        byte[] data = whole[(8 + headerLength)..];
        byte[] With(string changed, byte[] rest)
        {
            byte[] text = Encoding.UTF8.GetBytes(changed.TrimEnd());
            int padding = -(8 + text.Length) & 63;
            byte[] spaces = [.. Enumerable.Repeat((byte)' ', padding)];
            return TempFolder.Concat(TempFolder.U64(text.Length + padding), text, spaces, rest);
        }

        string Changed(string from, string to)
        {
            Assert.Contains(from, header, StringComparison.Ordinal);
            return header.Replace(from, to, StringComparison.Ordinal);
        }

        const string First = "\"h.0.attn.c_attn\"";
        string last = header.TrimEnd()[..^1];
        return damage switch
        {
            "cut short" => whole[..^64],
            "empty" => [],
            "garbage" => [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7))],
            "an archive" => TempFolder.Ascii("PK\x05\x06" + new string('\0', 18)),
            "another version" => With(Changed("\"version\":\"1\"", "\"version\":\"2\""), data),
            "another digest" => With(Changed("\"digest\":\"", "\"digest\":\"0"), data),
            "another type" => With(Changed("\"dtype\":\"f32\"", "\"dtype\":\"int8\""), data),
            "more metadata" => With(Changed("\"version\":\"1\"", "\"version\":\"1\",\"x\":\"y\""), data),
            "another name" => With(Changed(First, "\"h.0.attn.c_attm\""), data),
            "another length" => With(LastOf64(header, out int begin), data[..(begin + 64)]),
            "one piece less" => With(OnePieceLess(header, out int start), data[..start]),
            "one piece more" => With(
                $"{last},\"z\":{Piece(data.Length)}}}",
                [.. data, .. new byte[64]]),
            "floats" => With(FirstAsFloats(header), data),
            _ => TempFolder.Concat(TempFolder.U64(headerLength + 1), TempFolder.Ascii(header + " "), data),
        };
    }

    /// <summary>The header with the last piece of 64 bytes only.</summary>
    private static string LastOf64(string header, out int start)
    {
        string less = OnePieceLess(header, out start);
        return $"{less[..^1]},\"wte.weight\":{Piece(start)}}}";
    }

    private static string Piece(int start) =>
        $"{{\"dtype\":\"U8\",\"shape\":[64],\"data_offsets\":[{start},{start + 64}]}}";

    /// <summary>The header without the last piece.</summary>
    private static string OnePieceLess(string header, out int start)
    {
        int body = header.LastIndexOf("{\"dtype\"", StringComparison.Ordinal);
        int at = header.LastIndexOf(",\"", body, StringComparison.Ordinal);
        string offsets = header[(header.LastIndexOf('[') + 1)..];
        start = int.Parse(offsets[..offsets.IndexOf(',', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
        return header[..at] + "}";
    }

    /// <summary>The header with the first piece as float32, of as many bytes.</summary>
    private static string FirstAsFloats(string header)
    {
        int shape = header.IndexOf("\"shape\":[", StringComparison.Ordinal) + "\"shape\":[".Length;
        int end = header.IndexOf(']', shape);
        int bytes = int.Parse(header[shape..end], CultureInfo.InvariantCulture);
        string changed = header[..shape] + bytes / sizeof(float) + header[end..];
        int type = changed.IndexOf("\"U8\"", StringComparison.Ordinal);
        return changed[..type] + "\"F32\"" + changed[(type + 4)..];
    }
}
