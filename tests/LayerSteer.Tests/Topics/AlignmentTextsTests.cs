using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class AlignmentTextsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("notes.txt")]
    [InlineData("notes.md")]
    [InlineData("NOTES")]
    public void Each_paragraph_of_a_text_file_is_a_text(string name)
    {
        string path = _folder.Write(name, "\uFEFFThe first\r\n  goes on.\r\n\r\n \t\r\nThe second.\n\n\n");
        AlignmentTexts read = AlignmentTexts.Read(path);
        Assert.Equal(["The first goes on.", "The second."], read.Texts.Texts);
        Assert.Equal((path, 1), (read.Texts.Source, read.Files));
    }

    [Fact]
    public void A_table_is_read_as_one()
    {
        string path = _folder.Write("t.csv", ",0\n7,\"one\n\nstill one\"\n8,two\n");
        Assert.Equal(["one\n\nstill one", "two"], AlignmentTexts.Read(path).Texts.Texts);
    }

    [Fact]
    public void A_folder_gives_the_texts_of_its_files_by_name_and_says_which_it_left_out()
    {
        Directory.CreateDirectory(_folder["b"]);
        _folder.Write("z.txt", "last of the folder");
        _folder.Write("a.json", """["first", "second"]""");
        _folder.Write("picture.png", "no text");
        _folder.Write(".hidden.txt", "hidden");
        _folder.Write(Path.Combine("b", "a.md"), "of the folder within");
        AlignmentTexts read = AlignmentTexts.Read(_folder.Root);
        Assert.Equal(["first", "second", "last of the folder", "of the folder within"], read.Texts.Texts);
        Assert.Equal((_folder.Root, 3), (read.Texts.Source, read.Files));
        Assert.Equal([_folder["picture.png"]], read.LeftOut);
    }

    [Fact]
    public void What_holds_no_text_is_refused()
    {
        string empty = _folder.Write("empty.txt", " \n\n");
        Assert.Equal(
            $"'{empty}': no text in it; expected at least one paragraph",
            Assert.Throws<InvalidDataException>(() => AlignmentTexts.Read(empty)).Message);
        string binary = _folder.Write("binary", "a\0b");
        Assert.Equal(
            $"'{binary}': holds bytes of 0, so it is not text; expected UTF-8 text",
            Assert.Throws<InvalidDataException>(() => AlignmentTexts.Read(binary)).Message);
        Directory.CreateDirectory(_folder["none"]);
        Assert.Equal(
            $"'{_folder["none"]}': no file of texts in this folder; expected .txt, .md, .csv, .json, .jsonl",
            Assert.Throws<InvalidDataException>(() => AlignmentTexts.Read(_folder["none"])).Message);
        Assert.Throws<FileNotFoundException>(() => AlignmentTexts.Read(_folder["nowhere.txt"]));
    }
}
