using System.Globalization;
using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>What tokenizer_config.json and special_tokens_map.json say; null where they say nothing.</summary>
internal sealed record TokenizerConfig
{
    internal static readonly string[] SpecialNames =
        ["bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token"];

    // A length above this is Hugging Face's "no limit" (1e30) or something like it.
    private const double MaxLengthMeant = 1e9;

    private readonly Dictionary<string, string?> _special = [];

    /// <summary>The file, for messages.</summary>
    public required string Path { get; init; }

    public string? TokenizerClass { get; private set; }
    public int? ModelMaxLength { get; private set; }
    public bool? DoLowerCase { get; private set; }
    public bool? StripAccents { get; private set; }
    public bool? TokenizeChineseChars { get; private set; }
    public bool? AddPrefixSpace { get; private set; }
    public bool? AddBosToken { get; private set; }
    public bool? AddEosToken { get; private set; }

    /// <summary>Tokens beside the vocabulary (added_tokens_decoder), in the file's order.</summary>
    public List<AddedToken> AddedTokens { get; } = [];

    /// <summary>The special tokens that are named, each once.</summary>
    public IEnumerable<string> SpecialTokens => _special.Values.OfType<string>().Distinct();

    /// <summary>
    /// A special token by its field (bos_token, ...); the default where no file has the field. Null in a file means
    /// none.
    /// </summary>
    public string? Special(string field, string? otherwise) =>
        _special.TryGetValue(field, out string? token) ? token : otherwise;

    /// <summary>
    /// What stands around a sequence, as add_bos_token and add_eos_token change it: where they say nothing it stays,
    /// true puts the token there once, false takes it away.
    /// </summary>
    public (int[] Prefix, int[] Suffix) Around(
        int[] prefix, int[] suffix, Vocabulary vocabulary, SpecialTokens usual, string vocabularyPath)
    {
        int? bos = Wanted(AddBosToken, "bos_token", usual.Bos);
        int? eos = Wanted(AddEosToken, "eos_token", usual.Eos);
        bool cutsBos = AddBosToken is not null && bos is not null && prefix is [int head, ..] && head == bos;
        bool cutsEos = AddEosToken is not null && eos is not null && suffix is [.., int tail] && tail == eos;
        int[] before = cutsBos ? prefix[1..] : prefix;
        int[] after = cutsEos ? suffix[..^1] : suffix;
        return (
            AddBosToken == true ? [bos!.Value, .. before] : before,
            AddEosToken == true ? [.. after, eos!.Value] : after);

        int? Wanted(bool? wanted, string field, string? otherwise)
        {
            string? token = Special(field, otherwise);
            int? id = token is null ? null : vocabulary.FindAny(token);
            return id is not null || wanted != true
                ? id
                : throw new InvalidDataException(
                    $"'{Path}': add_{field} is true, but {field} {TokenizerFile.Quote(token ?? "")} "
                    + $"is not in '{vocabularyPath}'");
        }
    }

    public static TokenizerConfig Read(string directory)
    {
        var config = new TokenizerConfig { Path = System.IO.Path.Combine(directory, "tokenizer_config.json") };
        if (File.Exists(config.Path))
        {
            using JsonDocument document = TokenizerFile.ReadObject(config.Path);
            config.Fill(document.RootElement);
        }
        string map = System.IO.Path.Combine(directory, "special_tokens_map.json");
        if (File.Exists(map))
        {
            using JsonDocument document = TokenizerFile.ReadObject(map);
            config.FillSpecial(document.RootElement, map);
        }
        return config;
    }

    private void Fill(JsonElement root)
    {
        if (TokenizerFile.Optional(root, "tokenizer_class") is { } name)
        {
            TokenizerClass = TokenizerFile.Text(name, Path, "tokenizer_class");
        }
        if (TokenizerFile.Optional(root, "model_max_length") is { } length)
        {
            TokenizerFile.Require(length, JsonValueKind.Number, Path, "model_max_length");
            if (!length.TryGetDouble(out double value) || !(value >= 1) || (value <= MaxLengthMeant && value % 1 != 0))
            {
                throw new InvalidDataException(
                    $"'{Path}': model_max_length is {length.GetRawText()}, expected a positive integer");
            }
            ModelMaxLength = value <= MaxLengthMeant ? (int)value : null;
        }
        DoLowerCase = TokenizerFile.OptionalBoolean(root, "do_lower_case", Path);
        StripAccents = TokenizerFile.OptionalBoolean(root, "strip_accents", Path);
        TokenizeChineseChars = TokenizerFile.OptionalBoolean(root, "tokenize_chinese_chars", Path);
        AddPrefixSpace = TokenizerFile.OptionalBoolean(root, "add_prefix_space", Path);
        AddBosToken = TokenizerFile.OptionalBoolean(root, "add_bos_token", Path);
        AddEosToken = TokenizerFile.OptionalBoolean(root, "add_eos_token", Path);
        FillSpecial(root, Path);
        if (TokenizerFile.Optional(root, "added_tokens_decoder") is { } added)
        {
            TokenizerFile.Require(added, JsonValueKind.Object, Path, "added_tokens_decoder");
            foreach (JsonProperty entry in added.EnumerateObject())
            {
                string key = TokenizerFile.NameOf(entry, Path, "added_tokens_decoder");
                if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                {
                    throw new InvalidDataException(
                        $"'{Path}': added_tokens_decoder has the key {TokenizerFile.Quote(key)}, expected an id");
                }
                AddedTokens.Add(ReadAddedToken(entry.Value, id, Path, $"added_tokens_decoder.{key}"));
            }
        }
    }

    private void FillSpecial(JsonElement root, string path)
    {
        foreach (string field in SpecialNames)
        {
            if (!root.TryGetProperty(field, out JsonElement value))
            {
                continue;
            }
            string? token = value.ValueKind switch
            {
                JsonValueKind.Null => null,
                JsonValueKind.String => TokenizerFile.Text(value, path, field),
                JsonValueKind.Object => TokenizerFile.Text(
                    TokenizerFile.RequireProperty(value, "content", JsonValueKind.String, path, field + ".content"),
                    path, field + ".content"),
                _ => throw new InvalidDataException(
                    $"'{path}': {field} is {TokenizerFile.Describe(value.ValueKind)}, "
                    + "expected a string, an object or null"),
            };
            _special.TryAdd(field, token);
        }
    }

    /// <summary>One entry of added_tokens or added_tokens_decoder.</summary>
    internal static AddedToken ReadAddedToken(JsonElement entry, long id, string path, string field)
    {
        TokenizerFile.Require(entry, JsonValueKind.Object, path, field);
        string content = TokenizerFile.Text(
            TokenizerFile.RequireProperty(entry, "content", JsonValueKind.String, path, field + ".content"),
            path, field + ".content");
        int checkedId = Vocabulary.CheckedId(id, content, path);
        bool Flag(string name) => TokenizerFile.OptionalBoolean(entry, name, path) ?? false;
        return new AddedToken(
            content, checkedId, Flag("normalized"), Flag("single_word"), Flag("lstrip"), Flag("rstrip"));
    }
}
