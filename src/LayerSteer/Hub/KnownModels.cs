namespace LayerSteer.Hub;

/// <summary>A model or sentence encoder that has a short name.</summary>
/// <param name="Kind">Which of the two.</param>
/// <param name="Names">Its short names; case does not matter.</param>
/// <param name="Repository">Where a hub keeps it.</param>
/// <param name="Aliases">Other names of that repository.</param>
public sealed record KnownModel(
    HubKind Kind, IReadOnlyList<string> Names, string Repository, IReadOnlyList<string> Aliases);

/// <summary>
/// The short names of models and sentence encoders, as TransformerLens, Neuronpedia and their own repositories write
/// them: the table <c>known-models.tsv</c>. Thread-safe.
/// </summary>
public static class KnownModels
{
    private static readonly Lazy<(IReadOnlyList<KnownModel> All, Dictionary<string, KnownModel> ByName)> Table =
        new(Read);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<KnownModel> All => Table.Value.All;

    /// <summary>The model of a short name or of a repository's name; null if it is not known.</summary>
    /// <param name="name">The name, in any case.</param>
    public static KnownModel? Find(string name) => Table.Value.ByName.GetValueOrDefault(name);

    /// <summary>
    /// Whether two names are those of one model: of one entry of the table, or equal but for the organisation and case.
    /// </summary>
    /// <param name="name">A name.</param>
    /// <param name="other">Another.</param>
    public static bool AreSame(string name, string other)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(other);
        return Find(name) is { } known
            ? ReferenceEquals(known, Find(other))
            : Find(other) is null && Short(name).Equals(Short(other), StringComparison.OrdinalIgnoreCase);

        static string Short(string text) => text[(text.LastIndexOf('/') + 1)..];
    }

    private static (IReadOnlyList<KnownModel>, Dictionary<string, KnownModel>) Read()
    {
        var all = new List<KnownModel>();
        var byName = new Dictionary<string, KnownModel>(StringComparer.OrdinalIgnoreCase);
        foreach (string[] fields in HubTable.Rows("known-models.tsv"))
        {
            string[] names = fields[1].Split(' ');
            string[] aliases = fields[3] == "-" ? [] : fields[3].Split(' ');
            var model = new KnownModel(
                fields[0] == "encoder" ? HubKind.Encoder : HubKind.Model, names, fields[2], aliases);
            all.Add(model);
            foreach (string name in (string[])[.. names, fields[2], .. aliases])
            {
                // A repository without an organisation is often called as the short name is.
                if (!byName.TryAdd(name, model) && byName[name] != model)
                {
                    throw new InvalidDataException($"known-models.tsv: two models are called '{name}'");
                }
            }
        }

        return (all, byName);
    }
}
