using System.Text.Json;
using CsCheck;
using LayerSteer.Tests.Formats;
using LayerSteer.Text;
using Microsoft.ML.Tokenizers;
using Xunit;

namespace LayerSteer.Tests.Text;

public sealed class BytePairVocabularyTests : IDisposable
{
    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.Char['\0', '\u007F'].Select(c => c.ToString()),
        Gen.Int[0x80, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32),
        Gen.OneOf("the", " otter", "  ", "'d", "1300", "é", "\u3000", "<|endoftext|>", "<|endof")).Array[0, 30]
        .Select(string.Concat);

    private static readonly JsonSerializerOptions Relaxed = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly TempFolder _folder = new();
    private readonly BytePairVocabulary _vocabulary = BytePairTrainer.Train(
        Sentences.Made(seed: 1, 400),
        new BytePairTrainerOptions { VocabularySize = 380 },
        cancellation: TestContext.Current.CancellationToken);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Decoding_the_ids_of_any_text_gives_the_text()
    {
        TextTokenizer tokenizer = Saved();
        AnyText.Sample(text =>
        {
            int[] ids = tokenizer.Encode(text);
            return ids.All(id => id >= 0 && id < 380) && tokenizer.Decode(ids) == text;
        });
    }

    [Fact]
    public void Both_kinds_of_files_give_the_same_tokenizer()
    {
        Saved();
        TextTokenizer json = Of("tokenizer.json");
        TextTokenizer pair = Of("vocab.json", "merges.txt");

        Assert.Equal(json.Digest, pair.Digest);
        Assert.Equal(TextTokenizer.Load(_folder.Path).Digest, pair.Digest);
        Assert.Equal((380, 379, 379), (json.VocabularySize, json.BosId, json.EosId));
        Assert.Equal((380, 379, 379), (pair.VocabularySize, pair.BosId, pair.EosId));
        AnyText.Sample(text => json.Encode(text).SequenceEqual(pair.Encode(text)));
    }

    [Fact]
    public void Microsoft_ML_Tokenizers_reads_the_files_and_gives_the_same_ids()
    {
        TextTokenizer ours = Saved();
        BpeTokenizer theirs = BpeTokenizer.Create(new BpeOptions(
            JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(_folder.File("vocab.json")))!)
        {
            Merges = File.ReadLines(_folder.File("merges.txt")).Skip(1),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(
                new(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), null),
        });
        foreach (string text in Sentences.Made(seed: 2, 50).Append("Unseen wörds, ünd\t\ttabs."))
        {
            Assert.Equal(theirs.EncodeToIds(text), ours.Encode(text));
        }
    }

    [Fact]
    public void The_configuration_names_the_class_the_tokens_and_the_length()
    {
        _vocabulary.Save(_folder.Path, 256);

        Assert.Equal(
            """
            {
              "add_bos_token": false,
              "add_prefix_space": false,
              "bos_token": "<|endoftext|>",
              "clean_up_tokenization_spaces": false,
              "eos_token": "<|endoftext|>",
              "model_max_length": 256,
              "tokenizer_class": "GPT2Tokenizer",
              "unk_token": "<|endoftext|>"
            }

            """.ReplaceLineEndings("\n"),
            File.ReadAllText(_folder.File("tokenizer_config.json")));
        Assert.Equal(256, TextTokenizer.Load(_folder.Path).ModelMaxLength);
    }

    [Fact]
    public void Tokenizer_json_has_the_layout_of_hugging_face()
    {
        Saved();
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(_folder.File("tokenizer.json")));
        JsonElement root = document.RootElement;

        Assert.Equal(
            [
                "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                "decoder", "model",
            ],
            root.EnumerateObject().Select(property => property.Name));
        Assert.Equal(
            """{"id":379,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}""",
            Compact(Assert.Single(root.GetProperty("added_tokens").EnumerateArray())));
        Assert.Equal(
            """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""",
            Compact(root.GetProperty("pre_tokenizer")));
        Assert.Equal(
            """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}""",
            Compact(root.GetProperty("post_processor")));
        Assert.Equal("ByteLevel", root.GetProperty("decoder").GetProperty("type").GetString());
        Assert.Equal(
            """{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,""",
            Compact(root.GetProperty("model"))[..140]);
        Assert.Equal(
            File.ReadLines(_folder.File("merges.txt")).Skip(1),
            root.GetProperty("model").GetProperty("merges").EnumerateArray().Select(merge => merge.GetString()));

        static string Compact(JsonElement element) => JsonSerializer.Serialize(element, Relaxed);
    }

    [Fact]
    public void Saving_replaces_the_four_files_and_leaves_others_and_nothing_else()
    {
        _folder.Write("config.json", "{}"u8.ToArray());
        _folder.Write("merges.txt", "old"u8.ToArray());
        Saved();

        Assert.Equal(
            ["config.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"],
            Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("#version: 0.2", File.ReadLines(_folder.File("merges.txt")).First());
    }

    [Fact]
    public void A_save_that_fails_leaves_the_old_files_and_nothing_new()
    {
        _folder.Write("merges.txt", "old"u8.ToArray());
        Directory.CreateDirectory(_folder.File("vocab.json"));

        Assert.ThrowsAny<IOException>(() => _vocabulary.Save(_folder.Path));
        Assert.Throws<ArgumentOutOfRangeException>(() => _vocabulary.Save(_folder.Path, 0));
        Assert.Equal("old", File.ReadAllText(_folder.File("merges.txt")));
        Assert.Equal(2, Directory.EnumerateFileSystemEntries(_folder.Path).Count());
    }

    private TextTokenizer Saved()
    {
        _vocabulary.Save(_folder.Path);
        return TextTokenizer.Load(_folder.Path);
    }

    // The tokenizer of a folder that has these files and no others.
    private TextTokenizer Of(params string[] names) => TokenizerFolders.Load(
        [.. names.Select(name => (name, File.ReadAllText(_folder.File(name))))]);
}
