using System.Text.Json;
using LayerSteer.Models;

namespace LayerSteer.Cli;

/// <summary>Files of token ids: a JSON list of lists of whole numbers.</summary>
internal static class TokenFile
{
    private const string Expected = "a JSON list of lists of token ids, none empty";

    /// <summary>Reads the lists; which ids a model has is not known yet.</summary>
    /// <exception cref="InvalidDataException">The file is missing or holds anything else.</exception>
    public static int[][] Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"'{path}': no such file; expected {Expected}");
        }

        try
        {
            int[]?[] lists = JsonSerializer.Deserialize<int[]?[]>(File.ReadAllBytes(path)) ?? [];
            int wrong = Array.FindIndex(lists, list => list is null or { Length: 0 });
            if (lists.Length == 0 || wrong >= 0)
            {
                string what = lists.Length == 0 ? "no lists" : $"list {wrong} has no ids";
                throw new InvalidDataException($"'{path}': {what}; expected {Expected}");
            }

            return lists!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': expected {Expected}: {e.Message}", e);
        }
    }

    /// <summary>Refuses ids that a model does not have, and lists longer than its context.</summary>
    /// <exception cref="InvalidDataException">There is one.</exception>
    public static void RequireFits(string path, int[][] lists, ArchitectureSpec spec)
    {
        for (int i = 0; i < lists.Length; i++)
        {
            int wrong = Array.FindIndex(lists[i], id => (uint)id >= (uint)spec.Vocabulary);
            if (wrong >= 0)
            {
                throw new InvalidDataException(
                    $"'{path}': id {lists[i][wrong]} at {wrong} of list {i}; "
                    + $"the model's vocabulary has ids 0 to {spec.Vocabulary - 1}");
            }

            if (lists[i].Length > spec.ContextLength)
            {
                throw new InvalidDataException(
                    $"'{path}': list {i} has {lists[i].Length} ids; the model's context is {spec.ContextLength}");
            }
        }
    }
}
