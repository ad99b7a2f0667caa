using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>
/// Reads tokenizer.json. A component that is not supported is refused by its name. The truncation and padding blocks
/// are left out of account: the caller decides on lengths (all-MiniLM-L6-v2's file says 128, its model takes 512).
/// </summary>
internal static class TokenizerJson
{
    private const int MaxWordLength = 1000;

    public static TokenizerParts Read(string path, TokenizerConfig config)
    {
        using JsonDocument document = TokenizerFile.ReadObject(path);
        JsonElement root = document.RootElement;
        JsonElement model = TokenizerFile.RequireProperty(root, "model", JsonValueKind.Object, path);
        bool isBpe = ModelType(model, path) == "BPE";
        JsonElement vocab = TokenizerFile.RequireProperty(model, "vocab", JsonValueKind.Object, path, "model.vocab");
        return isBpe ? ReadBpe(root, model, vocab) : ReadWordPiece(root, model, vocab);

        TokenizerParts ReadBpe(JsonElement root, JsonElement model, JsonElement vocab)
        {
            Component(root, "normalizer", path, [null]);
            JsonElement pre = Component(root, "pre_tokenizer", path, ["ByteLevel"])!.Value;
            Component(root, "decoder", path, ["ByteLevel"]);
            RefuseUnless(
                TokenizerFile.OptionalBoolean(pre, "use_regex", path) ?? true,
                path, "pre_tokenizer.use_regex false", "true");
            bool prefixSpace = TokenizerFile.OptionalBoolean(pre, "add_prefix_space", path) ?? true;
            RefuseBpeOptions(model, path);
            Vocabulary vocabulary = TokenizerFile.ReadVocabulary(vocab, path, "model.vocab");
            BytePairMerges merges = ReadMerges(model, vocabulary, path);
            List<AddedToken> added = ReadAddedTokens(root, vocabulary, path);
            string? unknown = TokenizerFile.Optional(model, "unk_token") is { } token
                ? TokenizerFile.Text(token, path, "model.unk_token")
                : null;
            int? unknownId = unknown is null ? null : Required(vocabulary, unknown, path, "model.unk_token");
            var bpe = new ByteLevelBpe(
                vocabulary, merges, unknownId, TokenizerFile.OptionalBoolean(model, "fuse_unk", path) ?? false,
                config.AddPrefixSpace ?? prefixSpace);
            (int[] prefix, int[] suffix) = ReadPostProcessor(root, vocabulary, path);
            return new TokenizerParts(vocabulary, bpe, null, added, prefix, suffix, unknown);
        }

        TokenizerParts ReadWordPiece(JsonElement root, JsonElement model, JsonElement vocab)
        {
            JsonElement normalizer = Component(root, "normalizer", path, ["BertNormalizer"])!.Value;
            Component(root, "pre_tokenizer", path, ["BertPreTokenizer"]);
            Component(root, "decoder", path, ["WordPiece"]);
            Vocabulary vocabulary = TokenizerFile.ReadVocabulary(vocab, path, "model.vocab");
            List<AddedToken> added = ReadAddedTokens(root, vocabulary, path);
            string unknown = TokenizerFile.Optional(model, "unk_token") is { } token
                ? TokenizerFile.Text(token, path, "model.unk_token")
                : "[UNK]";
            string continuation = TokenizerFile.Optional(model, "continuing_subword_prefix") is { } text
                ? TokenizerFile.Text(text, path, "model.continuing_subword_prefix")
                : "##";
            long longest = TokenizerFile.Optional(model, "max_input_chars_per_word") is { } number
                ? TokenizerFile.Integer(number, path, "model.max_input_chars_per_word")
                : 100;
            if (longest is < 1 or > MaxWordLength)
            {
                throw new InvalidDataException(
                    $"'{path}': model.max_input_chars_per_word is {longest}, expected 1..{MaxWordLength}");
            }
            var wordPiece = new WordPiece(
                vocabulary, Required(vocabulary, unknown, path, "model.unk_token"), continuation, (int)longest);
            bool? Flag(string name) => TokenizerFile.OptionalBoolean(normalizer, name, path);
            bool lowercase = config.DoLowerCase ?? Flag("lowercase") ?? true;
            var bert = new BertNormalizer(
                Flag("clean_text") ?? true,
                config.TokenizeChineseChars ?? Flag("handle_chinese_chars") ?? true,
                config.StripAccents ?? Flag("strip_accents") ?? lowercase,
                lowercase);
            (int[] prefix, int[] suffix) = ReadPostProcessor(root, vocabulary, path);
            return new TokenizerParts(vocabulary, wordPiece, bert, added, prefix, suffix, unknown);
        }
    }

