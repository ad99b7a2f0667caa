using System.Text.Json;

namespace LayerSteer.Topics;

/// <summary>
/// Questions of contrastive activation addition (Rimsky et al. 2023) with two answers, as the seed turns them into
/// texts: the question's lines but the last two, joined by spaces, then ":", then the option that shows the behaviour.
/// </summary>
internal static class CaaFile
{
    private const string Question = "question";
    private const string Matching = "answer_matching_behavior";

    /// <summary>An option begins " (A) ".</summary>
    private const int OptionStart = 5;

    /// <summary>Whether the file is a JSON array whose first item has a question.</summary>
    public static bool Is(string path)
    {
        if (!Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        using JsonDocument document = TextTable.ParseJson(path, 1, CsvText.ReadUtf8(path));
        return document.RootElement.ValueKind == JsonValueKind.Array
            && document.RootElement.GetArrayLength() > 0
            && document.RootElement[0].ValueKind == JsonValueKind.Object
            && document.RootElement[0].TryGetProperty(Question, out _);
    }

    public static List<string> Read(string path)
    {
        using JsonDocument document = TextTable.ParseJson(path, 1, CsvText.ReadUtf8(path));
        var texts = new List<string>();
        foreach (JsonElement item in document.RootElement.EnumerateArray())
        {
            string where = $"'{path}' item {texts.Count}";
            string question = Text(where, item, Question);
            string matching = Text(where, item, Matching).Trim();
            string[] lines = question.Split('\n');
            int option = matching switch
            {
                "(A)" => lines.Length - 2,
                "(B)" => lines.Length - 1,
                _ => throw new InvalidDataException(
                    $"{where}: {Matching} is '{CsvText.Shortened(matching)}', expected '(A)' or '(B)'"),
            };
            if (lines.Length < 3
                || !lines[^2].StartsWith(" (A) ", StringComparison.Ordinal)
                || !lines[^1].StartsWith(" (B) ", StringComparison.Ordinal))
            {
                throw new InvalidDataException(
                    $"{where}: expected a question whose last two lines begin with ' (A) ' and ' (B) '");
            }
            texts.Add(string.Join(' ', lines[..^2]) + ":" + lines[option][OptionStart..]);
        }
        return texts;
    }

    private static string Text(string where, JsonElement item, string field) =>
        item.ValueKind == JsonValueKind.Object
        && item.TryGetProperty(field, out JsonElement value)
        && value.ValueKind == JsonValueKind.String
            ? TextTable.StringOf(where, value)
            : throw new InvalidDataException($"{where}: no string '{field}'");
}
