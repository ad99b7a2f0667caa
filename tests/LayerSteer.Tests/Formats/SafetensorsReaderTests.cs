using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class SafetensorsReaderTests
{
    private const string Name = "evil.safetensors";

    [Fact]
    public void A_handmade_file_reads_with_its_metadata_scalars_and_empty_tensors()
    {
        using var folder = new TempFolder();
        byte[] bytes = Build(
            """
            {"__metadata__":{"format":"pt"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
            "e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},
            "b":{"dtype":"BOOL","shape":[2],"data_offsets":[4,6]}}   
            """,
            Concat(Floats(2.5f), [1, 0]));
        using TensorFile file = TensorFile.Open(folder.Write("ok.safetensors", bytes));
        Assert.Equal(["s", "e", "b"], file.Tensors.Keys);
        Assert.Equal("pt", file.Values["format"]);
        Assert.Equal([2.5f], file["s"].ToFloats());
        Assert.Empty(file["e"].ToFloats());
        Assert.Equal([1f, 0f], file["b"].ToFloats());
    }

    [Fact]
    public void A_file_shorter_than_the_header_length_is_refused()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.safetensors': has 3 bytes, a safetensors file starts with 8 bytes of header length",
            folder.Refusal<InvalidDataException>(Name, [1, 2, 3]));
    }

    [Theory]
    [InlineData(9, "'evil.safetensors': declares a header of 9 bytes, but 8 bytes follow (at most 100000000 are read)")]
    [InlineData(
        -1,
        "'evil.safetensors': declares a header of 18446744073709551615 bytes, but 8 bytes follow " +
        "(at most 100000000 are read)")]
    public void A_header_that_reaches_beyond_the_file_is_refused(long length, string message)
    {
        using var folder = new TempFolder();
        Assert.Equal(message, folder.Refusal<InvalidDataException>(Name, Concat(U64(length), Ascii("{      }"))));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""", "has a header that is not valid JSON")]
    [InlineData("""{} x""", "has a header that is not valid JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}""", "has a header that is not valid JSON")]
    [InlineData("""[]""", "has a header that does not start with '{'")]
    [InlineData("""{"a":3}""", "has a header entry a that is not an object")]
    [InlineData("""{"__metadata__":{"a":3}}""", "has metadata a that is not a string")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", "the name a occurs twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", "tensor a needs dtype, shape and two data_offsets")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}""",
        "tensor a has an unexpected, repeated or wrong x")]
    [InlineData(
        """{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
        "tensor a has an unexpected, repeated or wrong dtype")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""",
        "tensor a has a shape that is not a short list of sizes")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""",
        "tensor a has a shape that is not a short list of sizes")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[9999999999,9999999999],"data_offsets":[0,4]}}""",
        "tensor a has the impossible shape [9999999999, 9999999999]")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}""",
        "tensor a has the impossible shape [4611686018427387904]")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},""" +
        """ "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
        "has two header entries a")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""",
        "tensor a is F32 [2], which takes 8 bytes, but its data_offsets are [0, 4]")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""",
        "tensor a is F32 [1], which takes 4 bytes, but its data_offsets are [4, 0]")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},""" +
        """ "b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""",
        "tensor b begins at byte 2 of the data, expected 4: it overlaps another tensor")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},""" +
        """ "b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}""",
        "tensor b begins at byte 6 of the data, expected 4: there is a hole before it")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
        "its tensors take 4 bytes, but 8 bytes follow the header; the rest belongs to no tensor")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""",
        "its tensors take 16 bytes, but 8 bytes follow the header; the file is cut short")]
    public void Headers_that_break_a_rule_are_refused(string header, string message)
    {
        using var folder = new TempFolder();
        Assert.Equal(
            $"'{Name}': {message}", folder.Refusal<InvalidDataException>(Name, Build(header, new byte[8])));
    }

    [Fact]
    public void Data_types_that_cannot_be_read_are_named()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.safetensors': tensor a has dtype F8_E4M3; " +
            "supported are BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64",
            folder.Refusal<NotSupportedException>(
                Name, Build("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", [0])));
    }

    [Fact]
    public void Names_with_line_ends_are_shown_on_one_line()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'evil.safetensors': has a header entry a?b that is not an object",
            folder.Refusal<InvalidDataException>(Name, Build("""{"a\nb":3}""", [])));
    }

    [Fact]
    public void A_git_lfs_pointer_is_recognised()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "'model.safetensors': it is a Git LFS pointer, not the tensors; fetch the file itself",
            folder.Refusal<InvalidDataException>(
                "model.safetensors", Ascii("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")));
    }

    internal static byte[] Build(string header, byte[] data) => Concat(U64(header.Length), Ascii(header), data);
}
