using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace LayerSteer.Text;

/// <summary>
/// Text to token ids and back, with the ids that the Hugging Face fast tokenizer gives for the same files: byte-level
/// BPE (GPT-2, Llama 3, Qwen), BPE of characters with bytes for the rest (Llama 2, Gemma), Unigram from SentencePiece
/// models, BERT's WordPiece. Unicode categories are those of this .NET version, so ids can differ only on
/// characters whose category another tokenizer's Unicode version does not know. Safe to share between threads.
/// </summary>
/// <remarks>
/// Decode whole sequences, not id by id: one id can be part of a character. <c>Encode(Decode(ids))</c> need not be
/// <c>ids</c>, so generation carries ids. A lone surrogate in a text counts as U+FFFD. A tokenizer.json comes before
/// vocab.json with merges.txt, those before vocab.txt, and that before tokenizer.model; do_lower_case, strip_accents,
/// tokenize_chinese_chars, add_prefix_space, add_bos_token and add_eos_token in tokenizer_config.json come before
/// what tokenizer.json says.
/// </remarks>
public sealed class TextTokenizer
{
    private readonly TokenizerParts _parts;
    private readonly Vocabulary _vocabulary;
    private readonly AddedTokenMatcher _rawMatcher;
    private readonly AddedTokenMatcher _normalizedMatcher;
    private readonly byte[]?[] _bytes;
    private readonly Lazy<string> _digest;

    private TextTokenizer(TokenizerParts parts, TokenizerConfig config)
    {
        _parts = parts;
        _vocabulary = parts.Vocabulary;
        _rawMatcher = new AddedTokenMatcher(
            parts.AddedTokens.Where(t => !t.Normalized).Select(t => (t.Content, t)));
        _normalizedMatcher = new AddedTokenMatcher(parts.AddedTokens.Where(t => t.Normalized).Select(
            t => (parts.VerbatimAddedTokens ? t.Content : NormalizeOrKeep(t.Content).ToString(), t)));
        _bytes = new byte[_vocabulary.Size][];
        BosId = Find("bos_token", parts.Usual.Bos);
        EosId = Find("eos_token", parts.Usual.Eos);
        UnknownId = Find("unk_token", parts.Usual.Unknown);
        PadId = Find("pad_token", parts.Usual.Pad);
        ModelMaxLength = config.ModelMaxLength;
        _digest = new Lazy<string>(ComputeDigest);

        int? Find(string field, string? otherwise) =>
            config.Special(field, otherwise) is { } token ? _vocabulary.FindAny(token) : null;
    }

    /// <summary>
    /// Reads a tokenizer from a model's folder: tokenizer.json, else vocab.json with merges.txt, else vocab.txt,
    /// else tokenizer.model; and tokenizer_config.json and special_tokens_map.json where they are.
    /// </summary>
    /// <param name="directory">The folder.</param>
    /// <exception cref="InvalidDataException">No tokenizer is there, or a file is damaged; says which and what was
    /// expected.</exception>
    /// <exception cref="NotSupportedException">The files are sound but need a component that is not supported; says
    /// which are.</exception>
    public static TextTokenizer Load(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        bool Has(string name) => File.Exists(Path.Combine(directory, name));
        TokenizerConfig config = TokenizerConfig.Read(directory);
        if (Has("tokenizer.json"))
        {
            return new TextTokenizer(TokenizerJson.Read(Path.Combine(directory, "tokenizer.json"), config), config);
        }
        if (Has("vocab.json") && Has("merges.txt"))
        {
            return new TextTokenizer(VocabularyFiles.ReadGpt2(directory, config), config);
        }
        if (Has("vocab.txt"))
        {
            return new TextTokenizer(VocabularyFiles.ReadBert(directory, config), config);
        }
        if (Has("tokenizer.model"))
        {
            return new TextTokenizer(SentencePieceFile.Read(directory, config), config);
        }
        string half = Has("vocab.json") ? "; vocab.json is there, but merges.txt is not"
            : Has("merges.txt") ? "; merges.txt is there, but vocab.json is not"
            : Directory.Exists(directory) ? "" : "; there is no such folder";
        throw new InvalidDataException(
            $"'{directory}': no tokenizer found; looked for tokenizer.json, vocab.json with merges.txt, vocab.txt, "
            + "tokenizer.model" + half);
    }

