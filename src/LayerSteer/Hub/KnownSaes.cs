namespace LayerSteer.Hub;

/// <summary>
/// The autoencoders of public releases by the names that SAELens and Neuronpedia give them: the table
/// <c>known-saes.tsv</c>. Thread-safe.
/// </summary>
public static class KnownSaes
{
    private static readonly Lazy<Dictionary<string, List<SaePattern>>> Table = new(Read);

    /// <summary>The names of the releases.</summary>
    public static IReadOnlyCollection<string> Releases => Table.Value.Keys;

    /// <summary>All autoencoders that the table lists.</summary>
    public static IEnumerable<KnownSae> All => Table.Value.Values.SelectMany(list => list).SelectMany(p => p.All());

    /// <summary>
    /// The autoencoder of a name, <c>release/id</c> or Neuronpedia's <c>model/source</c>; null if it is not known.
    /// </summary>
    /// <param name="name">The name; case matters.</param>
    public static KnownSae? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        int slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0 && Table.Value.TryGetValue(name[..slash], out List<SaePattern>? release))
        {
            return release.Select(pattern => pattern.Find(name[(slash + 1)..])).FirstOrDefault(sae => sae is not null);
        }

        return Table.Value.Values.SelectMany(list => list)
            .Where(p => p.NeuronpediaStart is { } start && name.StartsWith(start, StringComparison.Ordinal))
            .SelectMany(p => p.All())
            .FirstOrDefault(sae => sae.NeuronpediaId == name);
    }

    /// <summary>The autoencoder that lies at a place of a hub; null if none is known there.</summary>
    /// <param name="repository">The repository's name.</param>
    /// <param name="path">The file or folder in it.</param>
    public static KnownSae? FindPath(string repository, string path) => Table.Value.Values
        .SelectMany(list => list)
        .Where(pattern => pattern.Repository == repository)
        .Select(pattern => pattern.FindPath(path))
        .FirstOrDefault(sae => sae is not null);

    /// <summary>Whether the part of a name before its first '/' is a release, or a model of Neuronpedia.</summary>
    internal static bool BeginsAsKnown(string name)
    {
        string first = name.Split('/')[0];
        return Table.Value.ContainsKey(first)
            || Table.Value.Values.SelectMany(list => list).Any(
                p => p.NeuronpediaStart?.StartsWith(first + "/", StringComparison.Ordinal) == true);
    }

    /// <summary>Releases of autoencoders for a model, two at most.</summary>
    internal static IEnumerable<string> OfModel(string model) => Table.Value
        .Where(release => release.Value.Any(p => !p.IsTranscoder && KnownModels.AreSame(p.Model, model)))
        .Select(release => release.Key)
        .Take(2);

    /// <summary>The names to compare an unknown one with: those of its release if that is known, or all.</summary>
    internal static IEnumerable<string> NamesNear(string name)
    {
        string first = name.Split('/')[0];
        return Table.Value.TryGetValue(first, out List<SaePattern>? release)
            ? release.SelectMany(pattern => pattern.Examples())
            : Table.Value.Values.SelectMany(list => list).SelectMany(p => p.Examples())
                .Concat(All.Select(sae => sae.NeuronpediaId).OfType<string>());
    }

    private static Dictionary<string, List<SaePattern>> Read()
    {
        var releases = new Dictionary<string, List<SaePattern>>(StringComparer.Ordinal);
        string[] release = [];
        foreach (string[] fields in HubTable.Rows("known-saes.tsv"))
        {
            if (fields[0] == "release")
            {
                release = fields;
                releases.Add(fields[1], []);
            }
            else
            {
                releases[release[1]].Add(new SaePattern(release, fields));
            }
        }

        return releases;
    }
}
