using System.Text;
using System.Text.Json;
using CsCheck;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class SentencePieceTests
{
    private static readonly (string, float)[] Abc =
    [
        ("▁", -9), ("a", -10), ("b", -11), ("c", -12), ("ab", -1), ("bc", -2), ("abc", -3), ("▁a", -2), ("aa", -3),
        ("▁abc", -5), ("aab", -2), ("ca", -4), ("\U00020000", -13), ("a\U00020000", -6),
    ];

    private static readonly Gen<string> AbcText =
        Gen.OneOf("a", "b", "c", " ", "▁", "\U00020000", "é").Array[0, 40].Select(string.Concat);

    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.OneOf("a", "b", "c", " ", "Once", " upon", "\n", "<s>", "日", "😀", "▁"),
        Gen.Int[1, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32))
        .Array[0, 20].Select(string.Concat);

    [Fact]
    public void Stories260K_gives_the_ids_of_its_reference()
    {
        string? folder = TestFiles.Shared is null ? null : Path.Combine(TestFiles.Shared, "weights", "stories260K");
        Assert.SkipWhen(!Directory.Exists(folder), "../shared/weights/stories260K is not there.");
        byte[] model = SentencePieceModels.Stories(Path.Combine(folder!, "hf", "pieces.json")).ToBytes();
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder!, "expected.json")));
        TextTokenizer tokenizer = LoadModel(model);
        string prompt = expected.RootElement.GetProperty("prompt").GetString()!;
        int[] ids = Ints(expected.RootElement.GetProperty("prompt_ids"));

        Assert.Equal(ids, tokenizer.EncodeWithSpecials(prompt, null));
        Assert.Equal(ids[1..], tokenizer.Encode(prompt));
        Assert.Equal(prompt, tokenizer.Decode(ids.AsSpan(1)));
        Assert.Equal("<s> " + prompt, tokenizer.Decode(ids));
        Assert.Equal((1, 2, 0, (int?)null), (tokenizer.BosId, tokenizer.EosId, tokenizer.UnknownId, tokenizer.PadId));
        AnyText.Sample(text => Assert.Equal(
            text.Replace('▁', ' '), tokenizer.Decode(tokenizer.Encode(text)).Replace("<s> ", "<s>")));
    }

    [Fact]
    public void Microsoft_ML_Tokenizers_gives_the_same_ids_on_real_text()
    {
        string? pieces = TestFiles.Shared is null
            ? null
            : Path.Combine(TestFiles.Shared, "weights", "stories260K", "hf", "pieces.json");
        Assert.SkipWhen(!File.Exists(pieces), "../shared/weights/stories260K is not there.");
        byte[] model = SentencePieceModels.Stories(pieces!).ToBytes();
        using var stream = new MemoryStream(model);
        var theirs = Microsoft.ML.Tokenizers.LlamaTokenizer.Create(
            stream, addBeginOfSentence: false, addEndOfSentence: false);
        TextTokenizer ours = LoadModel(model);
        foreach (string text in File.ReadLines(Data("topics/medical.jsonl")).Take(60).Append("  a  日本 é😀\n"))
        {
            Assert.Equal(theirs.EncodeToIds(text), ours.Encode(text));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void BPE_merges_as_SentencePiece_does(bool bytes)
    {
        var model = new SentencePieceModels { ByteFallback = bytes }.With(Abc);
        TextTokenizer tokenizer = LoadModel((bytes ? model.WithBytes() : model).ToBytes());
        AbcText.Sample(text => Assert.Equal(
            PlainMerges(model, Marked(text), bytes), tokenizer.Encode(text).Select(tokenizer.Piece)));
    }

    [Fact]
    public void A_character_that_is_no_piece_still_takes_part_in_merges()
    {
        SentencePieceModels model = new SentencePieceModels { AddDummyPrefix = false }
            .With(("x", -1), ("xé", -2), ("éé", -3), ("xéé", -4));
        TextTokenizer tokenizer = LoadModel(model.ToBytes());

        Assert.Equal(["xé"], tokenizer.Encode("xé").Select(tokenizer.Piece));
        Assert.Equal(["x", "<unk>", "x"], tokenizer.Encode("xüéx").Select(tokenizer.Piece));
        Gen.OneOf("x", "é", "ü").Array[0, 12].Select(string.Concat).Sample(text => Assert.Equal(
            PlainMerges(model, text, false), tokenizer.Encode(text).Select(tokenizer.Piece)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Unigram_takes_the_best_way_through_the_text(bool bytes)
    {
        var model = new SentencePieceModels { ModelType = 1, ByteFallback = bytes }.With(Abc);
        TextTokenizer tokenizer = LoadModel((bytes ? model.WithBytes() : model).ToBytes());
        Gen.OneOf("a", "b", "c", " ", "é").Array[0, 9].Select(string.Concat).Sample(text =>
        {
            string marked = Marked(text);
            float best = Ways(marked).Max(way => way.Sum(p => Score(p)));
            string[] unknown = [.. tokenizer.Encode(text).Select(tokenizer.Piece)];
            string[][] expected =
            [
                .. Ways(marked).Where(way => way.Sum(p => Score(p)) > best - 1e-4).Select(way => Spelled(way, bytes)),
            ];
            Assert.Contains(expected, way => way.SequenceEqual(unknown));
        });

        float Score(string piece) =>
            Abc.Where(p => p.Item1 == piece).Select(p => (float?)p.Item2).FirstOrDefault() ?? -23;

        IEnumerable<string[]> Ways(string text) => text.Length == 0 ? [[]] :
            from length in Enumerable.Range(1, text.Length)
            let piece = text[..length]
            where length == 1 || Abc.Any(p => p.Item1 == piece)
            from rest in Ways(text[length..])
            select (string[])[piece, .. rest];
    }

    [Theory]
    [InlineData("  a  b ", "▁a|▁|b", true)]
    [InlineData("  a  b ", "▁|▁|▁a|▁|▁|b|▁", false)]
    [InlineData("   ", "", true)]
    [InlineData("", "", false)]
    public void Extra_white_space_goes_where_the_model_says_so(string text, string pieces, bool remove)
    {
        TextTokenizer tokenizer = LoadModel(
            new SentencePieceModels { RemoveExtraWhitespaces = remove }.With(Abc).ToBytes());
        Assert.Equal(pieces, string.Join('|', tokenizer.Encode(text).Select(tokenizer.Piece)));
    }

    [Fact]
    public void The_charsmap_replaces_the_longest_entry()
    {
        SentencePieceModels model = new SentencePieceModels
        {
            NormalizerName = "own",
            RemoveExtraWhitespaces = true,
            Charsmap = SentencePieceModels.CharsmapOf(("ﬁ", "fi"), ("é", "e"), ("éé", "E"), ("\t", " "), ("\u0000", ""), ("¨", " ¨")),
        }.With(("▁", -1), ("f", -2), ("i", -3), ("e", -4), ("E", -5), ("¨", -6));
        TextTokenizer tokenizer = LoadModel(model.ToBytes());
        string Pieces(string text) => string.Concat(tokenizer.Encode(text).Select(tokenizer.Piece));

        Assert.Equal("▁fi", Pieces("ﬁ"));
        Assert.Equal("▁Eee▁Ee", Pieces("éée\u0000e\t \tééé"));
        Assert.Equal("▁¨▁¨", Pieces("¨¨"));
        Assert.Equal("", Pieces("\t\u0000 "));
    }

    [Fact]
    public void User_defined_pieces_are_found_before_the_model_and_special_tokens_in_the_text()
    {
        SentencePieceModels model = new SentencePieceModels().With(Abc)
            .With("▁▁", 0, SentencePieceModels.UserDefined).With("<x>", 0, SentencePieceModels.UserDefined);
        TextTokenizer tokenizer = LoadModel(model.ToBytes());

        Assert.Equal("▁a|<x>|b", string.Join('|', tokenizer.Encode("a<x>b").Select(tokenizer.Piece)));
        Assert.Equal("▁▁|▁a", string.Join('|', tokenizer.Encode("  a").Select(tokenizer.Piece)));
        Assert.Equal("<s>|▁a|</s>", string.Join('|', tokenizer.Encode("<s>a</s>").Select(tokenizer.Piece)));
        Assert.Equal("a<x>b", tokenizer.Decode(tokenizer.Encode("a<x>b")));
    }

    [Fact]
    public void BOS_stands_in_front_once_unless_the_config_says_otherwise()
    {
        byte[] model = new SentencePieceModels().With(Abc).ToBytes();
        Assert.Equal([1, 10], LoadModel(model).EncodeWithSpecials("a", null));
        Assert.Equal([1, 10], LoadModel(model).EncodeWithSpecials("<s>a", null));
        Assert.Equal([1], LoadModel(model).EncodeWithSpecials("", null));
        Assert.Equal([10], LoadModel(model, """{"add_bos_token": false}""").EncodeWithSpecials("a", null));
        Assert.Equal(
            [1, 10, 2],
            LoadModel(model, """{"add_eos_token": true, "tokenizer_class": "GemmaTokenizer"}""")
                .EncodeWithSpecials("a", null));
        Assert.Equal([2, 10], LoadModel(model, """{"bos_token": "</s>"}""").EncodeWithSpecials("a", null));
    }

    [Fact]
    public void A_run_of_byte_tokens_is_text_only_as_a_whole_and_streams_so()
    {
        TextTokenizer tokenizer = LoadModel(new SentencePieceModels { ByteFallback = true }.WithBytes().With(Abc).ToBytes());
        int[] Bytes(string hex) => [.. Convert.FromHexString(hex).Select(b => 3 + b)];
        int a = tokenizer.Encode("a")[0];

        Assert.Equal(" a😀 a", tokenizer.Decode([a, .. Bytes("F09F9880"), a]).Insert(0, " "));
        Assert.Equal("\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD a", tokenizer.Decode([.. Bytes("C3A9E282C3"), a]));
        Assert.Equal("x", tokenizer.Decode([.. Bytes("2078")]));
        var streaming = new StreamingDecoder(tokenizer);
        Assert.Equal(
            ["", "", "é a", "", "\uFFFD"],
            [.. Bytes("C3A9").Select(streaming.Append), streaming.Append(a), streaming.Append(3 + 0xC3), streaming.Flush()]);
        Assert.Equal(" a", new StreamingDecoder(tokenizer, continues: true).Append(a));
        Assert.Equal("a", new StreamingDecoder(tokenizer).Append(a));
        Gen.Int[0, tokenizer.VocabularySize - 1].Array[0, 30].Sample(ids =>
        {
            var stream = new StreamingDecoder(tokenizer);
            return string.Concat(ids.Select(stream.Append)) + stream.Flush() == tokenizer.Decode(ids);
        });
    }

    public static TheoryData<byte[], string> Refused => new()
    {
        { new SentencePieceModels { ModelType = 3 }.ToBytes(), "trainer_spec.model_type WORD is not supported; supported: UNIGRAM, BPE" },
        {
            new SentencePieceModels { NormalizerName = "nmt_nfkc" }.ToBytes(),
            "normalizer_spec.name 'nmt_nfkc' without its precompiled_charsmap is not supported; supported: identity, or any "
            + "name with the charsmap"
        },
        {
            new SentencePieceModels().With("x", 0, SentencePieceModels.Unused).ToBytes(),
            "a piece of type UNUSED in a BPE model is not supported; supported: NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE"
        },
        {
            new SentencePieceModels().With((new string('a', 300), 0)).ToBytes(),
            "a piece of 300 characters is not supported; supported: up to 256"
        },
        {
            Encoding.ASCII.GetBytes("IQ== 0\nIg== 1\n"),
            "a tiktoken vocabulary; supported: SentencePiece models; the tokenizer.json of this model works"
        },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_not_exact_is_refused_by_name(byte[] model, string message)
    {
        Assert.Equal($"'DIR/tokenizer.model': {message}", RefusalOfModel<NotSupportedException>(model));
    }

    public static TheoryData<byte[], string> Damaged => new()
    {
        { [], "not a SentencePiece model: it has no pieces" },
        { [0x0A, 0x05, 1], "not a SentencePiece model: a field of 5 bytes where 1 are left" },
        { [0x0A, 0xFF, 0xFF], "not a SentencePiece model: a number that does not end" },
        { [0x08, 0x01], "not a SentencePiece model: field 1 with wire type 0, expected 2" },
        { [0x0B], "not a SentencePiece model: field 1 with wire type 3, expected 2" },
        { [0x33], "not a SentencePiece model: wire type 3" },
        { [0x00], "not a SentencePiece model: a field number that is none" },
        { [0x0A, 0x03, 0x0A, 0x01, 0xFF], "not a SentencePiece model: a text that is not UTF-8" },
        {
            new SentencePieceModels().With("x", float.NaN, 1).ToBytes(),
            "piece 3 'x' has score NaN and type 1, expected a text, a finite score and a type from 1 to 6"
        },
        {
            new SentencePieceModels().With("<s>", 0, 1).ToBytes(),
            "token '<s>' has both id 1 and id 3, expected one id per token"
        },
        {
            new SentencePieceModels().With("?", 0, SentencePieceModels.Unknown).ToBytes(),
            "expected one piece of type UNKNOWN, found none or several"
        },
        {
            new SentencePieceModels { ByteFallback = true }.ToBytes(),
            "trainer_spec.byte_fallback is true, but there is no piece '<0x00>' of type BYTE"
        },
        { new SentencePieceModels { ModelType = 1 }.ToBytes(), "expected pieces of type NORMAL, found none" },
        {
            new SentencePieceModels { Charsmap = [1, 2, 3] }.ToBytes(),
            "normalizer_spec.precompiled_charsmap of 3 bytes names a trie of 0, expected a multiple of 4 and, behind it, "
            + "texts that end with 0"
        },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void A_damaged_model_is_refused(byte[] model, string message)
    {
        Assert.Equal($"'DIR/tokenizer.model': {message}", RefusalOfModel<InvalidDataException>(model));
    }

    [Fact]
    public void Another_class_is_refused()
    {
        byte[] model = new SentencePieceModels().With(Abc).ToBytes();
        Assert.Equal(
            "tokenizer_class 'T5Tokenizer' cannot be read from tokenizer.model; supported there: LlamaTokenizer, "
            + "LlamaTokenizerFast, CodeLlamaTokenizer, CodeLlamaTokenizerFast, GemmaTokenizer, GemmaTokenizerFast; "
            + "a tokenizer.json may work",
            Assert.Throws<NotSupportedException>(
                () => LoadModel(model, """{"tokenizer_class": "T5Tokenizer"}""")).Message.Split("': ")[1]);
    }

    private static string Marked(string text) => text.Length == 0 ? "" : ("▁" + text).Replace(' ', '▁');

    // SentencePiece's own loop: the neighbours whose joint text is the piece of highest score, leftmost on ties.
    private static string[] PlainMerges(SentencePieceModels model, string text, bool bytes)
    {
        Dictionary<string, float> scores = model.Pieces.Where(p => p.Kind == SentencePieceModels.Normal)
            .ToDictionary(p => p.Text, p => p.Score);
        List<string> symbols = [.. text.EnumerateRunes().Select(r => r.ToString())];
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                if (scores.TryGetValue(symbols[i] + symbols[i + 1], out float score)
                    && (best < 0 || score > scores[symbols[best] + symbols[best + 1]]))
                {
                    best = i;
                }
            }
            if (best < 0)
            {
                break;
            }
            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
        return Spelled(symbols, bytes, scores.ContainsKey);
    }

    private static string[] Spelled(
        IEnumerable<string> symbols, bool bytes, Func<string, bool>? known = null)
    {
        known ??= piece => Abc.Any(p => p.Item1 == piece);
        var pieces = new List<string>();
        bool afterUnknown = false;
        foreach (string symbol in symbols)
        {
            bool unknown = !known(symbol);
            if (!unknown)
            {
                pieces.Add(symbol);
            }
            else if (bytes)
            {
                pieces.AddRange(Encoding.UTF8.GetBytes(symbol).Select(b => $"<0x{b:X2}>"));
            }
            else if (!afterUnknown)
            {
                pieces.Add("<unk>");
            }
            afterUnknown = unknown;
        }
        return [.. pieces];
    }

    private static TextTokenizer LoadModel(byte[] model, string? config = null)
    {
        TextTokenizer? tokenizer = null;
        With(config is null ? [] : new Dictionary<string, string> { ["tokenizer_config.json"] = config }, folder =>
        {
            File.WriteAllBytes(Path.Combine(folder, "tokenizer.model"), model);
            tokenizer = TextTokenizer.Load(folder);
        });
        return tokenizer!;
    }

    private static string RefusalOfModel<TException>(byte[] model) where TException : Exception
    {
        string message = "";
        With(new Dictionary<string, string>(), folder =>
        {
            File.WriteAllBytes(Path.Combine(folder, "tokenizer.model"), model);
            message = Assert.Throws<TException>(() => TextTokenizer.Load(folder)).Message.Replace(folder, "DIR")
                .Replace('\\', '/');
        });
        return message;
    }
}
