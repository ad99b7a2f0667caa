using System.IO.Compression;
using System.Text;
using CsCheck;
using LayerSteer.Formats;
using Xunit;

namespace LayerSteer.Tests.Formats;

public class TensorWriterTests
{
    private static readonly Gen<float[]> Values = Gen.Float.Array[0, 40];

    [Theory]
    [InlineData(".safetensors")]
    [InlineData(".npz")]
    public void What_is_written_reads_back_to_the_bit(string extension)
    {
        using var folder = new TempFolder();
        Gen.Select(Gen.Dictionary(Gen.String[Gen.Char.AlphaNumeric, 1, 12], Values)[0, 6], Gen.Int[1, 9]).Sample(
            (tensors, part) =>
            {
                string path = folder.File("a" + extension);
                using (TensorWriter writer = Create(path))
                {
                    foreach ((string name, float[] values) in tensors)
                    {
                        writer.Begin(name, TensorType.F32, [values.Length, 1]);
                        foreach (float[] chunk in values.Chunk(part))
                        {
                            writer.Append(chunk);
                        }
                    }

                    writer.Complete();
                }

                using TensorFile file = TensorFile.Open(path);
                return file.Tensors.Count == tensors.Count && tensors.All(pair =>
                    file[pair.Key].Shape.SequenceEqual([pair.Value.Length, 1])
                    && file[pair.Key].ToFloats().AsSpan().SequenceEqual(pair.Value));
            },
            iter: 60,
            threads: 1);
    }

    [Theory]
    [InlineData(".safetensors")]
    [InlineData(".npz")]
    public void Every_type_is_written_and_read(string extension)
    {
        using var folder = new TempFolder();
        string path = folder.File("a" + extension);
        using (TensorWriter writer = Create(path))
        {
            writer.Add("bool", [2], [true, false]);
            writer.Add("u8", [2], new byte[] { 0, 255 });
            writer.Add("i8", [2], new sbyte[] { -1, 127 });
            writer.Add("i16", [2], new short[] { -300, 300 });
            writer.Add("i32", [2], new[] { -70000, 70000 });
            writer.Add("i64", [2], new[] { long.MinValue, long.MaxValue });
            writer.Add("f16", [2], new[] { (Half)1.5, (Half)(-2) });
            writer.Add("f32", [2], new[] { 0.1f, float.NegativeInfinity });
            writer.Add("f64", [1, 2], new[] { 0.1, -0.2 });
            writer.Add("scalar", [], new[] { 3f });
            writer.Complete();
        }

        using TensorFile file = TensorFile.Open(path);
        float[] Read(string name, TensorType type)
        {
            Assert.Equal(type, file[name].Type);
            return file[name].ToFloats();
        }

        Assert.Equal([1f, 0], Read("bool", TensorType.Bool));
        Assert.Equal([0f, 255], Read("u8", TensorType.U8));
        Assert.Equal([-1f, 127], Read("i8", TensorType.I8));
        Assert.Equal([-300f, 300], Read("i16", TensorType.I16));
        Assert.Equal([-70000f, 70000], Read("i32", TensorType.I32));
        Assert.Equal([1.5f, -2], Read("f16", TensorType.F16));
        Assert.Equal([0.1f, float.NegativeInfinity], Read("f32", TensorType.F32));
        Assert.Equal([0.1f, -0.2f], Read("f64", TensorType.F64));
        Assert.Equal([3f], Read("scalar", TensorType.F32));
        Assert.Empty(file["scalar"].Shape);
        Assert.Equal([1, 2], file["f64"].Shape);
        long[] wide = new long[2];
        file["i64"].ReadInt64(0, wide);
        Assert.Equal([long.MinValue, long.MaxValue], wide);
    }

