using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace LayerSteer.Tests.Text;

/// <summary>Writes SentencePiece models for tests, field by field.</summary>
internal sealed class SentencePieceModels
{
    public const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6;

    public List<(string Text, float Score, int Kind)> Pieces { get; } =
        [("<unk>", 0, Unknown), ("<s>", 0, Control), ("</s>", 0, Control)];

    public int ModelType { get; init; } = 2;
    public bool ByteFallback { get; init; }
    public bool AddDummyPrefix { get; init; } = true;
    public bool RemoveExtraWhitespaces { get; init; }
    public string NormalizerName { get; init; } = "identity";
    public byte[] Charsmap { get; init; } = [];
    public byte[] Extra { get; init; } = [];

    public SentencePieceModels WithBytes()
    {
        Pieces.AddRange(Enumerable.Range(0, 256).Select(b => ($"<0x{b:X2}>", 0f, Byte)));
        return this;
    }

    public SentencePieceModels With(params (string Text, float Score)[] pieces)
    {
        Pieces.AddRange(pieces.Select(p => (p.Text, p.Score, Normal)));
        return this;
    }

    public SentencePieceModels With(string text, float score, int kind)
    {
        Pieces.Add((text, score, kind));
        return this;
    }

    /// <summary>The model of stories260K, whose folder has the pieces with scores but no tokenizer.model.</summary>
    public static SentencePieceModels Stories(string piecesJson)
    {
        var model = new SentencePieceModels { ByteFallback = true };
        model.Pieces.Clear();
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(piecesJson));
        foreach (JsonElement piece in document.RootElement.EnumerateArray())
        {
            int id = piece.GetProperty("id").GetInt32();
            model.Pieces.Add(id switch
            {
                0 => ("<unk>", 0, Unknown),
                1 => ("<s>", 0, Control),
                2 => ("</s>", 0, Control),
                < 259 => (piece.GetProperty("piece").GetString()!, 0, Byte),
                // llama2.c writes spaces where SentencePiece has its mark.
                _ => (piece.GetProperty("piece").GetString()!.Replace(' ', '▁'),
                    piece.GetProperty("score").GetSingle(), Normal),
            });
        }
        return model;
    }

    public byte[] ToBytes()
    {
        var model = new List<byte>();
        foreach ((string text, float score, int kind) in Pieces)
        {
            byte[] value = new byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(value, score);
            Message(model, 1, [.. Field(1, Encoding.UTF8.GetBytes(text)), 2 << 3 | 5, .. value, .. Number(3, kind)]);
        }
        Message(model, 2,
            [.. Number(3, ModelType), .. Number(35, ByteFallback ? 1 : 0), .. Number(43, -1)]);
        Message(model, 3,
        [
            .. Field(1, Encoding.UTF8.GetBytes(NormalizerName)), .. Charsmap.Length == 0 ? [] : Field(2, Charsmap),
            .. Number(3, AddDummyPrefix ? 1 : 0), .. Number(4, RemoveExtraWhitespaces ? 1 : 0), .. Number(5, 1),
        ]);
        return [.. model, .. Extra];
    }

    /// <summary>
    /// A charsmap: a double-array trie whose nodes are placed one after the other, each at the first offset that is free.
    /// </summary>
    public static byte[] CharsmapOf(params (string From, string To)[] entries)
    {
        var texts = new List<byte>();
        var root = new Node();
        foreach ((string from, string to) in entries)
        {
            Node node = root;
            foreach (byte b in Encoding.UTF8.GetBytes(from))
            {
                node = node.Children.TryGetValue(b, out Node? child) ? child : node.Children[b] = new Node();
            }
            node.Value = texts.Count;
            texts.AddRange([.. Encoding.UTF8.GetBytes(to), 0]);
        }
        uint[] units = new uint[4096];
        bool[] used = new bool[units.Length];
        used[0] = true;
        Place(root, 0);
        byte[] trie = new byte[4 * units.Length];
        for (int i = 0; i < units.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(trie.AsSpan(4 * i), units[i]);
        }
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, trie.Length);
        return [.. length, .. trie, .. texts];

        void Place(Node node, int at)
        {
            byte[] labels = [.. node.Value >= 0 ? [(byte)0] : Array.Empty<byte>(), .. node.Children.Keys];
            int start = at;
            int offset = Enumerable.Range(1, 2000).First(o => labels.All(l => !used[start ^ o ^ l]));
            units[at] |= (uint)offset << 10 | (node.Value >= 0 ? 1u << 8 : 0);
            foreach (byte label in labels)
            {
                int child = at ^ offset ^ label;
                used[child] = true;
                units[child] = label == 0 && node.Value >= 0 ? (uint)node.Value | 1u << 31 : label;
            }
            foreach ((byte label, Node child) in node.Children)
            {
                Place(child, at ^ offset ^ label);
            }
        }
    }

    private static void Message(List<byte> output, int field, byte[] content) =>
        output.AddRange(Field(field, content));

    private static byte[] Field(int field, byte[] content) =>
        [.. Varint((ulong)(field << 3 | 2)), .. Varint((ulong)content.Length), .. content];

    private static byte[] Number(int field, long value) => [.. Varint((ulong)(field << 3)), .. Varint((ulong)value)];

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }
        return [.. bytes, (byte)value];
    }

    private sealed class Node
    {
        public SortedDictionary<byte, Node> Children { get; } = [];
        public int Value { get; set; } = -1;
    }
}
