using CsCheck;
using LayerSteer.Topics;
using Xunit;

namespace LayerSteer.Tests.Topics;

public sealed class TextTableTests
{
    [Fact]
    public void The_seed_s_csv_is_read_with_quotes_and_line_breaks_and_a_byte_order_mark()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("x.csv", "\uFEFF,0\r\n0,plain\r\n7,\"a, \"\"b\"\"\nc\"\r\n8, caf\u00e9\r\n");

        TextTable table = TextTable.Read(path);

        Assert.Equal(["plain", "a, \"b\"\nc", " caf\u00e9"], table.Texts);
        Assert.Equal(["0", "7", "8"], table.Ids);
    }

    [Theory]
    [InlineData("text\nfirst\nsecond\n")]
    [InlineData("0\nfirst\nsecond")]
    [InlineData("source,Prompt\nx,first\ny,second\n")]
    public void One_column_named_text_prompt_or_0_is_enough(string csv)
    {
        using var folder = new TemporaryFolder();

        TextTable table = TextTable.Read(folder.Write("x.csv", csv));

        Assert.Equal(["first", "second"], table.Texts);
        Assert.Equal(["0", "1"], table.Ids);
    }

    [Theory]
    [InlineData("x.json", """["first", {"id": "b", "text": "second"}]""", "0")]
    [InlineData("x.jsonl", "{\"id\": 12, \"text\": \"first\"}\r\n\r\n{\"id\": \"b\", \"text\": \"second\"}", "12")]
    public void Json_and_json_lines_keep_their_ids(string name, string json, string firstId)
    {
        using var folder = new TemporaryFolder();

        TextTable table = TextTable.Read(folder.Write(name, json));

        Assert.Equal(["first", "second"], table.Texts);
        Assert.Equal([firstId, "b"], table.Ids);
    }

    [Fact]
    public void What_is_written_is_read_back() =>
        Gen.OneOf(Gen.String, Gen.String["a\",\n\r '\u00e9"])
            .Where(text => !string.IsNullOrWhiteSpace(text) && IsWhole(text))
            .Array[1, 8].Sample(
                texts =>
                {
                    using var folder = new TemporaryFolder();
                    new TextTable(texts).WriteCsv(folder["x.csv"]);
                    Assert.Equal(texts, TextTable.Read(folder["x.csv"]).Texts);
                },
                iter: 100);

    [Fact]
    public void The_seed_s_own_files_are_read_and_written_byte_for_byte()
    {
        string seed = Path.Combine(TestFiles.Shared ?? string.Empty, "data", "seed");
        Assert.SkipWhen(!Directory.Exists(seed), "../shared/data/seed is not here");
        using var folder = new TemporaryFolder();
        foreach ((string name, int count) in new[] { ("d_ref_prompts.csv", 150), ("d_align_prompts.csv", 20) })
        {
            TextTable table = TextTable.Read(Path.Combine(seed, name));
            table.WriteCsv(folder[name]);

            Assert.Equal(count, table.Count);
            Assert.Equal(File.ReadAllText(Path.Combine(seed, name)), File.ReadAllText(folder[name]));
        }
    }

    [Theory]
    [InlineData("x.csv", "", ": no texts; expected a header ',0' and one row a text")]
    [InlineData("x.csv", ",0\n", ": no texts; expected a header ',0' and one row a text")]
    [InlineData("x.csv", ",0\n0,a\n1,\n", " line 3, column '0': an empty text")]
    [InlineData("x.csv", ",0\n0,\"a\nb\"\n1,\"  \"\n", " line 4, column '0': an empty text")]
    [InlineData("x.csv", ",name\n0,a\n",
        " line 1: header ',name', expected exactly one column named 0, text or prompt")]
    [InlineData("x.csv", "text,prompt\n0,a\n",
        " line 1: header 'text,prompt', expected exactly one column named 0, text or prompt")]
    [InlineData("x.json", "[]", ": no texts; expected an array of strings or of objects with \"text\"")]
    [InlineData("x.json", "{}", ": a JSON object, expected an array; for one object a line use .jsonl")]
    [InlineData("x.json", "[\"a\",\n3]", " item 1: a JSON number, expected a string or an object with a string 'text'")]
    [InlineData("x.json", "[\"a\",\n{\"t\": 1}]", " item 1: no field 'text'")]
    [InlineData("x.json", "[\"a\", \"\\ud800\"]", " item 1: a string with half a surrogate pair")]
    [InlineData("x.json", "[\"a\",\n x]", " line 2: not JSON (at byte 1 of the line)")]
    [InlineData("x.jsonl", "\n\n", ": no texts; expected a string or an object with \"text\" a line")]
    [InlineData("x.jsonl", "\"a\"\n{\"text\": \"\"}", " line 2: an empty text")]
    [InlineData("x.jsonl", "\"a\"\n{\"text\"", " line 2: not JSON (at byte 7 of the line)")]
    public void A_bad_file_is_refused_with_file_line_and_column(string name, string content, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(name, content);

        var error = Assert.Throws<InvalidDataException>(() => TextTable.Read(path));

        Assert.Equal($"'{path}'{message}", error.Message);
    }

    [Theory]
    [InlineData(",0\n0,a\n1,b,c\n", 3)]
    [InlineData(",0\n0,\"a\nb\"\n1,b\"c\n", 4)]
    [InlineData(",0\n0,a\n1,\"b\n", 3)]
    public void Broken_csv_is_refused_with_its_line(string content, int line)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("x.csv", content);

        var error = Assert.Throws<InvalidDataException>(() => TextTable.Read(path));

        Assert.StartsWith($"'{path}' line {line}: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused_with_its_line()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["x.csv"], [.. ",0\n0,caf"u8, 0xE9, (byte)'\n']);

        var error = Assert.Throws<InvalidDataException>(() => TextTable.Read(folder["x.csv"]));

        Assert.Equal($"'{folder["x.csv"]}' line 2: not UTF-8 text (byte 8); save it as UTF-8", error.Message);
    }

    [Fact]
    public void Another_kind_of_file_is_refused_with_what_would_work()
    {
        var error = Assert.Throws<NotSupportedException>(() => TextTable.Read("x.docx"));

        Assert.Equal("'x.docx': texts are read from .csv, .json and .jsonl files, not from '.docx'", error.Message);
    }

    private static bool IsWhole(string text) =>
        text.EnumerateRunes().All(rune => rune != System.Text.Rune.ReplacementChar);
}