    // Older files do not name the model's type; its fields do.
    private static string ModelType(JsonElement model, string path)
    {
        string? type = TypeOf(model, path, "model");
        type ??= model.TryGetProperty("merges", out _) ? "BPE"
            : model.TryGetProperty("max_input_chars_per_word", out _) ? "WordPiece"
            : null;
        return type is "BPE" or "WordPiece"
            ? type
            : throw new NotSupportedException(
                $"'{path}': model.type is {(type is null ? "missing" : TokenizerFile.Quote(type))}; "
                + "supported: BPE, WordPiece");
    }

    private static void RefuseBpeOptions(JsonElement model, string path)
    {
        foreach (string name in (string[])["byte_fallback", "ignore_merges"])
        {
            RefuseUnless(TokenizerFile.OptionalBoolean(model, name, path) != true, path, $"model.{name} true", "false");
        }
        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            string? text = TokenizerFile.Optional(model, name) is { } value
                ? TokenizerFile.Text(value, path, $"model.{name}")
                : null;
            RefuseUnless(string.IsNullOrEmpty(text), path, $"model.{name} {TokenizerFile.Quote(text ?? "")}", "none");
        }
        if (TokenizerFile.Optional(model, "dropout") is { } dropout)
        {
            TokenizerFile.Require(dropout, JsonValueKind.Number, path, "model.dropout");
            RefuseUnless(dropout.GetDouble() == 0, path, $"model.dropout {dropout.GetRawText()}", "null");
        }
    }

    private static BytePairMerges ReadMerges(JsonElement model, Vocabulary vocabulary, string path)
    {
        JsonElement list = TokenizerFile.RequireProperty(model, "merges", JsonValueKind.Array, path, "model.merges");
        var merges = new BytePairMerges(vocabulary.Size);
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> pieces = vocabulary.BySpan();
        int rank = 0;
        foreach (JsonElement entry in list.EnumerateArray())
        {
            string place = $"model.merges[{rank}]";
            if (entry.ValueKind == JsonValueKind.String
                && VocabularyFiles.TryAddMerge(merges, pieces, TokenizerFile.Text(entry, path, place), rank))
            {
                rank++;
                continue;
            }
            (string left, string right) = entry.ValueKind switch
            {
                JsonValueKind.String => VocabularyFiles.SplitMerge(
                    TokenizerFile.Text(entry, path, place), path, place),
                JsonValueKind.Array when entry.GetArrayLength() == 2 =>
                    (TokenizerFile.Text(entry[0], path, place), TokenizerFile.Text(entry[1], path, place)),
                _ => throw new InvalidDataException(
                    $"'{path}': {place} is {TokenizerFile.Describe(entry.ValueKind)}, "
                    + "expected \"a b\" or [\"a\", \"b\"]"),
            };
            VocabularyFiles.AddMerge(merges, vocabulary, left, right, rank++, path, place);
        }
        return merges;
    }

    private static List<AddedToken> ReadAddedTokens(JsonElement root, Vocabulary vocabulary, string path)
    {
        var added = new List<AddedToken>();
        if (TokenizerFile.Optional(root, "added_tokens") is not { } list)
        {
            return added;
        }
        TokenizerFile.Require(list, JsonValueKind.Array, path, "added_tokens");
        foreach (JsonElement entry in list.EnumerateArray())
        {
            string field = $"added_tokens[{added.Count}]";
            TokenizerFile.Require(entry, JsonValueKind.Object, path, field);
            JsonElement id = TokenizerFile.RequireProperty(entry, "id", JsonValueKind.Number, path, field + ".id");
            AddedToken token = TokenizerConfig.ReadAddedToken(
                entry, TokenizerFile.Integer(id, path, field + ".id"), path, field);
            vocabulary.AddBeside(token.Content, token.Id, path);
            added.Add(token);
        }
        return added;
    }

    private static (int[] Prefix, int[] Suffix) ReadPostProcessor(JsonElement root, Vocabulary vocabulary, string path)
    {
        const string Field = "post_processor";
        JsonElement? component = Component(
            root, Field, path, [null, "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"]);
        if (component is not { } post)
        {
            return ([], []);
        }
        return TypeOf(post, path, Field) switch
        {
            "ByteLevel" => ([], []),
            "TemplateProcessing" => ReadTemplate(post, vocabulary, path),
            _ => ([PairId(post, "cls")], [PairId(post, "sep")]),
        };

        int PairId(JsonElement post, string name)
        {
            JsonElement pair = TokenizerFile.RequireProperty(
                post, name, JsonValueKind.Array, path, $"{Field}.{name}");
            if (pair.GetArrayLength() != 2)
            {
                throw new InvalidDataException(
                    $"'{path}': {Field}.{name} has {pair.GetArrayLength()} entries, expected token and id");
            }
            return KnownId(pair[1], vocabulary, path, $"{Field}.{name}[1]");
        }
    }

    // The template of a single sequence: special tokens around one A.
    private static (int[] Prefix, int[] Suffix) ReadTemplate(JsonElement post, Vocabulary vocabulary, string path)
    {
        const string Field = "post_processor.single";
        JsonElement single = TokenizerFile.RequireProperty(post, "single", JsonValueKind.Array, path, Field);
        var before = new List<int>();
        var after = new List<int>();
        int sequences = 0;
        foreach (JsonElement step in single.EnumerateArray())
        {
            TokenizerFile.Require(step, JsonValueKind.Object, path, $"an entry of {Field}");
            if (TokenizerFile.Optional(step, "Sequence") is not null)
            {
                sequences++;
                continue;
            }
            JsonElement special = TokenizerFile.RequireProperty(
                step, "SpecialToken", JsonValueKind.Object, path, $"{Field}: SpecialToken");
            string name = TokenizerFile.Text(
                TokenizerFile.RequireProperty(special, "id", JsonValueKind.String, path, $"{Field}: id"),
                path, $"{Field}: id");
            JsonElement table = TokenizerFile.RequireProperty(
                post, "special_tokens", JsonValueKind.Object, path, "post_processor.special_tokens");
            string place = $"post_processor.special_tokens {TokenizerFile.Quote(name)}";
            JsonElement entry = TokenizerFile.RequireProperty(table, name, JsonValueKind.Object, path, place);
            JsonElement ids = TokenizerFile.RequireProperty(entry, "ids", JsonValueKind.Array, path, place + " ids");
            (sequences == 0 ? before : after).AddRange(
                ids.EnumerateArray().Select(id => KnownId(id, vocabulary, path, place + " ids")));
        }
        return sequences == 1
            ? ([.. before], [.. after])
            : throw new InvalidDataException($"'{path}': {Field} has {sequences} sequences, expected 1");
    }

    private static int KnownId(JsonElement element, Vocabulary vocabulary, string path, string field)
    {
        long id = TokenizerFile.Integer(element, path, field);
        return id >= 0 && id < vocabulary.Size && vocabulary.Piece((int)id) is not null
            ? (int)id
            : throw new InvalidDataException($"'{path}': {field} has id {id}, which no token has");
    }

    private static int Required(Vocabulary vocabulary, string token, string path, string field) =>
        vocabulary.Find(token)
            ?? throw new InvalidDataException(
                $"'{path}': {field} {TokenizerFile.Quote(token)} is not in the vocabulary");

    // A component whose type is one of those supported; null in the list stands for "no component".
    private static JsonElement? Component(JsonElement root, string field, string path, string?[] supported)
    {
        JsonElement? component = TokenizerFile.Optional(root, field);
        string? type = component is { } element ? TypeOf(element, path, field) ?? "" : null;
        return supported.Contains(type)
            ? component
            : throw new NotSupportedException(
                $"'{path}': {field} {(type is null ? "null" : TokenizerFile.Quote(type))} "
                + "is not supported with this model; supported: "
                + string.Join(", ", supported.Select(s => s ?? "null")));
    }

    private static string? TypeOf(JsonElement component, string path, string field)
    {
        TokenizerFile.Require(component, JsonValueKind.Object, path, field);
        return TokenizerFile.Optional(component, "type") is { } type
            ? TokenizerFile.Text(type, path, field + ".type")
            : null;
    }

    private static void RefuseUnless(bool fine, string path, string found, string supported)
    {
        if (!fine)
        {
            throw new NotSupportedException($"'{path}': {found} is not supported; supported: {supported}");
        }
    }
}
