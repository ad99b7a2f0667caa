using LayerSteer.Formats;
using Xunit;
using static LayerSteer.Tests.Formats.TempFolder;

namespace LayerSteer.Tests.Formats;

public class FileDigestTests
{
    private static readonly DateTime Long = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);

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

    [Fact]
    public void A_digest_is_known_by_path_length_and_time()
    {
        using var folder = new TempFolder();
        using var cache = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        File.SetLastWriteTimeUtc(path, Long);
        string abc = Digest(path, cache);
        Rewrite(path, "xyz", Long);
        Assert.Equal(abc, Digest(path, cache));
        Rewrite(path, "xyz", Long.AddTicks(10));
        Assert.Equal(FileDigest.OfFile(path, TestContext.Current.CancellationToken), Digest(path, cache));
        Rewrite(path, "wxyz", Long.AddTicks(10));
        Assert.Equal(FileDigest.OfFile(path, TestContext.Current.CancellationToken), Digest(path, cache));
        Assert.NotEqual(abc, Digest(folder.Write("other", Ascii("xyz")), cache));
        Assert.Equal(
            FileDigest.OfFiles(folder.Path, ["abc", "other"], TestContext.Current.CancellationToken),
            FileDigest.OfFiles(folder.Path, ["abc", "other"], cache.Path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_file_written_in_the_last_two_seconds_is_not_remembered()
    {
        using var folder = new TempFolder();
        using var cache = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        string abc = Digest(path, cache);
        Rewrite(path, "xyz", File.GetLastWriteTimeUtc(path));
        Assert.NotEqual(abc, Digest(path, cache));
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(1));
        Digest(path, cache);
        Assert.False(Directory.Exists(cache.File("digests")));
    }

    [Fact]
    public void A_link_is_known_by_what_it_leads_to()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a right there");
        using var folder = new TempFolder();
        using var cache = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        File.SetLastWriteTimeUtc(path, Long);
        string link = folder.File("link");
        File.CreateSymbolicLink(link, path);
        string abc = Digest(link, cache);
        Rewrite(path, "uvwxyz", Long.AddHours(1));
        Assert.NotEqual(abc, Digest(link, cache));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("cut")]
    [InlineData("longer")]
    [InlineData("upper case")]
    [InlineData("another path")]
    public void An_entry_that_is_not_as_expected_is_not_believed(string damage)
    {
        using var folder = new TempFolder();
        using var cache = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        File.SetLastWriteTimeUtc(path, Long);
        string abc = Digest(path, cache);
        string entry = Assert.Single(Directory.GetFiles(cache.File("digests")));
        string text = File.ReadAllText(entry);
        Assert.Equal($"{path}\n3 {Long.Ticks} {abc}\n", text);
        string other = text.Replace(abc, new string('0', 64), StringComparison.Ordinal);
        File.WriteAllText(entry, damage switch
        {
            "cut" => other[..^1],
            "longer" => other + "\n",
            "upper case" => text.Replace(abc, new string('A', 64), StringComparison.Ordinal),
            "another path" => other.Replace("abc\n", "abd\n", StringComparison.Ordinal),
            _ => damage,
        });
        Assert.Equal(abc, Digest(path, cache));
        Assert.Equal(text, File.ReadAllText(entry));
    }

    [Fact]
    public void A_cache_folder_that_cannot_be_made_changes_nothing()
    {
        using var folder = new TempFolder();
        string path = folder.Write("abc", Ascii("abc"));
        File.SetLastWriteTimeUtc(path, Long);
        Assert.Equal(
            FileDigest.OfFile(path, TestContext.Current.CancellationToken),
            FileDigest.OfFile(path, folder.File("abc"), TestContext.Current.CancellationToken));
        Assert.Throws<FileNotFoundException>(
            () => FileDigest.OfFile(folder.File("none"), folder.Path, TestContext.Current.CancellationToken));
    }

    private static string Digest(string path, TempFolder cache) =>
        FileDigest.OfFile(path, cache.Path, TestContext.Current.CancellationToken);

    private static void Rewrite(string path, string text, DateTime written)
    {
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, written);
    }
}
