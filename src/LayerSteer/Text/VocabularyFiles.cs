using System.Text;
using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>The files from before tokenizer.json: GPT-2's vocab.json with merges.txt, and BERT's vocab.txt.</summary>
internal static class VocabularyFiles
{
    public const string EndOfText = "<|endoftext|>";

    // The same files hold other tokenizers' vocabularies too, which split text by other rules.
    private static readonly string[] Gpt2Classes = ["GPT2Tokenizer", "GPT2TokenizerFast"];
    private static readonly string[] BertClasses =
    [
        "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer",
        "ElectraTokenizerFast",
    ];

    public static TokenizerParts ReadGpt2(string directory, TokenizerConfig config)
    {
        RequireClass(config, Gpt2Classes, "vocab.json with merges.txt");
        string vocabPath = Path.Combine(directory, "vocab.json");
        using JsonDocument document = TokenizerFile.ReadObject(vocabPath, repeats: true);
        Vocabulary vocabulary = TokenizerFile.ReadVocabulary(document.RootElement, vocabPath, "the file");
        BytePairMerges merges = ReadMerges(Path.Combine(directory, "merges.txt"), vocabulary);
        var model = new SplitModel(
            [new Gpt2PreTokenizer(config.AddPrefixSpace ?? false)],
            new BytePairModel(vocabulary, merges, BytePairSymbols.Bytes, null, false));
        List<AddedToken> added = AddTokens(
            directory, config, vocabulary, [("bos_token", EndOfText), ("eos_token", EndOfText)]);
        var usual = new SpecialTokens(EndOfText, EndOfText);
        (int[] prefix, int[] suffix) = config.Around([], [], vocabulary, usual, vocabPath);
        return new TokenizerParts(
            vocabulary, model, new ByteLevelSpelling(), null, added, prefix, suffix, usual);
    }

    public static TokenizerParts ReadBert(string directory, TokenizerConfig config)
    {
        RequireClass(config, BertClasses, "vocab.txt");
        string path = Path.Combine(directory, "vocab.txt");
        Vocabulary vocabulary = ReadLines(path);
        string unknown = Special("unk_token", "[UNK]");
        var model = new WordPiece(vocabulary, Id("unk_token", unknown), "##", 100);
        bool lowercase = config.DoLowerCase ?? true;
        var normalizer = new BertNormalizer(
            CleanText: true, config.TokenizeChineseChars ?? true, config.StripAccents ?? lowercase, lowercase);
        int[] prefix = [Id("cls_token", Special("cls_token", "[CLS]"))];
        int[] suffix = [Id("sep_token", Special("sep_token", "[SEP]"))];
        List<AddedToken> added = AddTokens(directory, config, vocabulary,
        [
            ("unk_token", "[UNK]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"),
            ("mask_token", "[MASK]"),
        ]);
        return new TokenizerParts(
            vocabulary, model, new WordPieceSpelling("##"), normalizer, added, prefix, suffix,
            new SpecialTokens(Unknown: unknown, Pad: "[PAD]"));

        // BERT cannot do without these, so null counts as not said.
        string Special(string field, string usual) => config.Special(field, usual) ?? usual;
        int Id(string field, string token) => vocabulary.Find(token)
            ?? throw new InvalidDataException(
                $"'{path}': {field} {TokenizerFile.Quote(token)} is not in the vocabulary");
    }

    /// <summary>
    /// Adds one merge written as two tokens with one space between; false, and nothing is added, if it is not one or
    /// needs a token that the vocabulary lacks.
    /// </summary>
    internal static bool TryAddMerge(
        BytePairMerges merges,
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> vocabulary,
        ReadOnlySpan<char> merge,
        int rank)
    {
        int space = merge.IndexOf(' ');
        if (space < 1 || space == merge.Length - 1 || merge[(space + 1)..].Contains(' '))
        {
            return false;
        }
        ReadOnlySpan<char> left = merge[..space];
        ReadOnlySpan<char> right = merge[(space + 1)..];
        Span<char> both = merge.Length <= 128 ? stackalloc char[128] : new char[merge.Length];
        left.CopyTo(both);
        right.CopyTo(both[space..]);
        if (!vocabulary.TryGetValue(left, out int leftId)
            || !vocabulary.TryGetValue(right, out int rightId)
            || !vocabulary.TryGetValue(both[..(merge.Length - 1)], out int result))
        {
            return false;
        }
        merges.Add(leftId, rightId, rank, result);
        return true;
    }

