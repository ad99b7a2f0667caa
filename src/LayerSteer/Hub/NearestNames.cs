namespace LayerSteer.Hub;

/// <summary>Which known names are nearest to one that is not, by the edits between them.</summary>
internal static class NearestNames
{
    private const int Shown = 3;

    /// <summary>The nearest three, nearest first; those as near by their order as text.</summary>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> known)
    {
        string wanted = name.ToLowerInvariant();
        return
        [
            .. known.Distinct(StringComparer.Ordinal)
                .Select(candidate => (Name: candidate, Edits: Edits(wanted, candidate.ToLowerInvariant())))
                .OrderBy(candidate => candidate.Edits)
                .ThenBy(candidate => candidate.Name, StringComparer.Ordinal)
                .Take(Shown)
                .Select(candidate => candidate.Name),
        ];
    }

    /// <summary>The fewest letters to insert, remove or replace (Levenshtein).</summary>
    public static int Edits(ReadOnlySpan<char> from, ReadOnlySpan<char> to)
    {
        int[] row = new int[to.Length + 1];
        for (int j = 0; j <= to.Length; j++)
        {
            row[j] = j;
        }

        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[to.Length];
    }
}
