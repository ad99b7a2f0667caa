using System.Text.Json.Nodes;
using LayerSteer.Text;

namespace LayerSteer.Tests.Text;

/// <summary>Small tokenizer.json files in the manner of the common families, with vocabularies of their own.</summary>
internal static class TinyTokenizers
{
    public const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string ByteLevel = """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}""";

    private static readonly string[] Merges =
        ["Ġ a", "Ġ t", "h e", "Ġt he", "i n", "o n", "r e", "Ġ in", "e r", "Ã ©", "1 2", "12 3", "Ċ Ċ", "Ġ Ġ", "' s"];

    private static readonly string[] MarkedMerges =
        ["▁ a", "▁ t", "h e", "▁t he", "i n", "o n", "r e", "▁ in", "e r", "▁ ▁", "▁▁ ▁▁"];

    /// <summary>Byte-level, split by a pattern: Llama 3 (whole pieces first, BOS) or Qwen (NFC).</summary>
    public static string Patterned(string pattern, bool llama)
    {
        string[] pieces = [.. ByteLevelAlphabet.ById(), .. Merges.Select(m => m.Replace(" ", ""))];
        // A piece that merges alone do not make.
        pieces = [.. pieces, "Ġother"];
        var added = new JsonArray(
            Added("<|begin|>", pieces.Length), Added("<|end|>", pieces.Length + 1), Added("<|turn|>", pieces.Length + 2));
        return new JsonObject
        {
            ["added_tokens"] = added,
            ["normalizer"] = llama ? null : JsonNode.Parse("""{"type": "NFC"}"""),
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(
                    new JsonObject
                    {
                        ["type"] = "Split",
                        ["pattern"] = new JsonObject { ["Regex"] = pattern },
                        ["behavior"] = "Isolated",
                        ["invert"] = false,
                    },
                    JsonNode.Parse(ByteLevel)),
            },
            ["post_processor"] = llama
                ? JsonNode.Parse($$"""
                    {"type": "Sequence", "processors": [{{ByteLevel}}, {{Template("<|begin|>", pieces.Length)}}]}
                    """)
                : JsonNode.Parse(ByteLevel),
            ["decoder"] = JsonNode.Parse(ByteLevel),
            ["model"] = Model(pieces, Merges, llama ? """{"ignore_merges": true}""" : """{"byte_fallback": false}"""),
        }.ToJsonString();
    }

    /// <summary>Marks for spaces and bytes for what has no token, as Llama 2 or Gemma have it.</summary>
    /// <param name="normalizer">The JSON of the normalizer.</param>
    /// <param name="preTokenizer">The JSON of the pre-tokenizer.</param>
    /// <param name="decoder">The JSON of the decoder.</param>
    /// <param name="bytes">With the 256 tokens of bytes.</param>
    public static string Marked(string normalizer, string preTokenizer, string decoder, bool bytes = true)
    {
        string[] pieces =
        [
            "<unk>", "<s>", "</s>",
            .. Enumerable.Range(0, bytes ? 256 : 0).Select(b => $"<0x{b:X2}>"),
            .. "▁atheinor,.s".Select(c => c.ToString()), .. MarkedMerges.Select(m => m.Replace(" ", "")),
        ];
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added("<unk>", 0), Added("<s>", 1), Added("</s>", 2)),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["post_processor"] = JsonNode.Parse(Template("<s>", 1)),
            ["decoder"] = JsonNode.Parse(decoder),
            ["model"] = Model(
                pieces, MarkedMerges,
                $$"""{"unk_token": "<unk>", "fuse_unk": true, "byte_fallback": {{(bytes ? "true" : "false")}} }"""),
        }.ToJsonString();
    }

    public static string Llama2() => Marked(
        """
        {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
        """,
        "null",
        """
        {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        """);

    public static string Gemma() => Marked(
        """{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}""",
        """{"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}""",
        """
        {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
        """);

    public static string Metaspace(string scheme) => Marked(
        "null",
        $$"""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": true}""",
        $$"""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": true}""",
        bytes: false);

    private static JsonObject Model(string[] pieces, string[] merges, string options)
    {
        var model = new JsonObject
        {
            ["type"] = "BPE",
            ["vocab"] = new JsonObject(pieces.Select((p, i) => KeyValuePair.Create(p, (JsonNode?)i))),
            ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)m)]),
        };
        foreach ((string name, JsonNode? value) in JsonNode.Parse(options)!.AsObject().ToArray())
        {
            model[name] = value!.DeepClone();
        }
        return model;
    }

    private static string Template(string token, int id) => $$$"""
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "{{{token}}}", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "special_tokens": {"{{{token}}}": {"id": "{{{token}}}", "ids": [{{{id}}}], "tokens": ["{{{token}}}"]} } }
        """;

    private static JsonObject Added(string content, int id) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = true,
    };
}
