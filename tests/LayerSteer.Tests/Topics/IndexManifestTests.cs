using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class IndexManifestTests
{
    private readonly IndexManifest _manifest = SampleIndex.Manifest(SampleIndex.Prompts(6));

    [Fact]
    public void A_manifest_is_read_back_as_it_was_written()
    {
        using var folder = new TemporaryFolder();

        _manifest.Write(folder.Root);
        IndexManifest read = IndexManifest.Read(folder.Root);

        Assert.Equal(_manifest.Ids, read.Ids);
        Assert.Equal(_manifest, read with { Ids = _manifest.Ids });
    }

    [Fact]
    public void The_file_is_json_that_people_can_read()
    {
        using var folder = new TemporaryFolder();

        _manifest.Write(folder.Root);

        string text = File.ReadAllText(folder["manifest.json"]);
        Assert.Contains("\n  \"mode\": \"corrected\",\n", text, StringComparison.Ordinal);
        Assert.Contains("\n  \"created\": \"2026-03-01T12:00:00+00:00\",\n", text, StringComparison.Ordinal);
        Assert.Contains("\"d_sae\": 40", text, StringComparison.Ordinal);
        Assert.Contains("\"hook_point\": \"blocks.2.hook_resid_post\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_format_version_is_refused_with_what_would_work()
    {
        using var folder = new TemporaryFolder();
        folder.Write("manifest.json", """{"format_version": 7, "tool_version": "9.1.0"}""");

        var error = Assert.Throws<NotSupportedException>(() => IndexManifest.Read(folder.Root));

        Assert.Equal(
            $"'{folder["manifest.json"]}': format_version is 7, this version reads 1; "
            + "use the LayerSteer that wrote it (tool_version \"9.1.0\") or make it again",
            error.Message);
    }

    [Theory]
    [InlineData("\"d_sae\": 40", "\"d_sae\": 0", "d_sae is 0, expected 1 to 16777216")]
    [InlineData("\"layer\": 2", "\"layer\": -1", "layer is -1, expected 0 or more")]
    [InlineData("\"first\": 0", "\"first\": 6", "ids has 6 to 6, expected ascending runs within 0 to 6")]
    [InlineData("\"end\": 6", "\"end\": 2000000000", "ids has 0 to 2000000000, expected ascending runs within 0 to 6")]
    [InlineData("sae-digest", "", "sae.digest is empty")]
    [InlineData("\"dtype\": \"f32\"", "\"dtype\": \"f16\"", "dtype is 'f16', expected f32, bf16, int8")]
    [InlineData("\"format_version\": 1", "\"format_version\": \"1\"", "no whole number 'format_version'")]
    public void A_value_that_cannot_be_is_refused_by_field(string from, string to, string message)
    {
        using var folder = new TemporaryFolder();
        _manifest.Write(folder.Root);
        string text = File.ReadAllText(folder["manifest.json"]);
        folder.Write("manifest.json", text.Replace(from, to, StringComparison.Ordinal));

        var error = Assert.Throws<InvalidDataException>(() => IndexManifest.Read(folder.Root));

        Assert.Equal($"'{folder["manifest.json"]}': {message}", error.Message);
    }

    [Theory]
    [InlineData("\"layer\": 2,", "", "layer")]
    [InlineData("\"mode\": \"corrected\"", "\"mode\": \"other\"", "$.mode")]
    [InlineData("\"bos_policy\": \"prepended and left out\"", "\"bos_policy\": null", "bos_policy")]
    [InlineData("\"layer\": 2,", "\"layer\": 2, \"layer\": 3,", "layer")]
    public void A_missing_null_doubled_or_unknown_value_is_refused_by_field(string from, string to, string named)
    {
        using var folder = new TemporaryFolder();
        _manifest.Write(folder.Root);
        string text = File.ReadAllText(folder["manifest.json"]);
        folder.Write("manifest.json", text.Replace(from, to, StringComparison.Ordinal));

        var error = Assert.Throws<InvalidDataException>(() => IndexManifest.Read(folder.Root));

        Assert.StartsWith($"'{folder["manifest.json"]}': ", error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_manifest_that_names_no_dtype_is_of_a_model_in_f32()
    {
        using var folder = new TemporaryFolder();
        (_manifest with { Dtype = "bf16" }).Write(folder.Root);
        string text = File.ReadAllText(folder["manifest.json"]);
        Assert.Contains("\n  \"dtype\": \"bf16\",\n", text, StringComparison.Ordinal);
        Assert.Equal("bf16", IndexManifest.Read(folder.Root).Dtype);
        folder.Write("manifest.json", text.Replace("\n  \"dtype\": \"bf16\",", "", StringComparison.Ordinal));

        IndexManifest read = IndexManifest.Read(folder.Root);

        Assert.Equal("f32", read.Dtype);
        Assert.Null(_manifest.FirstDifference(read));
        Assert.Equal(("dtype", "f32", "int8"), _manifest.FirstDifference(_manifest with { Dtype = "int8" }));
    }

    [Fact]
    public void A_folder_without_a_manifest_is_not_an_index()
    {
        using var folder = new TemporaryFolder();

        var error = Assert.Throws<InvalidDataException>(() => ReferenceIndex.Open(folder.Root));

        Assert.Equal($"'{folder.Root}': no manifest.json, so this is not a reference index", error.Message);
    }
}
