using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Reads a SentencePiece <c>tokenizer.model</c>, BPE or Unigram. The ids are SentencePiece's; special tokens around a
/// text and in it are as the Hugging Face LlamaTokenizer and GemmaTokenizer have them: BOS in front unless
/// add_bos_token is false, and special tokens found literally in a text.
/// </summary>
internal static class SentencePieceFile
{
    private const string Name = "tokenizer.model";

    // Sixteen is usual. Each is cut in two in every way.
    private const int MaxMergedLength = 256;

    // Other classes put other ids around, or shift them all.
    private static readonly string[] Classes =
    [
        "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizer",
        "GemmaTokenizerFast",
    ];

    public static TokenizerParts Read(string directory, TokenizerConfig config)
    {
        VocabularyFiles.RequireClass(config, Classes, Name);
        string path = Path.Combine(directory, Name);
        SentencePieceProto proto = SentencePieceProto.Read(path);
        RefuseOthers(proto, path);
        var vocabulary = new Vocabulary(path, proto.Pieces.Count);
        for (int id = 0; id < proto.Pieces.Count; id++)
        {
            vocabulary.Add(proto.Pieces[id].Text, id);
        }
        int unknownId = UnknownId(proto, path);
        int[]? idOfByte = BytePieces(proto, vocabulary, path);
        PieceModel model = proto.ModelType == 2
            ? Merging(proto, vocabulary, unknownId)
            : Unigram(proto, unknownId, idOfByte, path);

        string? NameOf(int id) => id >= 0 && id < proto.Pieces.Count ? proto.Pieces[id].Text : null;
        var usual = new SpecialTokens(
            NameOf(proto.BosId), NameOf(proto.EosId), NameOf(unknownId), NameOf(proto.PadId));
        List<AddedToken> added = VocabularyFiles.AddTokens(
            directory, config, vocabulary,
            [
                ("bos_token", usual.Bos!), ("eos_token", usual.Eos!), ("unk_token", usual.Unknown!),
                ("pad_token", usual.Pad!),
            ]);
        HashSet<string> known = [.. added.Select(token => token.Content)];
        List<AddedToken> userDefined =
        [
            .. proto.Pieces.Select((piece, id) => (piece, id))
                .Where(p => p.piece.Kind == SentencePieceKind.UserDefined && !known.Contains(p.piece.Text))
                .Select(p => new AddedToken(p.piece.Text, p.id, Normalized: true)),
        ];
        (int[] prefix, int[] suffix) = config.Around(
            usual.Bos is not null && config.AddBosToken is null && vocabulary.FindAny(
                config.Special("bos_token", usual.Bos) ?? "") is { } bos ? [bos] : [],
            [], vocabulary, usual, path);
        return new TokenizerParts(
            vocabulary,
            new SplitModel([], model),
            new MarkedSpelling(
                [(SentencePieceNormalizer.Mark.ToString(), " ")], null, idOfByte is not null,
                proto.AddDummyPrefix ? 1 : 0),
            Normalizer(proto, userDefined, path),
            [.. added, .. userDefined],
            prefix,
            suffix,
            usual,
            VerbatimAddedTokens: true);
    }

    private static void RefuseOthers(SentencePieceProto proto, string path)
    {
        void Refuse(bool wrong, string found, string supported)
        {
            if (wrong)
            {
                throw TokenizerFile.Unsupported(path, found, supported);
            }
        }
        Refuse(
            proto.ModelType is not (1 or 2),
            $"trainer_spec.model_type {(proto.ModelType switch { 3 => "WORD", 4 => "CHAR", var other => $"{other}" })}",
            "UNIGRAM, BPE");
        Refuse(proto.WhitespaceAsSuffix, "trainer_spec.treat_whitespace_as_suffix true", "false");
        Refuse(!proto.EscapeWhitespaces, "normalizer_spec.escape_whitespaces false", "true");
        Refuse(proto.HasDenormalizer, "denormalizer_spec.precompiled_charsmap", "none");
        Refuse(
            proto.Charsmap.Length == 0 && proto.NormalizerName is not ("" or "identity"),
            $"normalizer_spec.name {TokenizerFile.Quote(proto.NormalizerName)} without its precompiled_charsmap",
            "identity, or any name with the charsmap");
        Refuse(
            proto.ModelType == 2 && proto.Pieces.Exists(p => p.Kind == SentencePieceKind.Unused),
            "a piece of type UNUSED in a BPE model", "NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE");
        int longest = proto.Pieces.Where(p => p.Kind == SentencePieceKind.Normal)
            .Select(p => p.Text.Length).DefaultIfEmpty().Max();
        Refuse(longest > MaxMergedLength, $"a piece of {longest} characters", $"up to {MaxMergedLength}");
    }

