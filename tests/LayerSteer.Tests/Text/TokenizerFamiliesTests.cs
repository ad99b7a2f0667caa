using System.Diagnostics;
using CsCheck;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class TokenizerFamiliesTests
{
    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.OneOf("the", " the", "other", "'s", "'S", "123", "1234", " ", "  ", "\n\n", "\r\n", "é", "e\u0301", "日本", "😀", "▁"),
        Gen.Char['\0', '\u007F'].Select(c => c.ToString()),
        Gen.Int[0x80, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32))
        .Array[0, 30].Select(string.Concat);

    private static readonly TextTokenizer Llama3 = Json(TinyTokenizers.Patterned(TinyTokenizers.Llama3Pattern, true));

    private static readonly TextTokenizer Qwen =
        Json(TinyTokenizers.Patterned(TinyTokenizers.Llama3Pattern.Replace("{1,3}", ""), false));

    private static readonly TextTokenizer Llama2 = Json(TinyTokenizers.Llama2());

    private static readonly TextTokenizer Gemma = Json(TinyTokenizers.Gemma());

    [Theory]
    [InlineData("in the other 1234's\n\n", "in|Ġthe|Ġother|Ġ|123|4|'s|ĊĊ")]
    [InlineData("  the\n", "Ġ|Ġthe|Ċ")]
    [InlineData("<|turn|>the<|end|>", "<|turn|>|t|he|<|end|>")]
    [InlineData("é", "Ã©")]
    public void Llama3_splits_by_its_pattern_and_takes_whole_pieces_first(string text, string pieces)
    {
        Assert.Equal(pieces, Pieces(Llama3, text));
        Assert.Equal(text, Llama3.Decode(Llama3.Encode(text)));
    }

    [Theory]
    [InlineData("a 12's", "a|Ġ|1|2|'s")]
    [InlineData("e\u0301", "Ã©")]
    [InlineData(" other", "Ġ|o|t|he|r")]
    public void Qwen_composes_and_splits_every_digit(string text, string pieces) => Assert.Equal(pieces, Pieces(Qwen, text));

    [Theory]
    [InlineData("in the", "▁in|▁the")]
    [InlineData(" in", "▁|▁in")]
    [InlineData("aé\n", "▁a|<0xC3>|<0xA9>|<0x0A>")]
    [InlineData("a</s>a", "▁a|</s>|▁a")]
    [InlineData("", "")]
    public void Llama2_puts_a_mark_in_front_and_spells_by_bytes(string text, string pieces) =>
        Assert.Equal(pieces, Pieces(Llama2, text));

    [Theory]
    [InlineData("in the", "in|▁the")]
    [InlineData("    a", "▁▁|▁|▁a")]
    [InlineData("     a", "▁▁▁▁|▁a")]
    [InlineData("é", "<0xC3>|<0xA9>")]
    public void Gemma_marks_spaces_and_puts_none_in_front(string text, string pieces) =>
        Assert.Equal(pieces, Pieces(Gemma, text));

    [Theory]
    [InlineData("always", "a<s>a xx", "▁a|<s>|▁a|▁|<unk>", "a<s> a <unk>")]
    [InlineData("first", "a<s>a xx", "▁a|<s>|a|▁|<unk>", "a<s>a <unk>")]
    [InlineData("never", "a<s>a xx", "a|<s>|a|▁|<unk>", "a<s>a <unk>")]
    public void Metaspace_prepends_by_its_scheme(string scheme, string text, string pieces, string decoded)
    {
        TextTokenizer tokenizer = Json(TinyTokenizers.Metaspace(scheme));
        Assert.Equal(pieces, Pieces(tokenizer, text));
        Assert.Equal(decoded, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Fact]
    public void Decoding_gives_the_text_back()
    {
        AnyText.Sample(text =>
        {
            Assert.Equal(text, Llama3.Decode(Llama3.Encode(text)));
            Assert.Equal(text.Replace('▁', ' '), Llama2.Decode(Llama2.Encode(text)));
            Assert.Equal(text.Replace('▁', ' '), Gemma.Decode(Gemma.Encode(text)));
            Assert.Equal(
                new UnicodeNormalizer(Compose: true).Normalize(text).ToString(), Qwen.Decode(Qwen.Encode(text)));
        });
    }

    [Fact]
    public void Streamed_text_is_the_decoded_text()
    {
        foreach (TextTokenizer tokenizer in (TextTokenizer[])[Llama3, Llama2, Gemma])
        {
            Gen.Int[0, tokenizer.VocabularySize - 1].Array[0, 40].Sample(ids =>
            {
                var streaming = new StreamingDecoder(tokenizer);
                var text = new System.Text.StringBuilder();
                foreach (int id in ids)
                {
                    text.Append(streaming.Append(id));
                    Assert.False(char.IsHighSurrogate(text.Length == 0 ? 'a' : text[^1]));
                }
                return text.Append(streaming.Flush()).ToString() == tokenizer.Decode(ids);
            });
        }
    }

    [Fact]
    public void BOS_stands_in_front_once()
    {
        int bos = Llama3.BosId!.Value;
        Assert.Equal([bos, .. Llama3.Encode("the")], Llama3.EncodeWithSpecials("the", null));
        Assert.Equal([bos, .. Llama3.Encode("the")], Llama3.EncodeWithSpecials("<|begin|>the", null));
        Assert.Equal([bos], Llama3.EncodeWithSpecials("", null));
        Assert.Equal([1], Gemma.EncodeWithSpecials("", null));
        Assert.Equal(Qwen.Encode("the"), Qwen.EncodeWithSpecials("the", null));
        Assert.Null(Qwen.BosId);
        Assert.Equal((1, (int?)null, 0), (Gemma.BosId, Gemma.EosId, Gemma.UnknownId));
    }

    [Theory]
    [InlineData("""{"add_bos_token": false, "bos_token": "<s>"}""", "")]
    [InlineData("""{"add_bos_token": true, "bos_token": "<s>"}""", "1")]
    [InlineData("""{"add_bos_token": true, "add_eos_token": true, "bos_token": "<s>", "eos_token": "</s>"}""", "1 2")]
    [InlineData("""{"bos_token": "<s>"}""", "1")]
    public void The_config_decides_on_BOS_and_EOS(string config, string ids)
    {
        TextTokenizer tokenizer = Load(("tokenizer.json", TinyTokenizers.Gemma()), ("tokenizer_config.json", config));
        Assert.Equal(ids, string.Join(' ', tokenizer.EncodeWithSpecials("", null)));
    }

    [Fact]
    public void A_BOS_that_is_wanted_but_not_there_is_refused()
    {
        Assert.Equal(
            "'DIR/tokenizer_config.json': add_bos_token is true, but bos_token '<bos>' is not in 'DIR/tokenizer.json'",
            Refusal<InvalidDataException>(
                ("tokenizer.json", TinyTokenizers.Gemma()),
                ("tokenizer_config.json", """{"add_bos_token": true, "bos_token": "<bos>"}""")).Replace('\\', '/'));
    }

    [Theory]
    [InlineData("""{"type": "Digits", "individual_digits": true}""", "a12b", "a|1|2|b")]
    [InlineData("""{"type": "Digits"}""", "a12b٣", "a|12|b|٣")]
    [InlineData("""{"type": "Punctuation"}""", "a+-b", "a|+|-|b")]
    [InlineData("""{"type": "Punctuation", "behavior": "Contiguous"}""", "a+-b", "a|+-|b")]
    [InlineData("""{"type": "Whitespace"}""", "a_1 +-b\n", "a_1|+-|b")]
    [InlineData("""{"type": "WhitespaceSplit"}""", " a_1 +-b\n", "a_1|+-b")]
    [InlineData("""{"type": "BertPreTokenizer"}""", " a_1 +b", "a|_|1|+|b")]
    [InlineData("""{"type": "Split", "pattern": {"Regex": "[0-9]"}, "behavior": "MergedWithNext"}""", "a1b", "a|1b")]
    public void Each_pre_tokenizer_splits_as_documented(string json, string text, string expected)
    {
        using System.Text.Json.JsonDocument document = System.Text.Json.JsonDocument.Parse($$"""{"p": {{json}} }""");
        List<PreTokenizer> steps = PreTokenizerJson.Read(
            TokenizerComponent.Of(document.RootElement, "f", "p"), null, out bool byteLevel);
        var pieces = new List<string>();
        PieceAction last = (piece, _) => pieces.Add(piece.ToString());
        PieceAction action = steps.AsEnumerable().Reverse().Aggregate(
            last, (next, step) => (piece, first) => step.Split(piece, first, next));
        action(text, true);
        Assert.Equal((false, expected), (byteLevel, string.Join('|', pieces)));
    }

    [Theory]
    [InlineData("""{"type": "Lowercase"}""", "ÀΣß", "àσß")]
    [InlineData("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}""", "Ếa", "Ea")]
    [InlineData("""{"type": "Strip"}""", " a ", "a")]
    [InlineData("""{"type": "Strip", "strip_left": false}""", " a ", " a")]
    [InlineData("""{"type": "Prepend", "prepend": "_"}""", "", "")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "_"}""", "a   b c", "a_b c")]
    public void Each_normalizer_rewrites_as_documented(string json, string text, string expected)
    {
        using System.Text.Json.JsonDocument document = System.Text.Json.JsonDocument.Parse($$"""{"n": {{json}} }""");
        Normalizer normalizer = NormalizerJson.Read(TokenizerComponent.Of(document.RootElement, "f", "n"))!;
        Assert.Equal(expected, normalizer.Normalize(text).ToString());
    }

    [Fact]
    public void The_digest_tells_the_families_apart()
    {
        Assert.Distinct(new[] { Llama3, Qwen, Llama2, Gemma, Json(TinyTokenizers.Metaspace("first")),
            Json(TinyTokenizers.Metaspace("never")) }.Select(t => t.Digest));
    }

    [Fact]
    public void A_megabyte_without_spaces_is_encoded_in_time_that_grows_with_its_length()
    {
        foreach (TextTokenizer tokenizer in (TextTokenizer[])[Llama3, Qwen, Llama2, Gemma])
        {
            string text = string.Concat(Enumerable.Repeat("theinon", (1 << 20) / 7));
            var watch = Stopwatch.StartNew();
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(text, tokenizer.Decode(ids));
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{watch.Elapsed}");
        }
    }

    private static TextTokenizer Json(string json) => Load(("tokenizer.json", json));

    private static string Pieces(TextTokenizer tokenizer, string text) =>
        string.Join('|', tokenizer.Encode(text).Select(tokenizer.Piece));
}
