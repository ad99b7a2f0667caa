using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class ZipDirectoryTests
{
    private const string Name = "evil.npz";

    private static ZipPart Array { get; } = new("x.npy", ZipBytes.NpyFloats("(2,)", 1, 2));

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public void Stored_and_deflated_entries_read_alike(int method)
    {
        using var folder = new TempFolder();
        byte[] zip = ZipBytes.Build(
            Array with { Method = method, LocalExtra = Concat(Ascii("FB"), U16(3), [0, 0, 0]) },
            Array with { Name = "dir/y.npy" });
        using TensorFile file = TensorFile.Open(folder.Write("a.npz", zip));
        Assert.Equal(["x", "dir/y"], file.Tensors.Keys);
        Assert.Equal([1f, 2f], file["x"].ToFloats());
        Assert.Equal([1f, 2f], file["dir/y"].ToFloats());
    }

    [Fact]
    public void An_archive_with_a_comment_or_without_entries_opens()
    {
        using var folder = new TempFolder();
        byte[] zip = ZipBytes.Build(Array);
        zip[^2] = 5;
        using TensorFile file = TensorFile.Open(folder.Write("a.npz", Concat(zip, Ascii("hello"))));
        Assert.Single(file.Tensors);
        using TensorFile empty = TensorFile.Open(folder.Write("b.npz", ZipBytes.Build()));
        Assert.Empty(empty.Tensors);
    }

    [Fact]
    public void A_bomb_is_refused_before_it_is_inflated()
    {
        using var folder = new TempFolder();
        byte[] zeros = ZipBytes.Npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (100000000,), }", new byte[100_000_000]);
        byte[] zip = ZipBytes.Build(new ZipPart("x.npy", zeros) { Method = 8 });
        long most = (64L << 20) + (zip.Length * 200L);
        Assert.Equal(
            $"'evil.npz': its entries up to x.npy would inflate to more than {most} bytes from a file of " +
            $"{zip.Length}; it is refused as a zip bomb",
            folder.Refusal<InvalidDataException>(Name, zip));
    }

    [Fact]
    public void Many_small_bombs_count_together()
    {
        using var folder = new TempFolder();
        ZipPart part = new("", []) { Method = 8, LocalData = [3, 0], Length = 1 << 25 };
        byte[] zip = ZipBytes.Build(part with { Name = "a" }, part with { Name = "b" }, part with { Name = "c" });
        long most = (64L << 20) + (zip.Length * 200L);
        Assert.Equal(
            $"'evil.npz': its entries up to c would inflate to more than {most} bytes from a file of {zip.Length}; " +
            "it is refused as a zip bomb",
            folder.Refusal<InvalidDataException>(Name, zip));
    }

    [Theory]
    [InlineData(100, "inflates to more than the 100 bytes that it declares")]
    [InlineData(300, "inflates to fewer than the 300 bytes that it declares")]
    public void Entries_that_inflate_to_another_size_are_refused(int declared, string message)
    {
        using var folder = new TempFolder();
        string shape = $"({(declared - 64) / 4},)";
        byte[] npy = ZipBytes.Npy($"{{'descr':'<f4','fortran_order':False,'shape':{shape}}}", new byte[200 - 64]);
        Assert.Equal(200, npy.Length);
        byte[] zip = ZipBytes.Build(new ZipPart("x.npy", npy) { Method = 8, Length = declared });
        Assert.Equal($"'evil.npz': entry x.npy {message}", folder.Refusal<InvalidDataException>(Name, zip));
    }

    [Fact]
    public void Damaged_deflate_data_is_refused()
    {
        using var folder = new TempFolder();
        ZipPart array = Array with { Method = 8 };
        Assert.Equal(
            "'evil.npz': entry x.npy is damaged: its bytes do not match its checksum",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(array with { Crc = 1 })));
        Assert.Equal(
            "'evil.npz': entry x.npy is damaged: it is not valid deflate data",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(array with { LocalData = [7, 7, 7, 7] })));
    }

    [Fact]
    public void Overlapping_entries_are_refused()
    {
        using var folder = new TempFolder();
        byte[] inner = Concat(
            U32(0x04034B50), U16(20), U16(0), U16(0), U32(0), U32(0), U32(1), U32(1), U16(5), U16(0),
            Ascii("y.npy"), [0]);
        byte[] zip = ZipBytes.Build(new ZipPart("x.npy", inner), new ZipPart("y.npy", [0]) { Offset = 30 + 5 });
        Assert.Equal(
            "'evil.npz': the zip entries x.npy and y.npy overlap", folder.Refusal<InvalidDataException>(Name, zip));
    }

    [Theory]
    [InlineData("x.npy", "the zip archive has two entries x.npy")]
    [InlineData("../x.npy", "the zip archive has an entry named '../x.npy'; names must stay inside the archive")]
    [InlineData(
        "a/../../x.npy",
        "the zip archive has an entry named 'a/../../x.npy'; names must stay inside the archive")]
    [InlineData("/x.npy", "the zip archive has an entry named '/x.npy'; names must stay inside the archive")]
    [InlineData("a\\x.npy", "the zip archive has an entry named 'a\\x.npy'; names must stay inside the archive")]
    [InlineData("C:x.npy", "the zip archive has an entry named 'C:x.npy'; names must stay inside the archive")]
    [InlineData("", "the zip archive has an entry named ''; names must stay inside the archive")]
    [InlineData("\u00FF.npy", "an entry name of the zip archive is not UTF-8")]
    public void Names_that_repeat_or_escape_are_refused(string name, string message)
    {
        using var folder = new TempFolder();
        Assert.Equal(
            $"'evil.npz': {message}",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array, Array with { Name = name })));
    }

    [Fact]
    public void Encryption_and_other_methods_are_named()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.npz': entry x.npy is encrypted",
            folder.Refusal<NotSupportedException>(Name, ZipBytes.Build(Array with { Flags = 1 })));
        Assert.Equal(
            "'evil.npz': entry x.npy uses compression method 14; stored (0) and deflate (8) can be read",
            folder.Refusal<NotSupportedException>(Name, ZipBytes.Build(Array with { Method = 14 })));
    }

    [Fact]
    public void Entries_that_are_not_where_the_directory_says_are_refused()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.npz': entry x.npy is not where the zip directory says",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array with { Offset = 3 })));
        Assert.Equal(
            "'evil.npz': entry x.npy is not where the zip directory says",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array with { Offset = 1 << 30 })));
        Assert.Equal(
            "'evil.npz': entry x.npy has another name or method in the zip directory",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array with { LocalName = "y.npy" })));
        Assert.Equal(
            "'evil.npz': entry x.npy of 5000 bytes at 35 reaches beyond byte 171",
            folder.Refusal<InvalidDataException>(
                Name, ZipBytes.Build(Array with { Compressed = 5000, Length = 5000 })));
        Assert.Equal(
            "'evil.npz': entry x.npy is stored in 136 bytes but declares 5000",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array with { Length = 5000 })));
        Assert.Equal(
            "'evil.npz': entry x.npy has no valid zip64 sizes",
            folder.Refusal<InvalidDataException>(Name, ZipBytes.Build(Array with { Length = uint.MaxValue })));
        Assert.Equal(
            "'evil.npz': entry x.npy has no valid zip64 sizes",
            folder.Refusal<InvalidDataException>(
                Name,
                ZipBytes.Build(Array with
                {
                    Length = uint.MaxValue,
                    CentralExtra = Concat(U16(1), U16(8), U64(-5)),
                })));
    }

    [Fact]
    public void Damaged_directories_are_refused()
    {
        using var folder = new TempFolder();
        byte[] zip = ZipBytes.Build(Array);
        byte[] body = zip[..^22];
        int central = body.Length - 46 - 5;
        Assert.Equal(
            "'evil.npz': the zip archive has no end record; the file is cut short or was changed",
            folder.Refusal<InvalidDataException>(Name, body));
        Assert.Equal(
            "'evil.npz': the zip archive has no end record; the file is cut short or was changed",
            folder.Refusal<InvalidDataException>(Name, Concat(zip, [0])));
        Assert.Equal(
            $"'evil.npz': the zip directory of 1 entries in 99999 bytes at {central} does not fit " +
            $"before byte {body.Length}",
            folder.Refusal<InvalidDataException>(Name, Concat(body, ZipBytes.End(1, 99999, central))));
        Assert.Equal(
            $"'evil.npz': the zip directory of 2 entries in 51 bytes at {central} does not fit " +
            $"before byte {body.Length}",
            folder.Refusal<InvalidDataException>(Name, Concat(body, ZipBytes.End(2, 51, central))));
        Assert.Equal(
            "'evil.npz': 51 bytes follow the last of 0 entries in the zip directory",
            folder.Refusal<InvalidDataException>(Name, Concat(body, ZipBytes.End(0, 51, central))));
        Assert.Equal(
            "'evil.npz': entry 0 of 1 in the zip directory is damaged",
            folder.Refusal<InvalidDataException>(Name, Concat(body, ZipBytes.End(1, 61, central - 10))));
        zip[body.Length + 4] = 1;
        Assert.Equal(
            "'evil.npz': zip archives of several volumes cannot be read",
            folder.Refusal<NotSupportedException>(Name, zip));
    }

    [Fact]
    public void Two_end_records_that_disagree_are_refused()
    {
        using var folder = new TempFolder();
        byte[] body = ZipBytes.Build(Array)[..^22];
        int central = body.Length - 51;
        byte[] Wide(long count, long recordAt) => Concat(
            body,
            Concat(U32(0x06064B50), U64(44), U16(45), U16(45), U32(0), U32(0)),
            Concat(U64(count), U64(count), U64(51), U64(central)),
            Concat(U32(0x07064B50), U32(0), U64(recordAt), U32(1)),
            ZipBytes.End(1, 51, central));
        using (TensorFile file = TensorFile.Open(folder.Write("a.npz", Wide(1, body.Length))))
        {
            Assert.Equal([1f, 2f], file["x"].ToFloats());
        }

        Assert.Equal(
            "'evil.npz': the two end records of the zip archive disagree",
            folder.Refusal<InvalidDataException>(Name, Wide(2, body.Length)));
        Assert.Equal(
            "'evil.npz': the zip64 end record is not where the archive says",
            folder.Refusal<InvalidDataException>(Name, Wide(1, -1)));
        Assert.Equal(
            "'evil.npz': the zip64 end record is not where the archive says",
            folder.Refusal<InvalidDataException>(Name, Wide(1, 3)));
    }
}