    /// <summary>Adds one merge, given its two parts, to a table.</summary>
    internal static void AddMerge(
        BytePairMerges merges, Vocabulary vocabulary, string left, string right, int rank, string path, string place)
    {
        int Id(string piece) => vocabulary.Find(piece)
            ?? throw new InvalidDataException(
                $"'{path}': {place} needs token {TokenizerFile.Quote(piece)}, which is not in the vocabulary");
        merges.Add(Id(left), Id(right), rank, Id(left + right));
    }

    /// <summary>Splits a merge written as two tokens with one space between.</summary>
    internal static (string Left, string Right) SplitMerge(string merge, string path, string place)
    {
        string[] parts = merge.Split(' ');
        return parts is [{ Length: > 0 } left, { Length: > 0 } right]
            ? (left, right)
            : throw new InvalidDataException(
                $"'{path}': {place} is {TokenizerFile.Quote(merge)}, expected two tokens and one space between");
    }

    private static BytePairMerges ReadMerges(string path, Vocabulary vocabulary)
    {
        var merges = new BytePairMerges(vocabulary.Size);
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> pieces = vocabulary.BySpan();
        int number = 0;
        foreach (string line in Lines(path))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }
            if (!TryAddMerge(merges, pieces, line, number))
            {
                string place = $"line {number}";
                (string left, string right) = SplitMerge(line, path, place);
                AddMerge(merges, vocabulary, left, right, number, path, place);
            }
        }
        return merges;
    }

    private static Vocabulary ReadLines(string path)
    {
        var vocabulary = new Vocabulary(path);
        int id = 0;
        foreach (string line in Lines(path))
        {
            vocabulary.Add(line, id++);
        }
        return id > 0 ? vocabulary : throw new InvalidDataException($"'{path}': the file has no tokens");
    }

    // Lines end at \n or \r\n only: tokens may hold Unicode's other line separators.
    private static IEnumerable<string> Lines(string path)
    {
        ReadOnlyMemory<byte> rest = TokenizerFile.Read(path);
        while (!rest.IsEmpty)
        {
            int newline = rest.Span.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = newline < 0 ? rest.Span : rest.Span[..newline];
            string text = Encoding.UTF8.GetString(line is [.., (byte)'\r'] ? line[..^1] : line);
            rest = newline < 0 ? default : rest[(newline + 1)..];
            yield return text;
        }
    }

    // Tokens that are matched literally: the usual special ones where the vocabulary has them, those the configuration
    // names, and those added beside the vocabulary.
    internal static List<AddedToken> AddTokens(
        string directory,
        TokenizerConfig config,
        Vocabulary vocabulary,
        IEnumerable<(string Field, string Token)> usual)
    {
        var added = new List<AddedToken>(config.AddedTokens);
        added.ForEach(token => vocabulary.AddBeside(token.Content, token.Id, config.Path));
        HashSet<string> known = [.. added.Select(token => token.Content)];
        string path = Path.Combine(directory, "added_tokens.json");
        if (File.Exists(path))
        {
            using JsonDocument document = TokenizerFile.ReadObject(path);
            foreach (JsonProperty entry in document.RootElement.EnumerateObject())
            {
                string content = TokenizerFile.NameOf(entry, path, "the file");
                if (known.Add(content))
                {
                    long id = TokenizerFile.Integer(entry.Value, path, "the id of an added token");
                    var token = new AddedToken(content, Vocabulary.CheckedId(id, content, path), Normalized: true);
                    vocabulary.AddBeside(content, token.Id, path);
                    added.Add(token);
                }
            }
        }
        IEnumerable<string> special = usual.Select(u => config.Special(u.Field, u.Token)).OfType<string>();
        foreach (string content in config.SpecialTokens.Union(special))
        {
            if (vocabulary.FindAny(content) is { } id && known.Add(content))
            {
                added.Add(new AddedToken(content, id));
            }
        }
        return added;
    }

    internal static void RequireClass(TokenizerConfig config, string[] supported, string files)
    {
        if (config.TokenizerClass is { } name && !supported.Contains(name))
        {
            throw new NotSupportedException(
                $"'{config.Path}': tokenizer_class {TokenizerFile.Quote(name)} cannot be read from {files}; "
                + $"supported there: {string.Join(", ", supported)}; a tokenizer.json may work");
        }
    }
}
