using System.Buffers.Binary;
using CsCheck;
using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.PickleBytes;

namespace LayerSteer.Tests.Formats;

public class StoredTensorTests
{
    [Fact]
    public void Strided_views_read_as_the_naive_loop_says_from_any_start()
    {
        using var folder = new TempFolder();
        string[] types = ["FloatStorage", "HalfStorage", "LongStorage", "CharStorage"];
        Gen<int> size = Gen.Int[1, 70];
        Gen.Select(size, size, Gen.Int[1, 4], Gen.Int[0, 5], Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 20000])
            .Sample(
                (rows, columns, planes, order, type, offset, start) =>
                {
                    long[] shape = [planes, rows, columns];
                    long[] strides = Permuted(shape, order);
                    byte[] data = StorageBytes(type, (planes * rows * columns) + offset);
                    byte[] pickle = Pickle(Dict(("x", Tensor(
                        Storage("0", types[type], (planes * rows * columns) + offset), offset, shape, strides))));
                    using TensorFile file = TensorFile.Open(folder.Write("strided.pt", Archive(pickle, ("0", data))));
                    float[] expected = Naive(type, data, offset, shape, strides);
                    start %= expected.Length;
                    float[] part = new float[expected.Length - start];
                    file["x"].Read(start, part);
                    return part.AsSpan().SequenceEqual(expected.AsSpan(start))
                        && file["x"].ToFloats().AsSpan().SequenceEqual(expected);
                },
                iter: 150,
                threads: 1);
    }

    [Fact]
    public void A_large_transposed_matrix_reads_in_order_across_its_blocks()
    {
        using var folder = new TempFolder();
        byte[] data = new byte[300 * 5000 * 2];
        for (int i = 0; i < data.Length / 2; i++)
        {
            BinaryPrimitives.WriteInt16LittleEndian(data.AsSpan(2 * i), (short)(i % 30011));
        }

        byte[] pickle = Pickle(Dict(("x", Tensor(Storage("0", "ShortStorage", 300 * 5000), 0, [300, 5000], [1, 300]))));
        using TensorFile file = TensorFile.Open(folder.Write("wide.pt", Archive(pickle, ("0", data))));
        long[] values = new long[300 * 5000];
        file["x"].ReadInt64(0, values);
        long[] expected = [.. Enumerable.Range(0, values.Length)
            .Select(i => (((i % 5000) * 300L) + (i / 5000)) % 30011)];
        Assert.True(values.AsSpan().SequenceEqual(expected));
    }

    [Fact]
    public void Every_half_and_bfloat16_converts_exactly()
    {
        ushort[] bits = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        byte[] source = [.. bits.SelectMany(BitConverter.GetBytes)];
        float[] halves = new float[65536];
        float[] brains = new float[65536];
        ElementConversion.ToSingle(TensorType.F16, source, halves);
        ElementConversion.ToSingle(TensorType.BF16, source, brains);
        float[] tail = new float[7];
        for (int i = 0; i < 65536; i++)
        {
            float half = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            Assert.Equal(half, halves[i]);
            Assert.Equal(float.IsNegative(half), float.IsNegative(halves[i]));
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(brains[i]));
        }

        for (int i = 0; i + 7 <= 65536; i += 7)
        {
            ElementConversion.ToSingle(TensorType.F16, source.AsSpan(2 * i, 14), tail);
            for (int j = 0; j < 7; j++)
            {
                Assert.Equal(BitConverter.SingleToUInt32Bits(halves[i + j]), BitConverter.SingleToUInt32Bits(tail[j]));
            }
        }
    }

    [Fact]
    public void A_shape_that_is_not_expected_is_named()
    {
        using var folder = new TempFolder();
        using TensorFile file = TensorFile.Open(folder.Write("sae.npy", ZipBytes.NpyFloats("(2, 1)", 1, 2)));
        Assert.Equal(
            $"'{folder.File("sae.npy")}': tensor arr_0 is [2, 1], expected [1, 2]",
            Assert.Throws<InvalidDataException>(() => file["arr_0"].ExpectShape(1, 2)).Message);
        file["arr_0"].ExpectShape(2, 1);
    }

    [Fact]
    public void Floats_are_not_read_as_integers()
    {
        using var folder = new TempFolder();
        using TensorFile file = TensorFile.Open(folder.Write("sae.npy", ZipBytes.NpyFloats("(2,)", 1, 2)));
        Assert.Equal(
            $"'{folder.File("sae.npy")}': tensor arr_0 is F32, expected an integer type or Bool",
            Assert.Throws<InvalidDataException>(() => file["arr_0"].ReadInt64(0, new long[2])).Message);
    }

    [Fact]
    public void Reads_outside_the_tensor_are_refused()
    {
        using var folder = new TempFolder();
        using TensorFile file = TensorFile.Open(folder.Write("sae.npy", ZipBytes.NpyFloats("(2,)", 1, 2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => file["arr_0"].Read(1, new float[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file["arr_0"].Read(-1, new float[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file["arr_0"].Read(3, []));
        file["arr_0"].Read(2, []);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public void Reads_after_disposal_are_refused(int method)
    {
        using var folder = new TempFolder();
        byte[] zip = ZipBytes.Build(new ZipPart("x.npy", ZipBytes.NpyFloats("(2,)", 1, 2)) { Method = method });
        TensorFile file = TensorFile.Open(folder.Write("sae.npz", zip));
        StoredTensor tensor = file["x"];
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToFloats());
    }

    [Fact]
    public async Task Concurrent_reads_agree()
    {
        using var folder = new TempFolder();
        float[] values = [.. Enumerable.Range(0, 50000).Select(i => (float)i)];
        byte[] zip = ZipBytes.Build(new ZipPart("x.npy", ZipBytes.NpyFloats("(50000,)", values)) { Method = 8 });
        using TensorFile file = TensorFile.Open(folder.Write("sae.npz", zip));
        float[][] read = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(file["x"].ToFloats)));
        Assert.All(read, part => Assert.Equal(values, part));
    }

    [Fact]
    public void A_missing_tensor_is_refused_with_the_names_that_are_there()
    {
        using var folder = new TempFolder();
        string[] few = ["W_enc", "W_dec"];
        string[] many = ["wte.weight", .. Enumerable.Range(0, 12).Select(i => $"h.{i}.bias")];
        using (var writer = new SafetensorsWriter(folder.File("few.safetensors")))
        {
            foreach (string name in few)
            {
                writer.Add(name, [1], new float[1]);
            }

            writer.Complete();
        }

        using (var writer = new SafetensorsWriter(folder.File("many.safetensors")))
        {
            foreach (string name in many)
            {
                writer.Add(name, [1], new float[1]);
            }

            writer.Complete();
        }

        using TensorFile small = TensorFile.Open(folder.File("few.safetensors"));
        using TensorFile large = TensorFile.Open(folder.File("many.safetensors"));
        Assert.Equal(
            $"'{folder.File("few.safetensors")}': no tensor w_enc; the file has W_dec, W_enc",
            Assert.Throws<InvalidDataException>(() => small["w_enc"]).Message);
        Assert.Equal(
            $"'{folder.File("many.safetensors")}': no tensor transformer.wte.weight; of its 13 tensors the nearest are " +
            "wte.weight, h.0.bias, h.1.bias, h.10.bias, h.11.bias, h.2.bias, h.3.bias, h.4.bias",
            Assert.Throws<InvalidDataException>(() => large["transformer.wte.weight"]).Message);
    }

    private static long[] Permuted(long[] shape, int order)
    {
        int[][] orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        var strides = new long[3];
        long stride = 1;
        foreach (int dimension in orders[order].Reverse())
        {
            strides[dimension] = stride;
            stride *= shape[dimension];
        }

        return strides;
    }

    private static byte[] StorageBytes(int type, int elements) => type switch
    {
        0 => [.. Enumerable.Range(0, elements).SelectMany(i => BitConverter.GetBytes(i * 0.5f))],
        1 => [.. Enumerable.Range(0, elements).SelectMany(i => BitConverter.GetBytes((Half)(i % 2048)))],
        2 => [.. Enumerable.Range(0, elements).SelectMany(i => BitConverter.GetBytes((long)-i))],
        _ => [.. Enumerable.Range(0, elements).Select(i => (byte)i)],
    };

    private static float[] Naive(int type, byte[] data, int offset, long[] shape, long[] strides)
    {
        var values = new List<float>();
        for (int i = 0; i < shape[0]; i++)
        {
            for (int j = 0; j < shape[1]; j++)
            {
                for (int k = 0; k < shape[2]; k++)
                {
                    int at = (int)(offset + (i * strides[0]) + (j * strides[1]) + (k * strides[2]));
                    values.Add(type switch
                    {
                        0 => BitConverter.ToSingle(data, 4 * at),
                        1 => (float)BitConverter.ToHalf(data, 2 * at),
                        2 => BitConverter.ToInt64(data, 8 * at),
                        _ => (sbyte)data[at],
                    });
                }
            }
        }

        return [.. values];
    }
}
