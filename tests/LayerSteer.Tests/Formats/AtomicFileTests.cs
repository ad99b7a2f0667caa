using LayerSteer.Formats;
using Xunit;

namespace LayerSteer.Tests.Formats;

public class AtomicFileTests
{
    [Fact]
    public void A_text_replaces_the_file_and_leaves_nothing_beside_it()
    {
        using var folder = new TempFolder();
        string path = folder.File("a.txt");
        AtomicFile.WriteAllText(path, "one");
        AtomicFile.WriteAllText(path, "zwölf");
        Assert.Equal("zwölf"u8.ToArray(), File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_writer_that_fails_changes_nothing()
    {
        using var folder = new TempFolder();
        string path = folder.File("a.txt");
        AtomicFile.WriteAllText(path, "before");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException("half way");
        }));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void The_name_appears_only_on_completion()
    {
        using var folder = new TempFolder();
        string path = folder.File("a.bin");
        using (var file = new AtomicFile(path))
        {
            file.Stream.WriteByte(7);
            Assert.False(File.Exists(path));
            file.Complete();
        }

        Assert.Equal([7], File.ReadAllBytes(path));
        Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.WriteAllText(folder.File("no/a.txt"), ""));
    }
}
