using System.Text;
using System.Text.Unicode;

namespace LayerSteer.Text;

/// <summary>What a piece of a SentencePiece model is.</summary>
internal enum SentencePieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>A piece of a SentencePiece model; its id is its place.</summary>
internal readonly record struct SentencePiece(string Text, float Score, SentencePieceKind Kind);

/// <summary>
/// The content of a SentencePiece <c>tokenizer.model</c> (protobuf message ModelProto): pieces and the settings that
/// decide ids. Fields that do not are passed over.
/// </summary>
internal sealed class SentencePieceProto
{
    /// <summary>Unigram 1, BPE 2, word 3, char 4.</summary>
    public int ModelType { get; private set; } = 1;

    public List<SentencePiece> Pieces { get; } = [];

    public int UnknownId { get; private set; }
    public int BosId { get; private set; } = 1;
    public int EosId { get; private set; } = 2;
    public int PadId { get; private set; } = -1;
    public bool ByteFallback { get; private set; }
    public bool WhitespaceAsSuffix { get; private set; }
    public string NormalizerName { get; private set; } = "";
    public byte[] Charsmap { get; private set; } = [];
    public bool AddDummyPrefix { get; private set; } = true;
    public bool RemoveExtraWhitespaces { get; private set; } = true;
    public bool EscapeWhitespaces { get; private set; } = true;
    public bool HasDenormalizer { get; private set; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">It is not a SentencePiece model.</exception>
    public static SentencePieceProto Read(string path)
    {
        byte[] bytes = TokenizerFile.ReadBytes(path);
        RefuseTiktoken(bytes, path);
        var proto = new SentencePieceProto();
        var reader = new ProtobufReader(bytes, path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    proto.ReadPiece(reader.ReadBytes(), path);
                    break;
                case 2:
                    proto.ReadTrainer(reader.ReadBytes(), path);
                    break;
                case 3:
                    proto.ReadNormalizer(reader.ReadBytes(), path);
                    break;
                case 5:
                    proto.ReadDenormalizer(reader.ReadBytes(), path);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return proto.Pieces.Count > 0
            ? proto
            : throw new InvalidDataException($"'{path}': not a SentencePiece model: it has no pieces");
    }

    // Llama 3 calls its tiktoken vocabulary, lines of base64 and rank, by the same name.
    private static void RefuseTiktoken(ReadOnlySpan<byte> bytes, string path)
    {
        int end = bytes.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? bytes : bytes[..end];
        int space = line.IndexOf((byte)' ');
        if (space > 0 && space < line.Length - 1
            && line[(space + 1)..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0
            && System.Buffers.Text.Base64.IsValid(line[..space]))
        {
            throw new NotSupportedException(
                $"'{path}': a tiktoken vocabulary; supported: SentencePiece models; "
                + "the tokenizer.json of this model works");
        }
    }

    private void ReadPiece(ReadOnlySpan<byte> message, string path)
    {
        var reader = new ProtobufReader(message, path);
        string text = "";
        float score = 0;
        long kind = 1;
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    text = Text(reader.ReadBytes(), path);
                    break;
                case 2:
                    score = reader.ReadSingle();
                    break;
                case 3:
                    kind = reader.ReadInteger();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        string place = $"piece {Pieces.Count}";
        if (text.Length == 0 || !float.IsFinite(score) || kind is < 1 or > 6)
        {
            throw new InvalidDataException(
                $"'{path}': {place} {TokenizerFile.Quote(text)} has score {score} and type {kind}, "
                + "expected a text, a finite score and a type from 1 to 6");
        }
        Vocabulary.CheckedId(Pieces.Count, text, path);
        Pieces.Add(new SentencePiece(text, score, (SentencePieceKind)kind));
    }

    private void ReadTrainer(ReadOnlySpan<byte> message, string path)
    {
        var reader = new ProtobufReader(message, path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3:
                    ModelType = (int)Math.Clamp(reader.ReadInteger(), -1, 99);
                    break;
                case 24:
                    WhitespaceAsSuffix = reader.ReadBoolean();
                    break;
                case 35:
                    ByteFallback = reader.ReadBoolean();
                    break;
                case 40:
                    UnknownId = Id(ref reader);
                    break;
                case 41:
                    BosId = Id(ref reader);
                    break;
                case 42:
                    EosId = Id(ref reader);
                    break;
                case 43:
                    PadId = Id(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
    }

    // A negative id means that there is no such token.
    private static int Id(ref ProtobufReader reader) => (int)Math.Clamp(reader.ReadInteger(), -1, int.MaxValue);

    private void ReadNormalizer(ReadOnlySpan<byte> message, string path)
    {
        var reader = new ProtobufReader(message, path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    NormalizerName = Text(reader.ReadBytes(), path);
                    break;
                case 2:
                    Charsmap = reader.ReadBytes().ToArray();
                    break;
                case 3:
                    AddDummyPrefix = reader.ReadBoolean();
                    break;
                case 4:
                    RemoveExtraWhitespaces = reader.ReadBoolean();
                    break;
                case 5:
                    EscapeWhitespaces = reader.ReadBoolean();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
    }

    private void ReadDenormalizer(ReadOnlySpan<byte> message, string path)
    {
        var reader = new ProtobufReader(message, path);
        while (reader.Next())
        {
            if (reader.Field == 2)
            {
                HasDenormalizer = !reader.ReadBytes().IsEmpty;
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static string Text(ReadOnlySpan<byte> bytes, string path) => Utf8.IsValid(bytes)
        ? Encoding.UTF8.GetString(bytes)
        : throw new InvalidDataException($"'{path}': not a SentencePiece model: a text that is not UTF-8");
}
