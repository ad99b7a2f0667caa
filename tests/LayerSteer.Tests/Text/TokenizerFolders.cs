using System.Text.Json;
using System.Text.Json.Nodes;
using LayerSteer.Text;
using Xunit;

namespace LayerSteer.Tests.Text;

/// <summary>Tokenizer folders of the tests: the golden ones, and small ones written for a test.</summary>
internal static class TokenizerFolders
{
    private static readonly Lazy<TextTokenizer?> LoadedGpt2 = new(() => LoadShared("gpt2"));
    private static readonly Lazy<TextTokenizer?> LoadedBert = new(() => LoadShared("bert"));

    public static TextTokenizer Gpt2 => OrSkip(LoadedGpt2.Value, "gpt2");

    public static TextTokenizer Bert => OrSkip(LoadedBert.Value, "bert");

    /// <summary>A file of shared/data, or a skipped test.</summary>
    public static string Data(string relative)
    {
        string? path = TestFiles.Shared is null ? null : Path.Combine(TestFiles.Shared, "data", relative);
        if (!Path.Exists(path))
        {
            Assert.Skip($"../shared/data/{relative} is not there.");
        }
        return path;
    }

    /// <summary>Calls back with a fresh folder that holds these files, and removes it.</summary>
    public static void With(IReadOnlyDictionary<string, string> files, Action<string> act)
    {
        string folder = Directory.CreateTempSubdirectory("layersteer-text-").FullName;
        try
        {
            foreach ((string name, string content) in files)
            {
                File.WriteAllText(Path.Combine(folder, name), content);
            }
            act(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Loads a tokenizer from files given as text.</summary>
    public static TextTokenizer Load(params (string Name, string Content)[] files)
    {
        TextTokenizer? tokenizer = null;
        With(files.ToDictionary(f => f.Name, f => f.Content), folder => tokenizer = TextTokenizer.Load(folder));
        return tokenizer!;
    }

    /// <summary>The message that loading these files fails with, the folder written as DIR.</summary>
    public static string Refusal<TException>(params (string Name, string Content)[] files) where TException : Exception
    {
        string message = "";
        With(files.ToDictionary(f => f.Name, f => f.Content), folder =>
        {
            message = Assert.Throws<TException>(() => TextTokenizer.Load(folder)).Message.Replace(folder, "DIR");
        });
        return message;
    }

    /// <summary>A tokenizer.json for GPT-2's files; merges as "a b" or as pairs.</summary>
    public static string Gpt2Json(string vocabJson, string mergesText, bool mergesAsPairs)
    {
        string[] merges = mergesText.Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..];
        JsonNode vocab = JsonNode.Parse(vocabJson)!;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(Added("<|endoftext|>", (int)vocab["<|endoftext|>"]!, normalized: true)),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(),
            ["post_processor"] = ByteLevel(),
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject
            {
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = "",
                ["end_of_word_suffix"] = "",
                ["fuse_unk"] = false,
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(m =>
                    mergesAsPairs ? new JsonArray([.. m.Split(' ').Select(p => JsonValue.Create(p))]) : (JsonNode)m)]),
            },
        }.ToJsonString();

        static JsonObject ByteLevel() => new()
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = false,
            ["trim_offsets"] = true,
            ["use_regex"] = true,
        };
    }

    /// <summary>
    /// A tokenizer.json for a vocab.txt, with the truncation and padding to 128 that all-MiniLM-L6-v2 has.
    /// </summary>
    public static string BertJson(string vocabText, bool template)
    {
        string[] pieces = vocabText.Split('\n')[..^1];
        int Id(string piece) => Array.IndexOf(pieces, piece);
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = new JsonObject { ["max_length"] = 128, ["strategy"] = "LongestFirst", ["stride"] = 0 },
            ["padding"] = new JsonObject { ["strategy"] = new JsonObject { ["Fixed"] = 128 }, ["pad_id"] = 0 },
            ["added_tokens"] = new JsonArray(
                [.. new[] { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }
                    .Select(t => Added(t, Id(t), normalized: false))]),
            ["normalizer"] = new JsonObject
            {
                ["type"] = "BertNormalizer",
                ["clean_text"] = true,
                ["handle_chinese_chars"] = true,
                ["strip_accents"] = null,
                ["lowercase"] = true,
            },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = template
                ? JsonNode.Parse($$$"""
                    {"type":"TemplateProcessing",
                     "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
                               {"SpecialToken":{"id":"[SEP]","type_id":0}}],
                     "pair":[],
                     "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[{{{Id("[CLS]")}}}],"tokens":["[CLS]"]},
                                       "[SEP]":{"id":"[SEP]","ids":[{{{Id("[SEP]")}}}],"tokens":["[SEP]"]} } }
                    """)
                : JsonNode.Parse($$"""
                    {"type":"BertProcessing","sep":["[SEP]",{{Id("[SEP]")}}],"cls":["[CLS]",{{Id("[CLS]")}}]}
                    """),
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject
            {
                ["type"] = "WordPiece",
                ["unk_token"] = "[UNK]",
                ["continuing_subword_prefix"] = "##",
                ["max_input_chars_per_word"] = 100,
                ["vocab"] = new JsonObject(pieces.Select((p, i) => KeyValuePair.Create(p, (JsonNode?)i))),
            },
        }.ToJsonString();
    }

    /// <summary>The entries of a golden JSON array.</summary>
    public static IReadOnlyList<JsonElement> Cases(string relative)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden(relative)));
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    public static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    private static JsonObject Added(string content, int id, bool normalized) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = normalized,
        ["special"] = true,
    };

    private static TextTokenizer? LoadShared(string name)
    {
        string? folder = TestFiles.Shared is null ? null : Path.Combine(TestFiles.Shared, "golden", "tokenizers", name);
        return Directory.Exists(folder) ? TextTokenizer.Load(folder) : null;
    }

    private static TextTokenizer OrSkip(TextTokenizer? tokenizer, string name)
    {
        Assert.SkipWhen(tokenizer is null, $"../shared/golden/tokenizers/{name} is not there.");
        return tokenizer!;
    }
}
