using System.IO.Compression;
using System.Text;
using CsCheck;
using LayerSteer.Tests.Formats;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

public sealed class TextCorpusTests : IDisposable
{
    private const string End = "<|endoftext|>";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("one\n<|endoftext|>\ntwo\n<|endoftext|>\n", "one", "two")]
    [InlineData("one\n<|endoftext|>\ntwo", "one", "two")]
    [InlineData("one\r\n<|endoftext|>\r\ntwo\r\n", "one", "two")]
    [InlineData("just one\n\nof two paragraphs\n", "just one\n\nof two paragraphs")]
    [InlineData("one\n\n<|endoftext|>\n\n\ntwo", "one\n", "\n\ntwo")]
    [InlineData("<|endoftext|>\n \n<|endoftext|>\n<|endoftext|>\none", "one")]
    [InlineData("a <|endoftext|> b\n <|endoftext|>\n<|endoftext|> ", "a <|endoftext|> b\n <|endoftext|>\n<|endoftext|> ")]
    [InlineData("\uFEFFone\n<|endoftext|>\n\uFEFFtwo", "one", "\uFEFFtwo")]
    public void A_line_with_the_separator_ends_a_document(string content, params string[] expected) =>
        Assert.Equal(expected, Texts("a.txt", content));

    [Fact]
    public void What_is_written_with_separators_is_read_again_from_either_kind_of_file()
    {
        Gen<string> document = Gen.OneOf(
            Gen.Char["ab \n"].Select(c => c.ToString()), Gen.OneOf("é", "🙂", End, "\n\n", "<|endoftext"))
            .Array[1, 20].Select(string.Concat).Select(text => "x" + text + "y");
        document.Where(text => !text.Split('\n').Contains(End)).Array[1, 6].Sample(
            documents =>
            {
                string whole = string.Concat(documents.Select(text => $"{text}\n{End}\n"));
                Assert.Equal(documents, Texts("a.txt", whole));
                Assert.Equal(documents, Texts("b.txt.gz", whole));
            },
            iter: 50, threads: 1);
    }

    [Fact]
    public void Lines_of_json_are_strings_or_objects_with_a_text()
    {
        const string Lines = "\"one\"\n{\"id\": 4, \"text\": \"two\\nlines\"}\r\n\n{\"text\": \" \"}\n\"three\"";

        Assert.Equal(["one", "two\nlines", "three"], Texts("a.jsonl", Lines));
        Assert.Equal(["one", "two\nlines", "three"], Texts("b.jsonl.gz", Lines));
    }

    [Fact]
    public void Documents_are_numbered_in_their_file_and_files_are_read_in_order()
    {
        string folder = _folder.File("texts");
        Directory.CreateDirectory(Path.Combine(folder, "inner.txt"));
        foreach (string name in (string[])["b.txt", "B.txt", "a.jsonl", "notes.md", ".hidden.txt"])
        {
            File.WriteAllText(Path.Combine(folder, name), name == "a.jsonl" ? "\"a\"" : $"{name}\n{End}\nmore");
        }
        string alone = Write("z.txt", "alone");
        TextCorpus corpus = TextCorpus.Open([alone, folder]);

        string[] files = [alone, .. new[] { "B.txt", "a.jsonl", "b.txt" }.Select(name => Path.Combine(folder, name))];
        Assert.Equal(files, corpus.Files);
        Assert.Equal(
            [
                new("alone", files[0], 0), new("B.txt", files[1], 0), new("more", files[1], 1),
                new("a", files[2], 0), new("b.txt", files[3], 0), new("more", files[3], 1),
            ],
            corpus.Documents());
        Assert.Equal(corpus.Documents(), corpus.Documents());
        Assert.Equal(["b.txt", "more"], corpus.Documents(files[3]).Select(document => document.Text));
        Assert.Equal(
            "'z.txt': not one of the 4 files of this corpus (Parameter 'file')",
            Assert.Throws<ArgumentException>(() => corpus.Documents("z.txt")).Message);
    }

    [Fact]
    public void Another_separator_may_be_named()
    {
        Assert.Equal(
            ["a\n<|endoftext|>", "b"],
            TextCorpus.Open([Write("a.txt", "a\n<|endoftext|>\n----\nb")], new CorpusOptions { Separator = "----" })
                .Documents().Select(document => document.Text));
    }

    [Theory]
    [InlineData("a.txt", "", "no documents; expected text that is not only white space")]
    [InlineData("a.txt", " \n<|endoftext|>\n\n", "no documents; expected text that is not only white space")]
    [InlineData("a.jsonl", "\n", "no documents; expected a string or an object with \"text\" a line")]
    [InlineData("a.jsonl", "\n{\"text\": 1", "line 2: not JSON (at byte 10 of the line)")]
    [InlineData("a.jsonl", "{\"body\": \"x\"}", "line 1: no field 'text'")]
    [InlineData("a.jsonl", "{\"text\": 3}", "line 1: text is a number, expected a string")]
    [InlineData("a.jsonl", "[\"x\"]", "line 1: text is an array, expected a string")]
    [InlineData("a.jsonl", "\"\\ud800\"", "line 1: a string with half a surrogate pair")]
    [InlineData("a.txt", "caf\u00E9 caf\u00FF", "not UTF-8 at byte 3; save it as UTF-8", true)]
    [InlineData("a.txt", "\u00EF\u00BB\u00BFok \u00FF", "not UTF-8 at byte 6; save it as UTF-8", true)]
    [InlineData("a.jsonl", "\"\u00E9\"", "not UTF-8 at byte 1; save it as UTF-8", true)]
    [InlineData("a.txt.gz", "plain", "not gzip, or damaged or cut off (after 0 bytes of text)")]
    public void A_file_that_cannot_be_read_is_refused_when_opened(
        string name, string content, string expected, bool latin = false)
    {
        string path = _folder.Write(name, (latin ? Encoding.Latin1 : Encoding.UTF8).GetBytes(content));
        string message = Assert.Throws<InvalidDataException>(() => TextCorpus.Open([path])).Message;

        Assert.Equal(expected.StartsWith("line ", StringComparison.Ordinal) ? $"'{path}' {expected}" : $"'{path}': {expected}", message);
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_placed_in_the_file_also_after_the_first_document()
    {
        string path = _folder.Write("a.txt", Encoding.Latin1.GetBytes($"ok\n{End}\nnot \u00E9"));
        TextCorpus corpus = TextCorpus.Open([path]);

        Assert.Equal(
            $"'{path}': not UTF-8 at byte 21; save it as UTF-8",
            Assert.Throws<InvalidDataException>(() => corpus.Documents().Count()).Message);
    }

    [Fact]
    public void Paths_that_lead_to_no_texts_are_refused()
    {
        string markdown = Write("a.md", "x");
        string text = Write("a.txt", "x");
        string empty = _folder.File("empty");
        Directory.CreateDirectory(empty);

        Assert.Equal("'nowhere': no such file or folder", Refused<InvalidDataException>("nowhere"));
        Assert.Equal(
            $"'{markdown}': texts are not read from '.md' files; expected .txt, .txt.gz, .jsonl or .jsonl.gz",
            Refused<NotSupportedException>(markdown));
        Assert.Equal(
            $"'{empty}': no texts in this folder; expected .txt, .txt.gz, .jsonl or .jsonl.gz files",
            Refused<InvalidDataException>(empty));
        Assert.Equal(
            $"'{text}': named twice; name each file once", Refused<InvalidDataException>(_folder.Path, text));
        Assert.Equal(
            "no corpus: expected at least one file or folder (Parameter 'paths')", Refused<ArgumentException>());

        static string Refused<TException>(params string[] paths)
            where TException : Exception => Assert.Throws<TException>(() => TextCorpus.Open(paths)).Message;
    }

    [Fact]
    public void A_document_may_be_as_long_as_the_limit_and_no_longer()
    {
        const int Limit = 1 << 20;
        var options = new CorpusOptions { MaxDocumentBytes = Limit };
        string fits = Write("fits.txt", $"a\n{End}\n{new string('x', Limit)}");
        string oneLine = Write("line.txt", $"a\n{End}\n{new string('x', Limit + 1)}");
        string lines = Write("lines.txt", $"a\n{End}\n" + string.Concat(Enumerable.Repeat("xxx\n", (Limit / 4) + 1)));

        Assert.Equal(Limit, TextCorpus.Open([fits], options).Documents().Last().Text.Length);
        foreach (string path in (string[])[oneLine, lines])
        {
            Assert.Equal(
                $"'{path}': the document that begins at byte 16 has more than 1048576 bytes, which is the limit; "
                + "split it",
                Assert.Throws<InvalidDataException>(() => TextCorpus.Open([path], options).Documents().Count()).Message);
        }
    }

    [Fact]
    public void A_file_that_inflates_to_too_much_is_refused_while_it_is_read()
    {
        string bomb = _folder.Write("a.txt.gz", Gzip(Encoding.UTF8.GetBytes(new string('\n', 50_000_000))));

        Assert.Equal(
            $"'{bomb}': inflates to more than 1000000 bytes, which is the limit",
            Assert.Throws<InvalidDataException>(
                () => TextCorpus.Open([bomb], new CorpusOptions { MaxInflatedBytes = 1_000_000 })).Message);
    }

    [Theory]
    [InlineData("", 1, 1, "the separator is blank or has a line break; expected one line such as <|endoftext|>")]
    [InlineData("a\nb", 1, 1, "the separator is blank or has a line break; expected one line such as <|endoftext|>")]
    [InlineData("-", 0, 1, "limits of 0 bytes a document and 1 a file; expected 1..1073741824 and at least 1")]
    [InlineData("-", 1, 0, "limits of 1 bytes a document and 0 a file; expected 1..1073741824 and at least 1")]
    [InlineData(
        "-", 1L << 31, 1, "limits of 2147483648 bytes a document and 1 a file; expected 1..1073741824 and at least 1")]
    public void Options_out_of_range_are_refused(string separator, long document, long inflated, string expected)
    {
        var options = new CorpusOptions
        {
            Separator = separator,
            MaxDocumentBytes = document,
            MaxInflatedBytes = inflated,
        };

        Assert.Equal(
            expected,
            Assert.Throws<ArgumentException>(() => TextCorpus.Open([Write("a.txt", "x")], options)).Message);
    }

    private static byte[] Gzip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }
        return compressed.ToArray();
    }

    private string Write(string name, string content) => _folder.Write(name, Encoding.UTF8.GetBytes(content));

    private string[] Texts(string name, string content)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        string path = _folder.Write(name, name.EndsWith(".gz", StringComparison.Ordinal) ? Gzip(bytes) : bytes);
        return [.. TextCorpus.Open([path]).Documents().Select(document => document.Text)];
    }
}
