using System.Text.Json;
using System.Text.RegularExpressions;
using LayerSteer.Text;
using Xunit;
using static LayerSteer.Tests.Text.TokenizerFolders;

namespace LayerSteer.Tests.Text;

public class GoldenTokenizerTests
{
    [Fact]
    public void Gpt2_gives_the_golden_ids_pieces_and_texts()
    {
        foreach (JsonElement item in Cases("tokenizers/gpt2_golden.json"))
        {
            string text = item.GetProperty("text").GetString()!;
            int[] ids = Gpt2.Encode(text);
            Assert.Equal(Ints(item.GetProperty("ids")), ids);
            Assert.Equal(ids, Gpt2.EncodeWithSpecials(text, null));
            Assert.Equal(Strings(item.GetProperty("pieces")), ids.Select(Gpt2.Piece));
            Assert.Equal(item.GetProperty("decoded").GetString(), Gpt2.Decode(ids));
        }
    }

    // Indexes and topics name their tokenizer by it: computed by hand from the vocabulary's files.
    [Fact]
    public void Gpt2_keeps_its_digest()
    {
        Assert.Equal("f449acbb2214c933605a0ad3b85d2fce20e40d035a441004d242147a09cb84e7", Gpt2.Digest);
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("wordpiece")]
    public void Bert_gives_the_golden_ids_and_pieces(string name)
    {
        TextTokenizer tokenizer = TextTokenizer.Load(TestFiles.Golden($"tokenizers/{name}"));
        foreach (JsonElement item in Cases($"tokenizers/{name}_golden.json"))
        {
            string text = item.GetProperty("text").GetString()!;
            Assert.Equal(Strings(item.GetProperty("tokens")), tokenizer.Encode(text).Select(tokenizer.Piece));
            Assert.Equal(Ints(item.GetProperty("ids")), tokenizer.EncodeWithSpecials(text, tokenizer.ModelMaxLength));
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bert-base-uncased")]
    public void The_llama_cpp_vectors_match(string name)
    {
        string folder = Data($"tokenizers/{name}");
        string[] texts = File.ReadAllText(Path.Combine(folder, "llamacpp-vectors.inp.txt"))
            .Split("\n__ggml_vocab_test__\n");
        string[] lines = File.ReadAllLines(Path.Combine(folder, "llamacpp-vectors.out.txt"));
        TextTokenizer tokenizer = TextTokenizer.Load(folder);

        // A separator stands after the last input too.
        Assert.Equal((46, 47, ""), (lines.Length, texts.Length, texts[^1]));
        for (int i = 0; i < lines.Length; i++)
        {
            int[] expected = [.. lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(texts[i]));
        }
    }

    [Theory]
    [InlineData("gpt2-topk")]
    [InlineData("gpt2-relu-sharded")]
    [InlineData("gpt2-fp16-lastlayer")]
    public void The_golden_models_prompts_and_references_match(string model)
    {
        TextTokenizer gpt2 = TextTokenizer.Load(TestFiles.Golden($"{model}/model"));
        TextTokenizer bert = TextTokenizer.Load(TestFiles.Golden($"{model}/encoder"));
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden($"{model}/golden.json")));
        int bos = golden.RootElement.GetProperty("case").GetProperty("bos_token_id").GetInt32();
        Assert.Equal((bos, bos, bos + 1), (gpt2.BosId, gpt2.EosId, gpt2.VocabularySize));
        foreach (JsonElement prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = gpt2.Encode(prompt.GetProperty("text").GetString()!);
            Assert.Equal(Ints(prompt.GetProperty("tokens")), ids);
            Assert.Equal(
                Strings(prompt.GetProperty("str_tokens")),
                Ints(prompt.GetProperty("tokens_bos")).Select(gpt2.TokenText));
        }
        JsonElement scoring = golden.RootElement.GetProperty("scoring");
        string[] references = Column(TestFiles.Golden($"{model}/d_ref.csv"));
        string[] alignment = Column(TestFiles.Golden($"{model}/d_align.csv"));
        Assert.Equal(
            scoring.GetProperty("ref_tokens").EnumerateArray().Select(Ints), references.Select(gpt2.Encode));
        Assert.Equal(
            scoring.GetProperty("ref_wordpiece_ids").EnumerateArray().Select(Ints),
            references.Select(t => bert.EncodeWithSpecials(t, bert.ModelMaxLength)));
        Assert.Equal(
            scoring.GetProperty("align_wordpiece_ids").EnumerateArray().Select(Ints),
            alignment.Select(t => bert.EncodeWithSpecials(t, bert.ModelMaxLength)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_tokenizer_json_made_of_vocab_and_merges_gives_the_same_ids(bool mergesAsPairs)
    {
        string folder = TestFiles.Golden("tokenizers/gpt2");
        TextTokenizer fromJson = Load(("tokenizer.json", Gpt2Json(
            File.ReadAllText(Path.Combine(folder, "vocab.json")),
            File.ReadAllText(Path.Combine(folder, "merges.txt")), mergesAsPairs)));
        foreach (JsonElement item in Cases("tokenizers/gpt2_golden.json"))
        {
            Assert.Equal(
                Ints(item.GetProperty("ids")),
                fromJson.EncodeWithSpecials(item.GetProperty("text").GetString()!, null));
        }
        Assert.Equal((50256, 50256, 50257), (fromJson.BosId, fromJson.EosId, fromJson.VocabularySize));
        Assert.Equal(Gpt2.Digest, fromJson.Digest);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_tokenizer_json_made_of_a_vocab_txt_gives_the_same_ids_and_not_its_own_truncation(bool template)
    {
        string vocab = File.ReadAllText(Path.Combine(TestFiles.Golden("tokenizers/bert"), "vocab.txt"));
        TextTokenizer fromJson = Load(
            ("tokenizer.json", BertJson(vocab, template)), ("tokenizer_config.json", """{"model_max_length": 512}"""));
        foreach (JsonElement item in Cases("tokenizers/bert_golden.json"))
        {
            Assert.Equal(
                Ints(item.GetProperty("ids")),
                fromJson.EncodeWithSpecials(item.GetProperty("text").GetString()!, fromJson.ModelMaxLength));
        }
        Assert.Equal(302, fromJson.EncodeWithSpecials(string.Concat(Enumerable.Repeat("heart ", 300)), null).Length);
        Assert.Equal((100, 0, 512), (fromJson.UnknownId, fromJson.PadId, fromJson.ModelMaxLength));
        Assert.Equal(Bert.Digest, fromJson.Digest);
    }

    // The second column of a CSV file that has one header line.
    private static string[] Column(string path) =>
        [.. Regex.Matches(File.ReadAllText(path), """^\d+,(?:"((?:[^"]|"")*)"|(.*))$""", RegexOptions.Multiline)
            .Select(m => m.Groups[1].Success ? m.Groups[1].Value.Replace("\"\"", "\"") : m.Groups[2].Value)];
}
