using System.Text.Encodings.Web;
using System.Text.Json;
using LayerSteer.Formats;

namespace LayerSteer.Text;

/// <summary>
/// A trained byte-level BPE vocabulary: 256 bytes in GPT-2's order, then what each merge makes, then
/// <c>&lt;|endoftext|&gt;</c>. Immutable and thread-safe.
/// </summary>
public sealed class BytePairVocabulary
{
    /// <summary>GPT-2's context, the default for <c>model_max_length</c>.</summary>
    public const int DefaultMaxLength = 1024;

    private static readonly JsonWriterOptions Json = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly (int Left, int Right)[] _merges;

    internal BytePairVocabulary(
        IEnumerable<string> tokens, IEnumerable<(int Left, int Right)> merges, BytePairStatistics statistics)
    {
        Tokens = [.. tokens, VocabularyFiles.EndOfText];
        _merges = [.. merges];
        Statistics = statistics;
    }

    /// <summary>[size]: the tokens by id, in GPT-2's alphabet of bytes ('Ġ' for a space).</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>The ids that each merge joins, in order; merge i makes token 256 + i.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges => _merges;

    /// <summary>The id of <c>&lt;|endoftext|&gt;</c>, the last one.</summary>
    public int EndOfTextId => Tokens.Count - 1;

    /// <summary>What it was trained on.</summary>
    public BytePairStatistics Statistics { get; }

    /// <summary>
    /// Writes vocab.json, merges.txt, tokenizer.json and tokenizer_config.json as Hugging Face's tokenizers and
    /// transformers read them (class GPT2Tokenizer), and <see cref="TextTokenizer.Load"/>. All four are written in
    /// full beside before the first takes its name.
    /// </summary>
    /// <param name="directory">The folder; created if it is not there. Its other files stay.</param>
    /// <param name="modelMaxLength">model_max_length: tokens that the model takes, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="modelMaxLength"/> is below 1.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Save(string directory, int modelMaxLength = DefaultMaxLength)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentOutOfRangeException.ThrowIfLessThan(modelMaxLength, 1);
        Directory.CreateDirectory(directory);
        (string Name, Action<Stream> Write)[] contents =
        [
            ("vocab.json", stream => WriteJson(stream, WriteVocabulary)),
            ("merges.txt", WriteMerges),
            ("tokenizer_config.json", stream => WriteJson(stream, json => WriteConfig(json, modelMaxLength))),
            ("tokenizer.json", stream => WriteJson(stream, WriteTokenizer)),
        ];
        var files = new List<AtomicFile>();
        try
        {
            foreach ((string name, Action<Stream> write) in contents)
            {
                var file = new AtomicFile(Path.Combine(directory, name));
                files.Add(file);
                write(file.Stream);
                file.Stream.Flush();
            }
            files.ForEach(file => file.Complete());
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    private static void WriteJson(Stream stream, Action<Utf8JsonWriter> write)
    {
        using (var json = new Utf8JsonWriter(stream, Json))
        {
            write(json);
        }
        stream.WriteByte((byte)'\n');
    }

    private void WriteVocabulary(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        for (int id = 0; id < Tokens.Count; id++)
        {
            json.WriteNumber(Tokens[id], id);
        }
        json.WriteEndObject();
    }

    private string MergeText((int Left, int Right) merge) => $"{Tokens[merge.Left]} {Tokens[merge.Right]}";

    private void WriteMerges(Stream stream)
    {
        using var writer = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine("#version: 0.2");
        foreach ((int Left, int Right) merge in _merges)
        {
            writer.WriteLine(MergeText(merge));
        }
    }

    private static void WriteConfig(Utf8JsonWriter json, int modelMaxLength)
    {
        json.WriteStartObject();
        json.WriteBoolean("add_bos_token", false);
        json.WriteBoolean("add_prefix_space", false);
        json.WriteString("bos_token", VocabularyFiles.EndOfText);
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        json.WriteString("eos_token", VocabularyFiles.EndOfText);
        json.WriteNumber("model_max_length", modelMaxLength);
        json.WriteString("tokenizer_class", "GPT2Tokenizer");
        json.WriteString("unk_token", VocabularyFiles.EndOfText);
        json.WriteEndObject();
    }

    private void WriteTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        json.WriteStartObject();
        json.WriteNumber("id", EndOfTextId);
        json.WriteString("content", VocabularyFiles.EndOfText);
        foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"])
        {
            json.WriteBoolean(flag, false);
        }
        json.WriteBoolean("special", true);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteNull("normalizer");
        WriteByteLevel(json, "pre_tokenizer", addPrefixSpace: false, trimOffsets: true);
        WriteByteLevel(json, "post_processor", addPrefixSpace: true, trimOffsets: false);
        WriteByteLevel(json, "decoder", addPrefixSpace: true, trimOffsets: true);
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteString("continuing_subword_prefix", "");
        json.WriteString("end_of_word_suffix", "");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WritePropertyName("vocab");
        WriteVocabulary(json);
        json.WriteStartArray("merges");
        foreach ((int Left, int Right) merge in _merges)
        {
            json.WriteStringValue(MergeText(merge));
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string name, bool addPrefixSpace, bool trimOffsets)
    {
        json.WriteStartObject(name);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", trimOffsets);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }
}