    private static int UnknownId(SentencePieceProto proto, string path)
    {
        int id = proto.Pieces.FindIndex(p => p.Kind == SentencePieceKind.Unknown);
        return id >= 0 && proto.Pieces.FindLastIndex(p => p.Kind == SentencePieceKind.Unknown) == id
            ? id
            : throw new InvalidDataException($"'{path}': expected one piece of type UNKNOWN, found none or several");
    }

    // With byte_fallback all 256 must be there; without it, they are never made.
    private static int[]? BytePieces(SentencePieceProto proto, Vocabulary vocabulary, string path)
    {
        if (!proto.ByteFallback)
        {
            return null;
        }
        int[] ids = new int[256];
        for (int b = 0; b < 256; b++)
        {
            string token = ByteToken.Spelled((byte)b);
            ids[b] = vocabulary.Find(token) is { } id && proto.Pieces[id].Kind == SentencePieceKind.Byte
                ? id
                : throw new InvalidDataException(
                    $"'{path}': trainer_spec.byte_fallback is true, but there is no piece '{token}' of type BYTE");
        }
        return ids;
    }

    private static SentencePieceNormalizer Normalizer(
        SentencePieceProto proto, List<AddedToken> userDefined, string path) => new(
            proto.Charsmap.Length == 0 ? null : new Charsmap(proto.Charsmap, path),
            proto.Charsmap.Length == 0 ? "identity" : Convert.ToHexStringLower(SHA256.HashData(proto.Charsmap)),
            proto.AddDummyPrefix,
            proto.RemoveExtraWhitespaces,
            userDefined.Count == 0 ? null : new AddedTokenMatcher(userDefined.Select(t => (t.Content, t))));

    private static UnigramModel Unigram(SentencePieceProto proto, int unknownId, int[]? idOfByte, string path)
    {
        List<(string, int, float)> pieces =
        [
            .. proto.Pieces.Select((piece, id) => (piece, id)).Where(p => p.piece.Kind == SentencePieceKind.Normal)
                .Select(p => (p.piece.Text, p.id, p.piece.Score)),
        ];
        return pieces.Count > 0
            ? new UnigramModel(pieces, unknownId, idOfByte)
            : throw new InvalidDataException($"'{path}': expected pieces of type NORMAL, found none");
    }

    /// <summary>
    /// SentencePiece merges any two neighbours whose texts together are a piece, the one of highest score first,
    /// leftmost on ties: as a table, every way to cut a piece in two that can occur, ranked by score.
    /// </summary>
    private static BytePairModel Merging(SentencePieceProto proto, Vocabulary vocabulary, int unknownId)
    {
        List<SentencePiece> pieces = proto.Pieces;
        float[] scores = [.. pieces.Where(IsMerged).Select(p => p.Score).Distinct().OrderDescending()];
        Dictionary<float, int> rankOf = scores.Select((score, rank) => (score, rank))
            .ToDictionary(s => s.score, s => s.rank);
        var merges = new BytePairMerges(pieces.Count);
        var lacking = new Dictionary<int, int>();
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids = vocabulary.BySpan();
        for (int id = 0; id < pieces.Count; id++)
        {
            ReadOnlySpan<char> text = pieces[id].Text;
            if (!IsMerged(pieces[id]))
            {
                continue;
            }
            for (int cut = 1; cut < text.Length; cut++)
            {
                if (!char.IsLowSurrogate(text[cut])
                    && Symbol(text[..cut]) is >= 0 and int left && Symbol(text[cut..]) is >= 0 and int right)
                {
                    merges.Add(left, right, rankOf[pieces[id].Score], id);
                }
            }
        }
        return new BytePairModel(
            vocabulary, merges,
            proto.ByteFallback ? BytePairSymbols.CodePointsOrBytes : BytePairSymbols.CodePoints,
            unknownId, fuseUnknown: true, lacking: lacking);

        // A character is a symbol even where it is no piece.
        int Symbol(ReadOnlySpan<char> part)
        {
            if (ids.TryGetValue(part, out int id))
            {
                return IsMerged(pieces[id]) ? id : -1;
            }
            Rune.DecodeFromUtf16(part, out Rune rune, out int used);
            if (used < part.Length)
            {
                return -1;
            }
            return lacking.TryGetValue(rune.Value, out int symbol)
                ? symbol
                : lacking[rune.Value] = pieces.Count + lacking.Count;
        }

        static bool IsMerged(SentencePiece piece) => piece.Kind == SentencePieceKind.Normal;
    }
}
