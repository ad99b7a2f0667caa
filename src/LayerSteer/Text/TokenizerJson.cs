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
        return isBpe ? ReadBpe(root, model, vocab, path, config) : ReadWordPiece(root, model, vocab, path, config);
    }

    private static TokenizerParts ReadBpe(
        JsonElement root, JsonElement model, JsonElement vocab, string path, TokenizerConfig config)
    {
        Normalizer? normalizer = NormalizerJson.Read(TokenizerComponent.Of(root, path, "normalizer"));
        List<PreTokenizer> steps = PreTokenizerJson.Read(
            TokenizerComponent.Of(root, path, "pre_tokenizer"), config.AddPrefixSpace, out bool byteLevel);
        TokenSpelling spelling = DecoderJson.Read(TokenizerComponent.Of(root, path, "decoder"), path);
        RefuseBpeOptions(model, path);
        bool byteFallback = TokenizerFile.OptionalBoolean(model, "byte_fallback", path) ?? false;
        RefuseUnless(!(byteFallback && byteLevel), path, "model.byte_fallback true with ByteLevel", "one of them");
        Vocabulary vocabulary = TokenizerFile.ReadVocabulary(vocab, path, "model.vocab");
        BytePairMerges merges = ReadMerges(model, vocabulary, path);
        List<AddedToken> added = ReadAddedTokens(root, vocabulary, path);
        string? unknown = TokenizerFile.Optional(model, "unk_token") is { } token
            ? TokenizerFile.Text(token, path, "model.unk_token")
            : null;
        var pieces = new BytePairModel(
            vocabulary,
            merges,
            byteLevel ? BytePairSymbols.Bytes
                : byteFallback ? BytePairSymbols.CodePointsOrBytes : BytePairSymbols.CodePoints,
            unknown is null ? null : Required(vocabulary, unknown, path, "model.unk_token"),
            TokenizerFile.OptionalBoolean(model, "fuse_unk", path) ?? false,
            TokenizerFile.OptionalBoolean(model, "ignore_merges", path) ?? false);
        (int[] prefix, int[] suffix) = PostProcessorJson.Read(
            TokenizerComponent.Of(root, path, "post_processor"), vocabulary);

        // Where tokenizer_config.json names no BOS or EOS it is what the template puts around, or GPT-2's.
        string? ends = byteLevel ? VocabularyFiles.EndOfText : null;
        var usual = new SpecialTokens(
            prefix is [int only] ? vocabulary.Piece(only) : ends,
            suffix is [int last] ? vocabulary.Piece(last) : ends,
            unknown);
        (prefix, suffix) = config.Around(prefix, suffix, vocabulary, usual, path);
        return new TokenizerParts(
            vocabulary, new SplitModel(steps, pieces), spelling, normalizer, added, prefix, suffix, usual);
    }

    private static TokenizerParts ReadWordPiece(
        JsonElement root, JsonElement model, JsonElement vocab, string path, TokenizerConfig config)
    {
        TokenizerComponent normalizer = Only(root, "normalizer", path, "BertNormalizer");
        Only(root, "pre_tokenizer", path, "BertPreTokenizer");
        Only(root, "decoder", path, "WordPiece");
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
        BertNormalizer bert = NormalizerJson.Bert(normalizer, config);
        (int[] prefix, int[] suffix) = PostProcessorJson.Read(
            TokenizerComponent.Of(root, path, "post_processor"), vocabulary);
        return new TokenizerParts(
            vocabulary, wordPiece, new WordPieceSpelling(continuation), bert, added, prefix, suffix,
            new SpecialTokens(Unknown: unknown, Pad: "[PAD]"));
    }

    // Older files do not name the model's type; its fields do.
    private static string ModelType(JsonElement model, string path)
    {
        string? type = new TokenizerComponent(model, path, "model").Type;
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

    private static int Required(Vocabulary vocabulary, string token, string path, string field) =>
        vocabulary.Find(token)
            ?? throw new InvalidDataException(
                $"'{path}': {field} {TokenizerFile.Quote(token)} is not in the vocabulary");

    // A component of the only type that goes with a WordPiece model.
    private static TokenizerComponent Only(JsonElement root, string field, string path, string type)
    {
        TokenizerComponent? component = TokenizerComponent.Of(root, path, field);
        return component is { } part && part.Type == type
            ? part
            : throw new NotSupportedException(
                $"'{path}': {field} {(component is null ? "null" : TokenizerFile.Quote(component.Value.Type ?? ""))} "
                + $"is not supported with WordPiece; supported: {type}");
    }

    private static void RefuseUnless(bool fine, string path, string found, string supported)
    {
        if (!fine)
        {
            throw TokenizerFile.Unsupported(path, found, supported);
        }
    }
}
