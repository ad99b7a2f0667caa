using System.Text.Json;
using LayerSteer.Topics;

namespace LayerSteer.Evaluation;

/// <summary>
/// A topic with texts to steer by and others to judge by. A .jsonl file says with "split" which text is for what:
/// align is steered by, align_small trains the classifier, test is held out. In a file without splits every fourth text
/// is held out. Immutable.
/// </summary>
/// <param name="Name">The topic's name: "topic" of the file's first text, or the file's name.</param>
/// <param name="Align">The texts that the scores are made from.</param>
/// <param name="Extra">Further human texts of the topic for the classifier; may be empty.</param>
/// <param name="Test">The texts held out: for the centroid and for the classifier's accuracy; at least one.</param>
public sealed record EvaluationTopic(
    string Name, TextTable Align, IReadOnlyList<string> Extra, IReadOnlyList<string> Test)
{
    private const int HeldOutEvery = 4;

    private static readonly string[] Splits = ["align", "align_small", "test"];

    private static readonly string[] NeededSplits = ["align", "test"];

    private static readonly string[] Extensions = [".csv", ".json", ".jsonl"];

    /// <summary>The name as words: with spaces in place of underscores and hyphens.</summary>
    public string Words => Name.Replace('_', ' ').Replace('-', ' ');

    /// <summary>SHA-256 over all texts and what they are for.</summary>
    public string Digest => ReferenceSource.DigestOf(
        Align.Texts.Append("").Concat(Extra).Append("").Concat(Test).Select(ReferenceSource.DigestOfText));

    /// <summary>Reads topics from files, and from all .csv, .json and .jsonl files of folders.</summary>
    /// <param name="paths">The files and folders.</param>
    /// <returns>At least two topics, by name.</returns>
    /// <exception cref="InvalidDataException">A file is malformed, or topics are too few or not different.</exception>
    public static IReadOnlyList<EvaluationTopic> ReadAll(IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var topics = new SortedDictionary<string, (EvaluationTopic Topic, string Path)>(StringComparer.Ordinal);
        foreach (string path in paths.SelectMany(Files))
        {
            EvaluationTopic topic = Read(path);
            if (!topics.TryAdd(topic.Name, (topic, path)))
            {
                throw new InvalidDataException(
                    $"'{path}': topic '{topic.Name}' is in '{topics[topic.Name].Path}', too; expected each topic once");
            }
        }

        return topics.Count >= 2
            ? [.. topics.Values.Select(topic => topic.Topic)]
            : throw new InvalidDataException(
                $"{topics.Count} topic in {string.Join(", ", paths.Select(path => $"'{path}'"))}; "
                + "expected at least two, since a text is judged by being nearer to one topic than to the others");
    }

    /// <summary>Reads a topic.</summary>
    /// <param name="path">A .csv, .json or .jsonl file of texts.</param>
    /// <exception cref="InvalidDataException">The file is malformed, or has no text to hold out.</exception>
    public static EvaluationTopic Read(string path)
    {
        TextTable texts = TextTable.Read(path);
        (string Topic, string Split)[]? marks = Marks(path);
        if (marks is null)
        {
            return WithoutSplits(path, texts);
        }

        string[] Of(string split) => [.. texts.Texts.Where((_, i) => marks[i].Split == split)];
        foreach (string needed in NeededSplits)
        {
            if (Of(needed).Length == 0)
            {
                throw new InvalidDataException($"'{path}': no text with split '{needed}'; expected at least one");
            }
        }

        string name = marks[0].Topic.Length > 0 ? marks[0].Topic : Path.GetFileNameWithoutExtension(path);
        return new EvaluationTopic(
            name, new TextTable(Of("align"), source: path), Of("align_small"), Of("test"));
    }

    private static EvaluationTopic WithoutSplits(string path, TextTable texts)
    {
        if (texts.Count < HeldOutEvery)
        {
            throw new InvalidDataException(
                $"'{path}': {texts.Count} texts and no \"split\"; expected at least {HeldOutEvery}, "
                + "one of which is held out to judge by");
        }

        bool Held(int i) => i % HeldOutEvery == HeldOutEvery - 1;
        return new EvaluationTopic(
            Path.GetFileNameWithoutExtension(path),
            new TextTable(texts.Texts.Where((_, i) => !Held(i)), source: path),
            [],
            [.. texts.Texts.Where((_, i) => Held(i))]);
    }

    /// <summary>Topic and split of each text; null if the file has no splits.</summary>
    private static (string Topic, string Split)[]? Marks(string path)
    {
        if (!Path.GetExtension(path).Equals(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var marks = new List<(string, string)>();
        int line = 0;
        foreach (string text in File.ReadLines(path))
        {
            line++;
            if (string.IsNullOrWhiteSpace(text))
            {
                continue;
            }

            using JsonDocument document = JsonDocument.Parse(text.TrimStart('\uFEFF'));
            string? split = Field(document.RootElement, "split");
            if (split is null && marks.Count == 0)
            {
                return null;
            }

            if (!Splits.Contains(split))
            {
                throw new InvalidDataException(
                    $"'{path}' line {line}: split is {(split is null ? "missing" : $"'{CsvText.Shortened(split)}'")}, "
                    + $"expected {string.Join(", ", Splits)}");
            }

            marks.Add((Field(document.RootElement, "topic") ?? string.Empty, split!));
        }

        return [.. marks];
    }

    private static string? Field(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static IEnumerable<string> Files(string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }

        string[] files =
        [
            .. Directory.EnumerateFiles(path)
                .Where(file => Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
                .Order(StringComparer.Ordinal),
        ];
        return files.Length > 0
            ? files
            : throw new InvalidDataException($"'{path}': no .csv, .json or .jsonl file; expected one a topic");
    }
}
