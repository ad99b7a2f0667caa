using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class TokenizerFilesTests
{
    private const string Vocab = """{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}""";
    private const string Merges = "#version: 0.2\na b\n";
    private const string Words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nHello\ncafe\ncafé\nab\n";

    private static (string, string) Config(string text) => ("tokenizer_config.json", text);

    private static string Json(
        string model = """{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}""",
        string preTokenizer = """{"type": "ByteLevel", "add_prefix_space": false}""",
        string normalizer = "null",
        string decoder = """{"type": "ByteLevel"}""",
        string postProcessor = "null",
        string addedTokens = "[]") => $$"""
        {
          "added_tokens": {{addedTokens}}, "normalizer": {{normalizer}}, "pre_tokenizer": {{preTokenizer}},
          "post_processor": {{postProcessor}}, "decoder": {{decoder}}, "model": {{model}}
        }
        """;

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_was_looked_for()
    {
        const string Looked =
            "'DIR': no tokenizer found; looked for tokenizer.json, vocab.json with merges.txt, vocab.txt, tokenizer.model";
        Assert.Equal(Looked, Refusal<InvalidDataException>());
        Assert.Equal(
            Looked + "; vocab.json is there, but merges.txt is not",
            Refusal<InvalidDataException>(("vocab.json", Vocab)));
        Assert.Equal(
            Looked + "; merges.txt is there, but vocab.json is not",
            Refusal<InvalidDataException>(("merges.txt", Merges)));
        Assert.Equal(
            Looked.Replace("DIR", "no/such/folder") + "; there is no such folder",
            Assert.Throws<InvalidDataException>(() => TextTokenizer.Load("no/such/folder")).Message);
    }

    [Fact]
    public void A_tokenizer_json_comes_before_vocab_and_merges()
    {
        TextTokenizer tokenizer = Load(
            ("vocab.json", Vocab), ("merges.txt", Merges),
            ("tokenizer.json", Json("""{"type": "BPE", "vocab": {"a": 7, "b": 8}, "merges": []}""")));
        Assert.Equal([7, 8], tokenizer.Encode("ab"));
    }

    [Theory]
    [InlineData("""{"model_max_length": 1000000000000000019884624838656}""", null, null, 3, 3)]
    [InlineData("""{"model_max_length": 1024, "pad_token": "b"}""", 1024, 1, 3, 3)]
    [InlineData("""{"bos_token": "a", "eos_token": {"content": "b", "lstrip": false}}""", null, null, 0, 1)]
    [InlineData("""{"bos_token": null, "pad_token": "[PAD]"}""", null, null, null, 3)]
    public void The_config_names_special_tokens_and_the_longest_sequence(
        string config, int? maxLength, int? pad, int? bos, int? eos)
    {
        TextTokenizer tokenizer = Load(
            ("vocab.json", Vocab), ("merges.txt", Merges), ("tokenizer_config.json", config));
        Assert.Equal(
            (maxLength, pad, bos, eos), (tokenizer.ModelMaxLength, tokenizer.PadId, tokenizer.BosId, tokenizer.EosId));
        Assert.Null(tokenizer.UnknownId);
    }

    [Fact]
    public void The_special_tokens_map_fills_in_what_the_config_leaves_open()
    {
        TextTokenizer tokenizer = Load(
            ("vocab.json", Vocab), ("merges.txt", Merges), ("tokenizer_config.json", """{"bos_token": "a"}"""),
            ("special_tokens_map.json", """{"bos_token": "b", "unk_token": {"content": "<|endoftext|>"}}"""));
        Assert.Equal((0, 3, 3), (tokenizer.BosId, tokenizer.EosId, tokenizer.UnknownId));
    }

    [Fact]
    public void Tokens_added_beside_the_vocabulary_are_found_in_the_text()
    {
        TextTokenizer tokenizer = Load(
            ("vocab.json", Vocab), ("merges.txt", Merges), ("added_tokens.json", """{"<|user|>": 5}"""),
            ("tokenizer_config.json", """
                {"add_bos_token": true,
                 "added_tokens_decoder": {"4": {"content": "<|end of turn|>", "rstrip": true, "special": true}}}
                """));
        Assert.Equal([5, 2, 4, 0], tokenizer.Encode("<|user|>ab<|end of turn|> \n a"));
        Assert.Equal([3, 2], tokenizer.EncodeWithSpecials("aba", 2));
        Assert.Equal(("a<|end of turn|>", 6), (tokenizer.Decode([0, 4]), tokenizer.VocabularySize));
    }

    [Fact]
    public void Added_tokens_match_leftmost_longest_and_mind_their_flags()
    {
        TextTokenizer tokenizer = Load(("tokenizer.json", Json(addedTokens: """
            [{"id": 3, "content": "<x>"}, {"id": 4, "content": "<x><x>"},
             {"id": 5, "content": "w", "single_word": true},
             {"id": 6, "content": "<s>", "lstrip": true, "rstrip": true, "normalized": true}]
            """)));
        Assert.Equal([4, 3, 0], tokenizer.Encode("<x><x><x>a"));
        Assert.Equal([5, 0, 5], tokenizer.Encode("w a\u0000w"));
        Assert.Equal([2, 0], tokenizer.Encode("abwéw_a"));
        Assert.Equal([0, 6, 6, 1], tokenizer.Encode("a  <s> \n <s>b"));
    }

    [Fact]
    public void Normalised_added_tokens_are_looked_for_in_the_normalised_text()
    {
        string json = """
            {
              "added_tokens": [{"id": 3, "content": "Big Café", "normalized": true}, {"id": 0, "content": "[UNK]"}],
              "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
              "decoder": {"type": "WordPiece"},
              "model": {"max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "[": 2}}
            }
            """;
        TextTokenizer tokenizer = Load(("tokenizer.json", json));
        Assert.Equal([1, 3, 1, 0, 2, 0, 0], tokenizer.Encode("a BIG\tcafe\u0301 a [UNK] [unk]"));
        Assert.Empty(tokenizer.EncodeWithSpecials("", 0));
    }

    [Fact]
    public void Case_and_accents_follow_the_config()
    {
        Assert.Equal([5, 7], Load(("vocab.txt", Words)).Encode("Hello Café"));
        TextTokenizer cased = Load(("vocab.txt", Words), Config("""{"do_lower_case": false}"""));
        Assert.Equal([6, 1, 6, 8], cased.Encode("Hello cafe\u0301 Hello café"));
        Assert.Equal([5, 8], Load(("vocab.txt", Words), Config("""{"strip_accents": false}""")).Encode("Hello Café"));
        Assert.Equal(
            [6, 7],
            Load(("vocab.txt", Words), Config("""{"do_lower_case": false, "strip_accents": true}"""))
                .Encode("Hello café"));
    }

    [Fact]
    public void Lines_may_end_with_a_carriage_return_and_a_file_begin_with_a_byte_order_mark()
    {
        Assert.Equal(
            Load(("vocab.txt", Words)).Digest, Load(("vocab.txt", "\uFEFF" + Words.ReplaceLineEndings("\r\n"))).Digest);
        Assert.Equal(
            Load(("vocab.json", Vocab), ("merges.txt", Merges)).Digest,
            Load(("vocab.json", "\uFEFF" + Vocab), ("merges.txt", Merges.ReplaceLineEndings("\r\n"))).Digest);
    }

    [Fact]
    public void The_digest_changes_with_whatever_changes_ids()
    {
        string[] digests =
        [
            Load(("vocab.json", Vocab), ("merges.txt", Merges)).Digest,
            Load(("vocab.json", Vocab), ("merges.txt", "")).Digest,
            Load(("vocab.json", Vocab.Replace("\"<|", "\"<")), ("merges.txt", Merges)).Digest,
            Load(("vocab.json", Vocab), ("merges.txt", Merges), Config("""{"add_bos_token": true}""")).Digest,
            Load(("vocab.json", Vocab), ("merges.txt", Merges), Config("""{"bos_token": "a"}""")).Digest,
            Load(("vocab.txt", Words)).Digest,
            Load(("vocab.txt", Words), Config("""{"do_lower_case": false}""")).Digest,
        ];
        Assert.Distinct(digests);
        Assert.All(digests, d => Assert.Matches("^[0-9a-f]{64}$", d));
    }

    [Theory]
    [InlineData("[1]", "the file holds an array, expected an object")]
    [InlineData("{}", "the file has no tokens")]
    [InlineData("""{"a": "0"}""", "token 'a' has a string as id, expected an integer")]
    [InlineData("""{"a": 0.5}""", "the id of token 'a' is 0.5, expected an integer")]
    [InlineData("""{"a": -1}""", "token 'a' has id -1, expected 0..4194303")]
    [InlineData("""{"a": 4194304}""", "token 'a' has id 4194304, expected 0..4194303")]
    [InlineData("""{"a": 3, "b": 3}""", "id 3 belongs to both 'a' and 'b', expected one token per id")]
    public void A_bad_vocab_json_is_refused(string vocab, string message)
    {
        Assert.Equal(
            $"'{Path.Combine("DIR", "vocab.json")}': {message}",
            Refusal<InvalidDataException>(("vocab.json", vocab), ("merges.txt", Merges)));
    }

    [Theory]
    [InlineData("""{"a": 0, "a": 1}""")]
    [InlineData("""{"a": 0""")]
    [InlineData("")]
    [InlineData("""{"\ud800": 0}""")]
    public void What_is_not_sound_JSON_is_refused_in_one_line(string vocab)
    {
        string message = Refusal<InvalidDataException>(("vocab.json", vocab), ("merges.txt", Merges));
        Assert.StartsWith($"'{Path.Combine("DIR", "vocab.json")}': ", message);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData("a b\nb", "line 2 is 'b', expected two tokens and one space between")]
    [InlineData("a  b", "line 1 is 'a  b', expected two tokens and one space between")]
    [InlineData("#version: 0.2\na c", "line 2 needs token 'c', which is not in the vocabulary")]
    [InlineData("#version: 0.2\nb a", "line 2 needs token 'ba', which is not in the vocabulary")]
    public void A_bad_merges_txt_is_refused(string merges, string message)
    {
        Assert.Equal(
            $"'{Path.Combine("DIR", "merges.txt")}': {message}",
            Refusal<InvalidDataException>(("vocab.json", Vocab), ("merges.txt", merges)));
    }

    [Theory]
    [InlineData("", "the file has no tokens")]
    [InlineData("a\nb\na\n", "token 'a' has both id 0 and id 2, expected one id per token")]
    [InlineData("a\n[CLS]\n[SEP]\n", "unk_token '[UNK]' is not in the vocabulary")]
    [InlineData("a\u0001b\na\u0001b\n", "token 'a\uFFFDb' has both id 0 and id 1, expected one id per token")]
    [InlineData("[UNK]\n[SEP]\n", "cls_token '[CLS]' is not in the vocabulary")]
    [InlineData("[UNK]\n[CLS]\n", "sep_token '[SEP]' is not in the vocabulary")]
    public void A_bad_vocab_txt_is_refused(string words, string message)
    {
        Assert.Equal(
            $"'{Path.Combine("DIR", "vocab.txt")}': {message}", Refusal<InvalidDataException>(("vocab.txt", words)));
    }

    [Fact]
    public void A_file_that_is_not_UTF8_or_too_large_is_refused()
    {
        With(new Dictionary<string, string>(), folder =>
        {
            string path = Path.Combine(folder, "vocab.txt");
            File.WriteAllBytes(path, [0x61, 0xFF]);
            Assert.Equal(
                $"'{path}': not valid UTF-8",
                Assert.Throws<InvalidDataException>(() => TextTokenizer.Load(folder)).Message);
            using (FileStream file = File.OpenWrite(path))
            {
                file.SetLength(TokenizerFile.MaxBytes + 1);
            }
            Assert.Equal(
                $"'{path}': 268435457 bytes, expected at most 268435456",
                Assert.Throws<InvalidDataException>(() => TextTokenizer.Load(folder)).Message);
        });
    }

    [Theory]
    [InlineData("""{"model_max_length": 0}""", "model_max_length is 0, expected a positive integer")]
    [InlineData("""{"model_max_length": 1.5}""", "model_max_length is 1.5, expected a positive integer")]
    [InlineData("""{"model_max_length": "x"}""", "model_max_length is a string, expected a number")]
    [InlineData("""{"do_lower_case": 1}""", "do_lower_case is a number, expected true or false")]
    [InlineData("""{"bos_token": 1}""", "bos_token is a number, expected a string, an object or null")]
    [InlineData("""{"bos_token": {}}""", "bos_token.content is missing, expected a string")]
    [InlineData("""{"bos_token": "\ud800"}""", "bos_token is not valid Unicode (a lone surrogate escape)")]
    [InlineData("""{"added_tokens_decoder": {"x": {}}}""", "added_tokens_decoder has the key 'x', expected an id")]
    [InlineData(
        """{"added_tokens_decoder": {"9999999": {"content": "x"}}}""",
        "token 'x' has id 9999999, expected 0..4194303")]
    [InlineData(
        """{"added_tokens_decoder": {"1": {"content": "x"}}}""",
        "token 'x' has id 1, which 'DIR/vocab.json' gives to 'b'")]
    [InlineData(
        """{"added_tokens_decoder": {"9": {"content": "a"}}}""",
        "token 'a' has id 9, but 'DIR/vocab.json' gives it id 0")]
    [InlineData(
        """{"add_bos_token": true, "bos_token": "<s>"}""",
        "add_bos_token is true, but bos_token '<s>' is not in 'DIR/vocab.json'")]
    public void A_bad_config_is_refused(string config, string message)
    {
        Assert.Equal(
            $"'DIR/tokenizer_config.json': {message}",
            Refusal<InvalidDataException>(
                ("vocab.json", Vocab), ("merges.txt", Merges), ("tokenizer_config.json", config)).Replace('\\', '/'));
    }

    [Fact]
    public void Another_tokenizers_class_is_refused_where_the_files_do_not_say_how_to_split()
    {
        Assert.Equal(
            "'DIR/tokenizer_config.json': tokenizer_class 'Qwen2Tokenizer' cannot be read from vocab.json with "
            + "merges.txt; supported there: GPT2Tokenizer, GPT2TokenizerFast; a tokenizer.json may work",
            Refusal<NotSupportedException>(
                ("vocab.json", Vocab), ("merges.txt", Merges),
                ("tokenizer_config.json", """{"tokenizer_class": "Qwen2Tokenizer"}""")).Replace('\\', '/'));
    }

    public static TheoryData<string, string> Unsupported => new()
    {
        {
            Json(normalizer: """{"type": "NFKC"}"""),
            "normalizer 'NFKC' is not supported; supported: Sequence, NFC, NFD, Lowercase, StripAccents, Replace, "
            + "Prepend, Strip, BertNormalizer, null"
        },
        {
            Json(normalizer: """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Precompiled"}]}"""),
            "normalizer.normalizers[1] 'Precompiled' is not supported; supported: Sequence, NFC, NFD, Lowercase, "
            + "StripAccents, Replace, Prepend, Strip, BertNormalizer, null"
        },
        {
            Json(preTokenizer: """{"type": "UnicodeScripts"}"""),
            "pre_tokenizer 'UnicodeScripts' is not supported; supported: Sequence, ByteLevel, Split, Metaspace, Digits, "
            + "Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, null"
        },
        {
            Json(preTokenizer: """
                {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}
                """),
            "pre_tokenizer.pretokenizers[1] after ByteLevel is not supported; supported: ByteLevel as the last step"
        },
        {
            Json(preTokenizer: """{"type": "Split", "pattern": {"String": " "}, "behavior": "Kept"}"""),
            "pre_tokenizer behavior 'Kept' is not supported; supported: Isolated, Removed, MergedWithPrevious, "
            + "MergedWithNext, Contiguous"
        },
        {
            Json(preTokenizer: """{"type": "Split", "pattern": {"String": ""}, "behavior": "Removed"}"""),
            "pre_tokenizer.pattern.String is empty, which is not supported"
        },
        {
            Json(preTokenizer: """{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}"""),
            "pre_tokenizer prepend_scheme 'last' is not supported; supported: always, first, never"
        },
        {
            Json(decoder: """{"type": "CTC"}"""),
            "decoder 'CTC' is not supported; supported: Sequence, ByteLevel, Replace, Metaspace, ByteFallback, Fuse, Strip"
        },
        {
            Json(decoder: "null"),
            "decoder null is not supported; supported: ByteLevel alone, or Replace and Metaspace, ByteFallback, Fuse, "
            + "Strip in this order"
        },
        {
            Json(decoder: """
                {"type": "Sequence", "decoders": [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
                """),
            "decoder.decoders[0] 'Strip' at this place is not supported; supported: ByteLevel alone, or Replace and "
            + "Metaspace, ByteFallback, Fuse, Strip in this order"
        },
        {
            Json(decoder: """
                {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "x", "start": 1}]}
                """),
            "decoder.decoders[1] 'Strip' of 'x', start 1, stop 0 is not supported; supported: of ' ', start up to 1000, "
            + "stop 0"
        },
        {
            Json(postProcessor: """{"type": "Other"}"""),
            "post_processor 'Other' is not supported; supported: null, ByteLevel, TemplateProcessing, BertProcessing, "
            + "RobertaProcessing, Sequence"
        },
        { Json("""{"type": "Unigram", "vocab": []}"""), "model.type is 'Unigram'; supported: BPE, WordPiece" },
        { Json("""{"vocab": {}}"""), "model.type is missing; supported: BPE, WordPiece" },
        {
            Bpe("\"byte_fallback\": true"),
            "model.byte_fallback true with ByteLevel is not supported; supported: one of them"
        },
        {
            Bpe("\"end_of_word_suffix\": \"</w>\""),
            "model.end_of_word_suffix '</w>' is not supported; supported: none"
        },
        { Bpe("\"dropout\": 0.1"), "model.dropout 0.1 is not supported; supported: null" },
    };

    [Theory]
    [MemberData(nameof(Unsupported))]
    public void A_component_that_is_not_supported_is_refused_by_name(string json, string message)
    {
        Assert.Equal(
            $"'DIR/tokenizer.json': {message}",
            Refusal<NotSupportedException>(("tokenizer.json", json)).Replace('\\', '/'));
    }

    public static TheoryData<string, string> Damaged => new()
    {
        { "{}", "model is missing, expected an object" },
        { Json("""{"type": "BPE"}"""), "model.vocab is missing, expected an object" },
        { Json("""{"type": 1, "vocab": {}}"""), "model.type is a number, expected a string" },
        { Json("""{"type": "BPE", "vocab": {"a": 0}}"""), "model.merges is missing, expected an array" },
        { Json("""{"type": "BPE", "vocab": {}, "merges": []}"""), "model.vocab has no tokens" },
        {
            Json("""{"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b", "c"]]}"""),
            "model.merges[0] is an array, expected \"a b\" or [\"a\", \"b\"]"
        },
        {
            Json("""{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}"""),
            "model.merges[0] needs token 'b', which is not in the vocabulary"
        },
        { Bpe("\"unk_token\": \"?\""), "model.unk_token '?' is not in the vocabulary" },
        { Json(addedTokens: "{}"), "added_tokens is an object, expected an array" },
        { Json(addedTokens: "[7]"), "added_tokens[0] is a number, expected an object" },
        { Json(addedTokens: """[{"content": "x"}]"""), "added_tokens[0].id is missing, expected a number" },
        { Json(addedTokens: """[{"id": 9}]"""), "added_tokens[0].content is missing, expected a string" },
        {
            Json(addedTokens: """[{"id": 1, "content": "x"}]"""),
            "token 'x' has id 1, which 'DIR/tokenizer.json' gives to 'b'"
        },
        { Template("""[{"Sequence": {}}, {"Sequence": {}}]"""), "post_processor.single has 2 sequences, expected 1" },
        { Template("""[{"Other": {}}]"""), "post_processor.single: SpecialToken is missing, expected an object" },
        {
            Template("""[{"SpecialToken": {"id": "x"}}]"""),
            "post_processor.special_tokens 'x' is missing, expected an object"
        },
        {
            Template("""[{"SpecialToken": {"id": "far"}}]"""),
            "post_processor.special_tokens 'far' ids has id 99, which no token has"
        },
        {
            Json(postProcessor: """{"type": "BertProcessing", "cls": ["a"], "sep": ["b", 1]}"""),
            "post_processor.cls has 1 entries, expected token and id"
        },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void A_damaged_tokenizer_json_is_refused(string json, string message)
    {
        Assert.Equal(
            $"'DIR/tokenizer.json': {message}",
            Refusal<InvalidDataException>(("tokenizer.json", json)).Replace('\\', '/'));
    }

    private static string Bpe(string option) =>
        Json($$"""{"type": "BPE", {{option}}, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}""");

    private static string Template(string single) => Json(postProcessor: $$"""
        {"type": "TemplateProcessing", "single": {{single}}, "special_tokens": {"far": {"ids": [99]} } }
        """);
}
