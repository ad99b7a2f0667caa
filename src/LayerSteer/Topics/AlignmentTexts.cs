using System.Text;

namespace LayerSteer.Topics;

/// <summary>
/// A topic's texts from what a person has at hand: a file or a folder of files.
/// <code>
/// .csv, .json, .jsonl    as <see cref="TextTable"/> reads them
/// .txt, .md              each paragraph is a text; an empty line ends a paragraph
/// another file           as .txt where it is named itself; left out of a folder
/// folder                 all of its files by name, then those of its folders; hidden ones and links are left out
/// </code>
/// </summary>
/// <param name="Texts">The texts; their source is the path that was given.</param>
/// <param name="Files">How many files they are from.</param>
/// <param name="LeftOut">The files of a folder that were left out because of their kind.</param>
public sealed record AlignmentTexts(TextTable Texts, int Files, IReadOnlyList<string> LeftOut)
{
    private static readonly string[] Tables = [".csv", ".json", ".jsonl"];
    private static readonly string[] Prose = [".txt", ".md"];

    private static readonly EnumerationOptions Visible = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
    };

    /// <summary>Reads a file or a folder.</summary>
    /// <param name="path">The file or the folder.</param>
    /// <exception cref="InvalidDataException">No text in it, or a file that is malformed or not UTF-8 text.</exception>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    public static AlignmentTexts Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
        {
            return new AlignmentTexts(ReadFile(path), 1, []);
        }

        ILookup<bool, string> files = Directory.EnumerateFiles(path, "*", Visible)
            .OrderBy(Path.GetDirectoryName, StringComparer.Ordinal)
            .ThenBy(file => file, StringComparer.Ordinal)
            .ToLookup(file => Is(Tables, file) || Is(Prose, file));
        string[] read = [.. files[true]];
        if (read.Length == 0)
        {
            throw new InvalidDataException(
                $"'{path}': no file of texts in this folder; expected {string.Join(", ", Prose.Concat(Tables))}");
        }

        string[] texts = [.. read.SelectMany(file => ReadFile(file).Texts)];
        return new AlignmentTexts(new TextTable(texts, null, path), read.Length, [.. files[false]]);
    }

    private static bool Is(string[] extensions, string file) =>
        extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

    private static TextTable ReadFile(string path)
    {
        if (Is(Tables, path))
        {
            return TextTable.Read(path);
        }

        byte[] bytes = CsvText.ReadUtf8(path);
        if (bytes.AsSpan().Contains((byte)0))
        {
            throw new InvalidDataException($"'{path}': holds bytes of 0, so it is not text; expected UTF-8 text");
        }

        string[] paragraphs = [.. Paragraphs(Encoding.UTF8.GetString(bytes))];
        return paragraphs.Length > 0
            ? new TextTable(paragraphs, null, path)
            : throw new InvalidDataException($"'{path}': no text in it; expected at least one paragraph");
    }

    private static IEnumerable<string> Paragraphs(string text)
    {
        var paragraph = new StringBuilder();
        foreach (string line in text.ReplaceLineEndings("\n").Split('\n').Append(string.Empty))
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                paragraph.Append(paragraph.Length > 0 ? " " : string.Empty).Append(line.Trim());
            }
            else if (paragraph.Length > 0)
            {
                yield return paragraph.ToString();
                paragraph.Clear();
            }
        }
    }
}