    [Fact]
    public void Safetensors_are_byte_for_byte_as_the_format_says_whatever_the_order()
    {
        using var folder = new TempFolder();
        var metadata = new Dictionary<string, string> { ["z"] = "é", ["a"] = "b" };
        foreach (bool reversed in new[] { false, true })
        {
            using var writer = new SafetensorsWriter(folder.File($"{reversed}.safetensors"), metadata);
            foreach (int i in reversed ? new[] { 2, 1, 0 } : [0, 1, 2])
            {
                switch (i)
                {
                    case 0:
                        writer.Add("byte", [3], new byte[] { 1, 2, 3 });
                        break;
                    case 1:
                        writer.Add("b", [1], new[] { 1f });
                        break;
                    default:
                        writer.Add("a", [1, 1], new ushort[] { 0x3FC0 });
                        break;
                }
            }

            writer.Complete();
        }

        byte[] bytes = File.ReadAllBytes(folder.File("False.safetensors"));
        Assert.Equal(bytes, File.ReadAllBytes(folder.File("True.safetensors")));
        int length = (int)BitConverter.ToInt64(bytes);
        Assert.Equal(0, length % 8);
        Assert.Equal(
            """{"__metadata__":{"a":"b","z":"é"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""" +
            ""","a":{"dtype":"BF16","shape":[1,1],"data_offsets":[4,6]}""" +
            ""","byte":{"dtype":"U8","shape":[3],"data_offsets":[6,9]}}""",
            Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '));
        Assert.Equal([0, 0, 0x80, 0x3F, 0xC0, 0x3F, 1, 2, 3], bytes[(8 + length)..]);
        using TensorFile file = TensorFile.Open(folder.File("True.safetensors"));
        Assert.Equal("é", file.Values["z"]);
        Assert.Equal([1.5f], file["a"].ToFloats());
    }

    [Theory]
    [InlineData(uint.MaxValue)]
    [InlineData(100u)]
    [InlineData(1u)]
    public void Npz_files_are_archives_that_others_read_with_and_without_zip64(uint wide)
    {
        using var folder = new TempFolder();
        string path = folder.File("a.npz");
        using (var writer = new NpzWriter(path, wide))
        {
            writer.Add("x", [3], new[] { 1f, 2, 3 });
            writer.Add("dir/é", [2, 1], new[] { 4L, 5 });
            writer.Complete();
        }

        using (ZipArchive archive = ZipFile.OpenRead(path))
        {
            Assert.Equal(["x.npy", "dir/é.npy"], archive.Entries.Select(entry => entry.FullName));
            using var memory = new MemoryStream();
            using Stream entry = archive.Entries[0].Open();
            entry.CopyTo(memory);
            Assert.Equal(
                ZipBytes.NpyFloats("(3,)", 1, 2, 3), memory.ToArray());
            Assert.All(archive.Entries, e => Assert.Equal(new DateTime(1980, 1, 1), e.LastWriteTime.DateTime));
        }

        using TensorFile file = TensorFile.Open(path);
        Assert.Equal([1f, 2, 3], file["x"].ToFloats());
        Assert.Equal([4f, 5], file["dir/é"].ToFloats());
    }

    [Fact]
    public void Npz_has_no_bfloat16_and_no_escaping_names()
    {
        using var folder = new TempFolder();
        using var writer = new NpzWriter(folder.File("a.npz"));
        Assert.Equal(
            "numpy has no bfloat16; write F32, or write safetensors",
            Assert.Throws<NotSupportedException>(() => writer.Add("x", [1], new ushort[1])).Message);
        Assert.StartsWith(
            "an .npz cannot hold an array named ../y",
            Assert.Throws<ArgumentException>(() => writer.Add("../y", [1], new float[1])).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".safetensors")]
    [InlineData(".npz")]
    public void Wrong_use_is_refused(string extension)
    {
        using var folder = new TempFolder();
        using TensorWriter writer = Create(folder.File("a" + extension));
        Assert.Throws<ArgumentException>(() => writer.Add("x", [2, 2], new float[3]));
        Assert.Throws<ArgumentException>(() => writer.Add("x", [-1], Array.Empty<float>()));
        Assert.Throws<ArgumentException>(() => writer.Add("", [0], Array.Empty<float>()));
        Assert.Throws<ArgumentException>(() => writer.Add("c", [1], new[] { 'c' }));
        Assert.Throws<ArgumentException>(() => writer.Append(new float[1]));
        writer.Begin("x", TensorType.F32, [2]);
        Assert.Throws<ArgumentException>(() => writer.Append(new double[1]));
        Assert.Throws<ArgumentException>(() => writer.Append(new float[3]));
        Assert.Throws<InvalidOperationException>(() => writer.Begin("y", TensorType.F32, [2]));
        Assert.Throws<InvalidOperationException>(writer.Complete);
        writer.Append(new float[2]);
        Assert.Throws<ArgumentException>(() => writer.Begin("x", TensorType.F32, [2]));
        writer.Complete();
        Assert.Throws<InvalidOperationException>(writer.Complete);
        Assert.Throws<InvalidOperationException>(() => writer.Add("z", [1], new float[1]));
    }

    [Theory]
    [InlineData(".safetensors")]
    [InlineData(".npz")]
    public void Nothing_appears_unless_the_file_was_completed(string extension)
    {
        using var folder = new TempFolder();
        string path = folder.File("a" + extension);
        File.WriteAllText(path, "before");
        using (TensorWriter writer = Create(path))
        {
            writer.Add("x", [1], new float[1]);
        }

        Assert.Equal("before", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
        using (TensorWriter writer = Create(path))
        {
            writer.Add("x", [1], new float[1]);
            writer.Complete();
        }

        Assert.Equal([path], Directory.GetFiles(folder.Path));
        using TensorFile file = TensorFile.Open(path);
        Assert.Single(file.Tensors);
    }

    private static TensorWriter Create(string path) =>
        path.EndsWith(".npz", StringComparison.Ordinal) ? new NpzWriter(path) : new SafetensorsWriter(path);
}
