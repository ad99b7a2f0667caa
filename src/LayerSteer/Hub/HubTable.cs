using System.Reflection;

namespace LayerSteer.Hub;

/// <summary>The tables that are part of this assembly: lines of fields between tabs; '#' begins a comment.</summary>
internal static class HubTable
{
    public static IEnumerable<string[]> Rows(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("LayerSteer.Hub." + name)
            ?? throw new InvalidOperationException($"the assembly has no table {name}");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                yield return line.Split('\t');
            }
        }
    }
}
