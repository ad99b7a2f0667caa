using System.Text;
using CsCheck;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class DecodingTests
{
    private static readonly Gen<int[]> Gpt2Ids = Gen.OneOf(Gen.Int[0, 255], Gen.Int[0, 50256]).Array[0, 60];

    // Computed with Python's bytes.decode('utf-8', 'replace').
    [Theory]
    [InlineData("61C3", "a\uFFFD")]
    [InlineData("E282", "\uFFFD")]
    [InlineData("E28261", "\uFFFDa")]
    [InlineData("F09F98", "\uFFFD")]
    [InlineData("F09F9861", "\uFFFDa")]
    [InlineData("F09FF09F9880", "\uFFFD\U0001F600")]
    [InlineData("EDA080", "\uFFFD\uFFFD\uFFFD")]
    [InlineData("C0AF", "\uFFFD\uFFFD")]
    [InlineData("E08080", "\uFFFD\uFFFD\uFFFD")]
    [InlineData("F8888080", "\uFFFD\uFFFD\uFFFD\uFFFD")]
    [InlineData("F4908080", "\uFFFD\uFFFD\uFFFD\uFFFD")]
    [InlineData("F08080", "\uFFFD\uFFFD\uFFFD")]
    [InlineData("80C3A9BF", "\uFFFD\u00E9\uFFFD")]
    public void Invalid_UTF8_becomes_replacement_characters_as_in_Python(string hex, string text)
    {
        TextTokenizer gpt2 = Gpt2;
        int[] ids = [.. Convert.FromHexString(hex).Select(b => IdOfByte(gpt2, b))];
        var streaming = new StreamingDecoder(gpt2);

        Assert.Equal(text, gpt2.Decode(ids));
        Assert.Equal(text, string.Concat(ids.Select(streaming.Append)) + streaming.Flush());
    }

    [Fact]
    public void Streamed_text_is_the_decoded_text_and_each_part_of_it_is_final()
    {
        TextTokenizer gpt2 = Gpt2;
        Gpt2Ids.Sample(ids =>
        {
            var streaming = new StreamingDecoder(gpt2);
            string whole = gpt2.Decode(ids);
            var text = new StringBuilder();
            foreach (int id in ids)
            {
                text.Append(streaming.Append(id));
                Assert.StartsWith(text.ToString(), whole, StringComparison.Ordinal);
            }
            Assert.Equal(whole, text + streaming.Flush());
        });
    }

    [Fact]
    public void Streamed_WordPiece_text_is_the_decoded_text()
    {
        TextTokenizer bert = Bert;
        Gen.Int[0, bert.VocabularySize - 1].Array[0, 20].Sample(ids =>
        {
            var streaming = new StreamingDecoder(bert);
            return string.Concat(ids.Select(streaming.Append)) + streaming.Flush() == bert.Decode(ids)
                && streaming.Append(2021) + streaming.Flush() == bert.TokenText(2021);
        });
    }

    [Fact]
    public void A_character_is_held_back_until_it_is_whole()
    {
        TextTokenizer gpt2 = Gpt2;
        int[] ids = gpt2.Encode("😀");
        var streaming = new StreamingDecoder(gpt2);

        Assert.Equal([47249, 222], ids);
        Assert.Equal(["", "😀", ""], [streaming.Append(ids[0]), streaming.Append(ids[1]), streaming.Flush()]);
        Assert.Equal(["", "\uFFFD"], [streaming.Append(ids[0]), streaming.Flush()]);
        Assert.Equal(["\uFFFD", "\uFFFD"], ids.Select(gpt2.TokenText));
    }

    [Fact]
    public void WordPiece_text_has_a_space_between_words()
    {
        Assert.Equal("unaffable anti ! [SEP]", Bert.Decode([.. Bert.Encode("UNAFFABLE anti![SEP]")]));
    }

    [Fact]
    public void An_id_that_no_token_has_is_empty_and_one_out_of_range_is_refused()
    {
        TextTokenizer tokenizer = Load(("vocab.json", """{"a": 0, "b": 3}"""), ("merges.txt", "#version: 0.2\n"));

        Assert.Equal((4, "ab", ""), (tokenizer.VocabularySize, tokenizer.Decode([0, 2, 3]), tokenizer.Piece(1)));
        foreach (int id in (int[])[-1, 4])
        {
            string expected = $"Token ids of this tokenizer are 0..3. (Parameter 'id')\nActual value was {id}.";
            Assert.Equal(expected, Message(() => tokenizer.Decode([id])));
            Assert.Equal(expected, Message(() => tokenizer.Piece(id)));
            Assert.Equal(expected, Message(() => tokenizer.TokenText(id)));
            Assert.Equal(expected, Message(() => new StreamingDecoder(tokenizer).Append(id)));
        }

        static string Message(Func<string> act) =>
            Assert.Throws<ArgumentOutOfRangeException>(act).Message.ReplaceLineEndings("\n");
    }

    private static int IdOfByte(TextTokenizer gpt2, byte value)
    {
        string piece = ByteLevelAlphabet.ToChar(value).ToString();
        return Enumerable.Range(0, 256).Single(id => gpt2.Piece(id) == piece);
    }
}
