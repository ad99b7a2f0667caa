using System.Security.Cryptography;
using LayerSteer.Formats;

namespace LayerSteer.Topics;

/// <summary>
/// SHA256SUMS in a part folder, which sha256sum -c reads too. Parquet files carry no checksum here: without it a
/// flipped bit would be another number without a word, and Parquet.Net 6.1 reads some damaged footers for ever.
/// </summary>
internal static class PartSums
{
    public const string FileName = "SHA256SUMS";

    private static readonly string[] Files = [IndexPart.ActivationsFile, IndexPart.LatentsFile, IndexPart.PromptsFile];

    public static void Write(string folder) => AtomicFile.WriteText(Path.Combine(folder, FileName), writer =>
    {
        foreach (string file in Files)
        {
            writer.WriteLine(Line(folder, file));
        }
    });

    /// <exception cref="InvalidDataException">A file is missing or is not what was written.</exception>
    public static void Check(string folder)
    {
        foreach (string file in Files.Append(FileName))
        {
            if (!File.Exists(Path.Combine(folder, file)))
            {
                throw new InvalidDataException($"'{folder}': no {file}; delete this part and resume the build");
            }
        }
        string sums = Path.Combine(folder, FileName);
        if (new FileInfo(sums).Length > 1024)
        {
            throw new InvalidDataException($"'{sums}': more than the sums of {Files.Length} files");
        }
        string text = File.ReadAllText(sums);
        string[] lines = text.Split('\n');
        string[] expected = [.. Files.Select(file => Line(folder, file))];
        int damaged = Array.FindIndex(expected, line => !lines.Contains(line, StringComparer.Ordinal));
        if (damaged >= 0)
        {
            throw new InvalidDataException(
                $"'{Path.Combine(folder, Files[damaged])}': damaged, its SHA-256 is not in {FileName}; "
                + "delete this part and resume the build");
        }
        if (text != string.Concat(expected.Select(line => line + "\n")))
        {
            throw new InvalidDataException($"'{sums}': not as it was written; delete this part and resume the build");
        }
    }

    private static string Line(string folder, string file)
    {
        using FileStream stream = File.OpenRead(Path.Combine(folder, file));
        return $"{Convert.ToHexStringLower(SHA256.HashData(stream))}  {file}";
    }
}
