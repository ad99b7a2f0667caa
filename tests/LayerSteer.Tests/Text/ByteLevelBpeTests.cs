using System.Diagnostics;
using CsCheck;
using LayerSteer.Text;
using Microsoft.ML.Tokenizers;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class ByteLevelBpeTests
{
    private const string Gpt2Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.Char['\0', '\u007F'].Select(c => c.ToString()),
        Gen.Int[0x80, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32),
        Gen.OneOf(" ", "  ", "\n", "'ll", "'t", "\u0085", "\u00A0", "\u3000", "the", "e\u0301", "日本", "<|endoftext|>"))
        .Array[0, 40].Select(string.Concat);

    [Fact]
    public void Decoding_the_ids_of_a_text_gives_the_text()
    {
        TextTokenizer gpt2 = Gpt2;
        AnyText.Sample(text =>
        {
            int[] ids = gpt2.Encode(text);
            return ids.All(id => id >= 0 && id < gpt2.VocabularySize) && gpt2.Decode(ids) == text;
        });
    }

    [Fact]
    public void A_special_token_splits_a_text_into_texts_of_their_own()
    {
        TextTokenizer gpt2 = Gpt2;
        Gen.Select(AnyText, AnyText).Sample((left, right) => gpt2.Encode(left + "<|endoftext|>" + right)
            .SequenceEqual([.. gpt2.Encode(left), 50256, .. gpt2.Encode(right)]));
    }

    [Fact]
    public void The_ids_are_those_of_the_plain_merge_loop()
    {
        string folder = TestFiles.Golden("tokenizers/gpt2");
        Dictionary<(string, string), int> ranks = File.ReadAllLines(Path.Combine(folder, "merges.txt")).Skip(1)
            .Select((line, rank) => (line.Split(' '), rank)).ToDictionary(m => (m.Item1[0], m.Item1[1]), m => m.rank);
        TextTokenizer gpt2 = Gpt2;
        Gen.OneOf("a", "b", "e", "t", "h", "in", "er", "o", "n", "s", "x").Array[1, 60].Select(string.Concat)
            .Sample(word => gpt2.Encode(word).Select(gpt2.Piece).SequenceEqual(PlainMerges(word, ranks)));
    }

    [Fact]
    public void Microsoft_ML_Tokenizers_gives_the_same_ids_on_real_text()
    {
        string folder = TestFiles.Golden("tokenizers/gpt2");
        var vocabulary = System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, int>>(
            File.ReadAllText(Path.Combine(folder, "vocab.json")))!;
        BpeTokenizer theirs = BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = File.ReadLines(Path.Combine(folder, "merges.txt")).Skip(1),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new(Gpt2Pattern), null),
        });
        foreach (string text in new[] { "medical", "cooking", "programming" }.SelectMany(
            topic => File.ReadLines(Data($"topics/{topic}.jsonl")).Take(60)))
        {
            Assert.Equal(theirs.EncodeToIds(text), Gpt2.Encode(text));
        }
    }

    [Theory]
    [InlineData("a\u00A0b", "a|\u00A0|b")]
    [InlineData("a\u00A0\u00A0b", "a|\u00A0|\u00A0|b")]
    [InlineData("a \u0085b", "a| |\u0085|b")]
    [InlineData("a\u001Cb", "a|\u001C|b")]
    [InlineData("\U00020000abc d", "\U00020000abc| d")]
    [InlineData("x\u00B2y \u2167 5", "x|\u00B2|y| \u2167| 5")]
    [InlineData("it'S 'dx 'llama '", "it|'|S| '|dx| '|llama| '")]
    [InlineData("'re're 're", "'re|'re| '|re")]
    [InlineData("  a   ", " | a|   ")]
    [InlineData("\n\n a", "\n\n| a")]
    [InlineData("\t a", "\t| a")]
    [InlineData("a\u0301b", "a|\u0301|b")]
    [InlineData(" \u0301", " \u0301")]
    [InlineData(" '", " '")]
    [InlineData("\uD800a", "\uD800|a")]
    public void Text_is_split_as_by_the_pattern(string text, string pieces)
    {
        var found = new List<string>();
        for (int start = 0; start < text.Length;)
        {
            int end = Gpt2Scanner.PieceEnd(text, start);
            found.Add(text[start..end]);
            start = end;
        }
        Assert.Equal(pieces, string.Join('|', found));
    }

    [Fact]
    public void A_lone_surrogate_is_the_replacement_character()
    {
        Assert.Equal(Gpt2.Encode("a\uFFFD\uFFFDb"), Gpt2.Encode("a\uDC00\uD800b"));
    }

    [Theory]
    [InlineData(null, new[] { 2 })]
    [InlineData("false", new[] { 3, 3, 2 })]
    [InlineData("true", new[] { 3, 2 })]
    public void A_byte_that_the_vocabulary_lacks_is_dropped_or_the_unknown_token(string? fuse, int[] expected)
    {
        string unknown = fuse is null ? "" : $"\"unk_token\": \"?\", \"fuse_unk\": {fuse},";
        TextTokenizer tokenizer = Load(("tokenizer.json", $$"""
            {
              "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
              "decoder": {"type": "ByteLevel"},
              "model": {"type": "BPE", {{unknown}} "vocab": {"a": 0, "b": 1, "ab": 2, "?": 3}, "merges": ["a b"]}
            }
            """));

        Assert.Equal(expected, tokenizer.Encode("xyab"));
    }

    [Fact]
    public void A_dropped_byte_makes_its_neighbours_adjacent()
    {
        TextTokenizer tokenizer = Load(
            ("vocab.json", """{"a": 0, "b": 1, "ab": 2}"""), ("merges.txt", "#version: 0.2\na b\n"));

        Assert.Equal([2], tokenizer.Encode("axb"));
        Assert.Null(tokenizer.BosId);
    }

    [Fact]
    public void A_prefix_space_is_put_before_each_stretch_between_special_tokens()
    {
        (string, string)[] files =
        [
            ("vocab.json", """{"a": 0, "Ġ": 1, "<|endoftext|>": 2}"""), ("merges.txt", "#version: 0.2\n"),
            ("tokenizer_config.json", """{"add_prefix_space": true}"""),
        ];

        Assert.Equal([1, 0, 2, 1, 0], Load(files).Encode("a<|endoftext|> a"));
        Assert.Empty(Load(files).Encode(""));
    }

    [Fact]
    public void A_piece_of_a_million_characters_is_encoded_in_order_n_log_n()
    {
        string text = string.Concat(Enumerable.Repeat("abcdefghij", 100_000));
        TextTokenizer gpt2 = Gpt2;
        var clock = Stopwatch.StartNew();
        int[] ids = gpt2.Encode(text);

        Assert.Equal(text, gpt2.Decode(ids));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"took {clock.Elapsed}");
    }

    [Fact]
    public void Threads_that_share_a_tokenizer_get_the_ids_of_one_thread()
    {
        string[] texts = File.ReadLines(Data("topics/bible.jsonl")).Take(100).ToArray();
        TextTokenizer shared = TextTokenizer.Load(TestFiles.Golden("tokenizers/gpt2"));
        int[][] alone = [.. texts.Select(Gpt2.Encode)];
        int[][] together = new int[texts.Length][];
        Parallel.For(0, texts.Length, i => together[i] = shared.Encode(texts[i]));

        Assert.Equal(alone, together);
    }

    private static List<string> PlainMerges(string word, Dictionary<(string, string), int> ranks)
    {
        List<string> parts = [.. word.Select(c => c.ToString())];
        while (parts.Count > 1)
        {
            int best = Enumerable.Range(0, parts.Count - 1)
                .MinBy(i => ranks.GetValueOrDefault((parts[i], parts[i + 1]), int.MaxValue));
            if (!ranks.ContainsKey((parts[best], parts[best + 1])))
            {
                break;
            }
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
        return parts;
    }
}
