using System.Text.Json;

namespace LayerSteer.Evaluation;

/// <summary>Reads minimal pairs as BLiMP stores them (Warstadt et al. 2020): JSON Lines.</summary>
public static class MinimalPairs
{
    private const long MaxBytes = 1L << 28;

    /// <summary>
    /// The pairs of a file, each an object with <c>sentence_good</c>, <c>sentence_bad</c> and <c>linguistics_term</c>
    /// (or <c>UID</c>).
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is missing, too large, or a line is not such an object.</exception>
    public static IReadOnlyList<MinimalPair> Read(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists || file.Length > MaxBytes)
        {
            throw new InvalidDataException(
                $"'{path}': {(file.Exists ? $"{file.Length} bytes" : "no such file")}, "
                + $"expected a .jsonl file of at most {MaxBytes} bytes");
        }

        var pairs = new List<MinimalPair>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                pairs.Add(Parse(line, path, number));
            }
        }

        return pairs.Count > 0
            ? pairs
            : throw new InvalidDataException($"'{path}': no pairs; expected one JSON object a line");
    }

    private static MinimalPair Parse(string line, string path, int number)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object
                && Text(root, "sentence_good") is { } good
                && Text(root, "sentence_bad") is { } bad
                && (Text(root, "linguistics_term") ?? Text(root, "UID")) is { } phenomenon)
            {
                return new MinimalPair(phenomenon, good, bad);
            }
        }
        catch (JsonException)
        {
        }

        throw new InvalidDataException(
            $"'{path}' line {number}: expected a JSON object with the strings sentence_good, sentence_bad and "
            + "linguistics_term");
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            && value.GetString() is { Length: > 0 } text ? text : null;
}
