using System.Text.Json;

namespace LayerSteer.Text;

/// <summary>Reads tokenizer.json's post_processor: the ids around a sequence.</summary>
internal static class PostProcessorJson
{
    public static (int[] Prefix, int[] Suffix) Read(TokenizerComponent? component, Vocabulary vocabulary)
    {
        if (component is not { } part)
        {
            return ([], []);
        }
        switch (part.Type)
        {
            case "ByteLevel":
                return ([], []);
            case "TemplateProcessing":
                return ReadTemplate(part, vocabulary);
            case "BertProcessing" or "RobertaProcessing":
                return ([PairId("cls")], [PairId("sep")]);
            case "Sequence":
                (int[] Prefix, int[] Suffix) around = ([], []);
                foreach (TokenizerComponent step in part.Steps("processors"))
                {
                    (int[] prefix, int[] suffix) = Read(step, vocabulary);
                    around = ([.. prefix, .. around.Prefix], [.. around.Suffix, .. suffix]);
                }
                return around;
            default:
                throw part.TypeRefusal(
                    "null", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence");
        }

        int PairId(string name)
        {
            string field = $"{part.Field}.{name}";
            JsonElement pair = TokenizerFile.RequireProperty(
                part.Element, name, JsonValueKind.Array, part.Path, field);
            return pair.GetArrayLength() == 2
                ? KnownId(pair[1], vocabulary, part.Path, field + "[1]")
                : throw new InvalidDataException(
                    $"'{part.Path}': {field} has {pair.GetArrayLength()} entries, expected token and id");
        }
    }

    // The template of a single sequence: special tokens around one A.
    private static (int[] Prefix, int[] Suffix) ReadTemplate(TokenizerComponent part, Vocabulary vocabulary)
    {
        (JsonElement post, string path) = (part.Element, part.Path);
        string field = $"{part.Field}.single";
        JsonElement single = TokenizerFile.RequireProperty(post, "single", JsonValueKind.Array, path, field);
        var before = new List<int>();
        var after = new List<int>();
        int sequences = 0;
        foreach (JsonElement step in single.EnumerateArray())
        {
            TokenizerFile.Require(step, JsonValueKind.Object, path, $"an entry of {field}");
            if (TokenizerFile.Optional(step, "Sequence") is not null)
            {
                sequences++;
                continue;
            }
            JsonElement special = TokenizerFile.RequireProperty(
                step, "SpecialToken", JsonValueKind.Object, path, $"{field}: SpecialToken");
            string name = TokenizerFile.Text(
                TokenizerFile.RequireProperty(special, "id", JsonValueKind.String, path, $"{field}: id"),
                path, $"{field}: id");
            JsonElement table = TokenizerFile.RequireProperty(
                post, "special_tokens", JsonValueKind.Object, path, $"{part.Field}.special_tokens");
            string place = $"{part.Field}.special_tokens {TokenizerFile.Quote(name)}";
            JsonElement entry = TokenizerFile.RequireProperty(table, name, JsonValueKind.Object, path, place);
            JsonElement ids = TokenizerFile.RequireProperty(entry, "ids", JsonValueKind.Array, path, place + " ids");
            (sequences == 0 ? before : after).AddRange(
                ids.EnumerateArray().Select(id => KnownId(id, vocabulary, path, place + " ids")));
        }
        return sequences == 1
            ? ([.. before], [.. after])
            : throw new InvalidDataException($"'{path}': {field} has {sequences} sequences, expected 1");
    }

    private static int KnownId(JsonElement element, Vocabulary vocabulary, string path, string field)
    {
        long id = TokenizerFile.Integer(element, path, field);
        return id >= 0 && id < vocabulary.Size && vocabulary.Piece((int)id) is not null
            ? (int)id
            : throw new InvalidDataException($"'{path}': {field} has id {id}, which no token has");
    }
}
