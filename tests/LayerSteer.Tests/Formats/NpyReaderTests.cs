using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class NpyReaderTests
{
    private const string Supported = "supported are <f2, <f4, <f8, |b1, |u1, |i1, <i2, <i4, <i8";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Fortran_order_is_turned_into_row_major_in_every_version(int major)
    {
        using var folder = new TempFolder();
        byte[] npy = ZipBytes.Npy(
            "{'shape': (2, 3), 'descr': \"<f4\", 'fortran_order': True}", Floats(1, 4, 2, 5, 3, 6), major);
        using TensorFile file = TensorFile.Open(folder.Write("a.npy", npy));
        Assert.Equal([2, 3], file[TensorFile.Unnamed].Shape);
        Assert.Equal([1f, 2, 3, 4, 5, 6], file[TensorFile.Unnamed].ToFloats());
    }

    [Theory]
    [InlineData("|b1", new byte[] { 0, 1, 7 }, new[] { 0f, 1, 1 })]
    [InlineData("|u1", new byte[] { 0, 1, 255 }, new[] { 0f, 1, 255 })]
    [InlineData("|i1", new byte[] { 0, 1, 255 }, new[] { 0f, 1, -1 })]
    [InlineData("<i2", new byte[] { 0, 1, 255, 255 }, new[] { 256f, -1 })]
    [InlineData("<i4", new byte[] { 0, 1, 0, 0 }, new[] { 256f })]
    [InlineData("<i8", new byte[] { 254, 255, 255, 255, 255, 255, 255, 255 }, new[] { -2f })]
    [InlineData("<f2", new byte[] { 0, 0x3C, 0, 0xC0 }, new[] { 1f, -2f })]
    [InlineData("<f8", new byte[] { 0, 0, 0, 0, 0, 0, 0xF8, 0x3F }, new[] { 1.5f })]
    public void Every_supported_type_converts(string descr, byte[] data, float[] expected)
    {
        using var folder = new TempFolder();
        string header = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({expected.Length},), }}";
        using TensorFile file = TensorFile.Open(folder.Write("a.npy", ZipBytes.Npy(header, data)));
        Assert.Equal(expected, file["arr_0"].ToFloats());
        if (!file["arr_0"].Type.IsFloat())
        {
            long[] integers = new long[expected.Length];
            file["arr_0"].ReadInt64(0, integers);
            Assert.Equal(expected, integers.Select(value => (float)value));
        }
    }

    [Theory]
    [InlineData("'|O'", "holds Python objects (a pickle), which are never loaded; " + Supported)]
    [InlineData("'>f4'", "is big-endian (>f4); " + Supported)]
    [InlineData("'<c8'", "has dtype <c8; " + Supported)]
    [InlineData("[('a', '<f4')]", "is structured (several fields); " + Supported)]
    public void Types_that_cannot_be_read_are_named(string descr, string message)
    {
        using var folder = new TempFolder();
        string header = $"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}";
        Assert.Equal(
            $"'a.npy': array arr_0 {message}",
            folder.Refusal<NotSupportedException>("a.npy", ZipBytes.Npy(header, Floats(1))));
    }

    [Theory]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "is F32 [2], which takes 8 bytes, but holds 4")]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}",
        "has the unexpected or repeated header key x")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'shape': ()}", "has the unexpected or repeated header key descr")]
    [InlineData(
        "{'descr': '<f4', 'shape': ()}",
        "has an incomplete header; it needs descr, fortran_order, shape and a line end")]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999)}",
        "has the impossible shape [9999999999, 9999999999]")]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
        "has the impossible shape [4611686018427387904]")]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "has a header that cannot be read at '-1,)}")]
    [InlineData("__import__('os').system('id')", "has a header that cannot be read at '__import__('os')'")]
    [InlineData(
        "{'descr': '<f4', 'fortran_order': exit(), 'shape': ()}",
        "has a header that cannot be read at 'exit(), 'shape':'")]
    [InlineData("{'descr': '<f4'+'', 'shape': ()}", "has a header that cannot be read at '+'', 'shape': ()'")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': ()} + 1", "has a header that cannot be read at")]
    [InlineData("{'descr': '<f\\x34', 'shape': ()}", "has a header that cannot be read at ''<f\\x34', 'shape'")]
    public void Headers_that_break_the_grammar_are_refused(string header, string message)
    {
        using var folder = new TempFolder();
        Assert.StartsWith(
            $"'a.npy': array arr_0 {message}",
            folder.Refusal<InvalidDataException>("a.npy", ZipBytes.Npy(header, Floats(1))));
    }

    [Fact]
    public void Header_lengths_are_checked_before_anything_is_read()
    {
        using var folder = new TempFolder();
        const string Header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
        Assert.Equal(
            "'a.npy': array arr_0 has a header of 4294967295 bytes, at most 65536 are read",
            folder.Refusal<InvalidDataException>("a.npy", ZipBytes.Npy(Header, [], 2, uint.MaxValue)));
        Assert.Equal(
            "'a.npy': array arr_0 is cut short in its header",
            folder.Refusal<InvalidDataException>("a.npy", ZipBytes.Npy(Header, [], 1, 60000)));
        Assert.Equal(
            "'a.npy': array arr_0 has npy version 9.0; 1.0, 2.0 and 3.0 can be read",
            folder.Refusal<NotSupportedException>("a.npy", ZipBytes.Npy(Header, [], 9)));
        Assert.Equal(
            "'a.npy': array arr_0 does not start as an npy array",
            folder.Refusal<InvalidDataException>("a.npy", [0x93, .. "NUMPY"u8, 1]));
    }

    [Fact]
    public void An_archive_with_anything_but_arrays_is_refused()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'a.npz': entry run.sh is not a .npy array; an .npz holds nothing else",
            folder.Refusal<InvalidDataException>("a.npz", ZipBytes.Build(new ZipPart("run.sh", [1]))));
        Assert.Equal(
            "'a.npz': array x does not start as an npy array",
            folder.Refusal<InvalidDataException>("a.npz", ZipBytes.Build(new ZipPart("x.npy", new byte[50]))));
    }

    [Theory]
    [InlineData("a.npz", "it starts with the bytes 0102030405060708, expected a zip archive of npy arrays")]
    [InlineData("a.npy", "it starts with the bytes 0102030405060708, expected an npy array")]
    [InlineData("a.pt", "it starts with the bytes 0102030405060708, expected a file written by torch.save")]
    [InlineData(
        "a.dat",
        "it starts with the bytes 0102030405060708, expected safetensors, npz, npy or a file written by torch.save")]
    public void Files_of_no_known_format_are_refused_with_what_was_expected(string name, string message)
    {
        using var folder = new TempFolder();
        Assert.Equal(
            $"'{name}': {message}", folder.Refusal<InvalidDataException>(name, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }

    [Fact]
    public void An_empty_file_is_refused()
    {
        using var folder = new TempFolder();
        Assert.Equal("'a.npy': the file is empty", folder.Refusal<InvalidDataException>("a.npy", []));
        Assert.Throws<FileNotFoundException>(() => TensorFile.Open(folder.File("absent.npy")));
    }

    [Fact]
    public void The_format_is_told_by_the_content_not_by_the_extension()
    {
        using var folder = new TempFolder();
        using TensorFile file = TensorFile.Open(folder.Write("a.safetensors", ZipBytes.NpyFloats("(1,)", 3)));
        Assert.Equal([3f], file["arr_0"].ToFloats());
    }
}