    /// <summary>Largest id + 1; ids below may have holes.</summary>
    public int VocabularySize => _vocabulary.Size;

    /// <summary>The token that begins a sequence; null where there is none or the vocabulary lacks it.</summary>
    public int? BosId { get; }

    /// <summary>The token that ends a sequence; null where there is none or the vocabulary lacks it.</summary>
    public int? EosId { get; }

    /// <summary>
    /// The token for what the vocabulary cannot spell; null where there is none or the vocabulary lacks it.
    /// </summary>
    public int? UnknownId { get; }

    /// <summary>The token that fills a batch up; null where there is none or the vocabulary lacks it.</summary>
    public int? PadId { get; }

    /// <summary>
    /// model_max_length of tokenizer_config.json, in tokens; null where it is missing or means "no limit".
    /// </summary>
    public int? ModelMaxLength { get; }

    /// <summary>
    /// SHA-256, lower-case hexadecimal, of all that decides the ids (tokens, merges, added tokens, settings, special
    /// tokens around a sequence), whichever files they came from.
    /// </summary>
    public string Digest => _digest.Value;

    /// <summary>
    /// The ids of a text, with nothing put around it; a special token found literally in the text is one id.
    /// </summary>
    /// <param name="text">Any text; empty gives no ids.</param>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 4 + 4);
        ReadOnlySpan<char> span = text;
        int at = 0;
        while (_rawMatcher.TryFind(span, at, out int start, out int end, out int id))
        {
            EncodeRaw(span[at..start], at == 0, ids);
            ids.Add(id);
            at = end;
        }
        EncodeRaw(span[at..], at == 0, ids);
        return [.. ids];
    }

    /// <summary>
    /// The ids of a text with the special tokens that the model was trained with around them, cut to a length: for
    /// BERT [CLS], pieces, [SEP]; for Llama and Gemma BOS and pieces; for GPT-2 the pieces alone. A text that begins
    /// with BOS itself gets no second one.
    /// </summary>
    /// <param name="text">Any text.</param>
    /// <param name="maxLength">Most ids, special ones included, of which the text's first are kept; null cuts
    /// nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxLength"/> is less than the special tokens
    /// take.</exception>
    public int[] EncodeWithSpecials(string text, int? maxLength)
    {
        int specials = _parts.Prefix.Length + _parts.Suffix.Length;
        if (maxLength < specials)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxLength), maxLength, $"The special tokens alone are {specials} ids.");
        }
        ReadOnlySpan<int> ids = Encode(text);
        if (BosId is { } bos && _parts.Prefix is [.., int last] && last == bos
            && ids is [int first, ..] && first == bos)
        {
            ids = ids[1..];
        }
        int kept = Math.Min(ids.Length, (maxLength ?? int.MaxValue) - specials);
        return [.. _parts.Prefix, .. ids[..kept], .. _parts.Suffix];
    }

    /// <summary>
    /// The text of a whole sequence, special tokens included. Bytes that are not valid UTF-8 become U+FFFD: in
    /// byte-level vocabularies one for each longest stretch that begins a character (as Python's
    /// <c>errors='replace'</c>), where single bytes have tokens such as <c>&lt;0x0A&gt;</c> one for each of a run of
    /// such tokens. An id that no token has is empty.
    /// </summary>
    /// <param name="ids">[n], each in 0..VocabularySize-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is out of range.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new ArrayBufferWriter<byte>(ids.Length * 4 + 1);
        var spelling = new SpelledSequence(this, continues: false);
        foreach (int id in ids)
        {
            spelling.Append(id, bytes);
        }
        spelling.Flush(bytes);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The text of one id alone: incomplete UTF-8 shows as U+FFFD.</summary>
    /// <param name="id">In 0..VocabularySize-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is out of range.</exception>
    public string TokenText(int id) => Decode([id]);

    /// <summary>
    /// The vocabulary's string for an id (for GPT-2 in its alphabet of bytes, 'Ġ' for a space); empty where no token
    /// has it.
    /// </summary>
    /// <param name="id">In 0..VocabularySize-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is out of range.</exception>
    public string Piece(int id)
    {
        CheckId(id);
        return _vocabulary.Piece(id) ?? "";
    }

    /// <summary>How tokens are spelled.</summary>
    internal TokenSpelling Spelling => _parts.Spelling;

    /// <summary>The byte that an id stands for, where runs of bytes are decoded together; null for other
    /// tokens.</summary>
    internal byte? ByteOf(int id)
    {
        CheckId(id);
        return _vocabulary.Piece(id) is { } piece ? Spelling.ByteOf(piece) : null;
    }

    /// <summary>
    /// The bytes that an id adds to decoded text; <paramref name="first"/>: nothing was decoded before it.
    /// </summary>
    internal ReadOnlySpan<byte> Bytes(int id, bool first)
    {
        CheckId(id);
        if (first && _vocabulary.Piece(id) is { } piece)
        {
            return Spelling.Spell(piece, first: true);
        }

        // Spelled when first asked for; two threads that do so at once spell alike.
        return _bytes[id] ??= _vocabulary.Piece(id) is { } other ? Spelling.Spell(other, first: false) : [];
    }

    private void CheckId(int id)
    {
        if ((uint)id >= (uint)_bytes.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(id), id, $"Token ids of this tokenizer are 0..{_bytes.Length - 1}.");
        }
    }

    private void EncodeRaw(ReadOnlySpan<char> raw, bool atStart, List<int> ids)
    {
        ReadOnlySpan<char> text = NormalizeOrKeep(raw);
        int at = 0;
        while (_normalizedMatcher.TryFind(text, at, out int start, out int end, out int id))
        {
            EncodePlain(text[at..start], atStart && at == 0, ids);
            ids.Add(id);
            at = end;
        }
        EncodePlain(text[at..], atStart && at == 0, ids);
    }

    private void EncodePlain(ReadOnlySpan<char> text, bool atStart, List<int> ids)
    {
        if (!text.IsEmpty)
        {
            _parts.Model.Encode(text, atStart, ids);
        }
    }

    private ReadOnlySpan<char> NormalizeOrKeep(ReadOnlySpan<char> text) =>
        _parts.Normalizer is { } normalizer ? normalizer.Normalize(text) : text;

    private string ComputeDigest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Line(string line) => hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
        var pieces = new StringBuilder();
        Line("LayerSteer tokenizer 1");
        _parts.Model.AppendIdentity(hash);
        Line(_parts.Normalizer?.ToString() ?? "no normaliser");
        Line($"around: {string.Join(' ', _parts.Prefix)} | {string.Join(' ', _parts.Suffix)}");
        foreach (AddedToken token in _parts.AddedTokens.OrderBy(t => t.Id))
        {
            // Without a normaliser it is all one whether a token is looked for before or after it.
            bool normalized = token.Normalized && _parts.Normalizer is not null;
            Line($"added {token.Id} {normalized} {token.SingleWord} {token.StripLeft} {token.StripRight}");
        }
        for (int id = 0; id < _vocabulary.Size; id++)
        {
            if (_vocabulary.Piece(id) is { } piece)
            {
                pieces.Append(CultureInfo.InvariantCulture, $"{id} {Encoding.UTF8.GetByteCount(piece)} {piece}\n");
            }
        }
        hash.AppendData(Encoding.UTF8.GetBytes(pieces.ToString()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
