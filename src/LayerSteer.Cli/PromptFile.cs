using System.Text.Json;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Files of prompts: a JSON list of strings, or a CSV of texts.</summary>
internal static class PromptFile
{
    /// <summary>Reads a JSON list of strings, which may be empty strings.</summary>
    public static string[] ReadJson(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"'{path}': no such file; expected a JSON list of strings");
        }

        try
        {
            string?[] texts = JsonSerializer.Deserialize<string?[]>(File.ReadAllBytes(path)) ?? [];
            int missing = Array.IndexOf(texts, null);
            if (texts.Length == 0 || missing >= 0)
            {
                string what = texts.Length == 0 ? "no texts" : $"entry {missing} is null";
                throw new InvalidDataException($"'{path}': {what}; expected a JSON list of strings");
            }

            return texts!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': expected a JSON list of strings: {e.Message}", e);
        }
    }

    /// <summary>Reads prompts: JSON by its extension, otherwise a CSV of texts.</summary>
    public static IReadOnlyList<string> Read(string path) =>
        Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase)
            ? ReadJson(path)
            : TextTable.Read(path).Texts;
}
