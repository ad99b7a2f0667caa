using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class FileDigestTests
{
    [Fact]
    public void A_file_has_the_digest_of_its_bytes()
    {
        using var folder = new TempFolder();
        Assert.Equal(
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            FileDigest.OfFile(folder.Write("abc", Ascii("abc")), TestContext.Current.CancellationToken));
        Assert.Equal(
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            FileDigest.OfFile(folder.Write("empty", []), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_set_has_one_digest_whatever_the_order_and_the_separators()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("sub"));
        folder.Write("b", Ascii("abc"));
        folder.Write("sub/a", []);
        byte[] lines = Ascii(
            "b\0ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n" +
            "sub/a\0e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n");
        string expected = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(lines));
        Assert.Equal(expected, FileDigest.OfFiles(folder.Path, ["b", "sub/a"], TestContext.Current.CancellationToken));
        Assert.Equal(expected, FileDigest.OfFiles(folder.Path, ["sub\\a", "b"], TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_set_without_files_or_with_one_twice_is_refused()
    {
        using var folder = new TempFolder();
        folder.Write("a", []);
        CancellationToken token = TestContext.Current.CancellationToken;
        Assert.Throws<ArgumentException>(() => FileDigest.OfFiles(folder.Path, [], token));
        Assert.Throws<ArgumentException>(() => FileDigest.OfFiles(folder.Path, ["a", "a"], token));
        Assert.Throws<FileNotFoundException>(() => FileDigest.OfFiles(folder.Path, ["b"], token));
    }

    [Fact]
    public void A_digest_can_be_cancelled()
    {
        using var folder = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        Assert.Throws<OperationCanceledException>(() => FileDigest.OfFile(path, new CancellationToken(true)));
    }
}
