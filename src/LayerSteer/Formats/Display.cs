using System.Globalization;
using System.Text;

namespace LayerSteer.Formats;

/// <summary>How names, shapes and bytes that came from a file are shown in one-line errors.</summary>
internal static class Display
{
    private const int LongestName = 100;
    private const int MostNames = 8;

    /// <summary>The name without control characters, cut to a readable length.</summary>
    public static string Name(string name)
    {
        var text = new StringBuilder(Math.Min(name.Length, LongestName) + 3);
        foreach (char c in name.AsSpan(0, Math.Min(name.Length, LongestName)))
        {
            text.Append(char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' ? '?' : c);
        }

        return name.Length > LongestName ? text.Append("...").ToString() : text.ToString();
    }

    /// <summary>A message that may quote a file, without control characters and as long as it is.</summary>
    public static string Line(string message) => string.Create(message.Length, message, (line, source) =>
    {
        for (int i = 0; i < line.Length; i++)
        {
            line[i] = char.IsControl(source[i]) || source[i] is '\u2028' or '\u2029' ? '?' : source[i];
        }
    });

    /// <summary>A shape as <c>[768, 32]</c>.</summary>
    public static string Shape(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < shape.Length; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"{shape[i]}");
        }

        return text.Append(']').ToString();
    }

    /// <summary>At most eight of the names, nearest to <paramref name="wanted"/> first when not all fit.</summary>
    public static string NamesNear(string wanted, IReadOnlyCollection<string> names)
    {
        if (names.Count == 0)
        {
            return "the file has no tensors";
        }

        if (names.Count <= MostNames)
        {
            return "the file has " + string.Join(", ", names.Select(Name));
        }

        IEnumerable<string> nearest = names
            .OrderByDescending(name => SharedLetters(wanted, name))
            .ThenBy(name => name, StringComparer.Ordinal)
            .Take(MostNames)
            .Select(Name);
        return $"of its {names.Count} tensors the nearest are {string.Join(", ", nearest)}";
    }

    // Names of checkpoints differ by prefixes ("transformer.") and suffixes, so what both ends share ranks them well.
    private static int SharedLetters(string a, string b)
    {
        int prefix = a.AsSpan().CommonPrefixLength(b);
        int most = Math.Min(a.Length, b.Length) - prefix;
        int suffix = 0;
        while (suffix < most && a[^(suffix + 1)] == b[^(suffix + 1)])
        {
            suffix++;
        }

        return prefix + suffix;
    }
}
