using System.IO.Enumeration;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>What a hub cache holds that can be used here, and which autoencoders fit which models of it.</summary>
/// <param name="Models">Models and sentence encoders, by repository.</param>
/// <param name="Autoencoders">Autoencoders, by name.</param>
public sealed record CacheInventory(IReadOnlyList<CachedModel> Models, IReadOnlyList<CachedSae> Autoencoders)
{
    private const int Deepest = 6;
    private const int MostFiles = 50_000;

    /// <summary>Looks through a cache; of weights only the headers are read. What cannot be read is left out.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="cancellation">Checked at every repository.</param>
    public static CacheInventory Read(HubCache cache, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        var models = new List<CachedModel>();
        var saes = new List<CachedSae>();
        foreach (HubRepository repository in cache.Repositories())
        {
            cancellation.ThrowIfCancellationRequested();
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (HubSnapshot snapshot in cache.Snapshots(repository))
            {
                string[] names = Names(snapshot.Folder);
                HubKind? kind = HubFiles.KindOf(names);
                if (kind is HubKind.Model or HubKind.Encoder && seen.Add(string.Empty))
                {
                    models.Add(Model(snapshot, kind.Value, names));
                }

                saes.AddRange(HubFiles.AutoencodersIn(names)
                    .Concat(names.Where(name => KnownSaes.FindPath(repository.Name, name) is not null))
                    .Where(seen.Add)
                    .Select(path => Autoencoder(snapshot, path, names)));
            }
        }

        return new CacheInventory(
            models, [.. saes.Select(sae => Paired(sae, models)).OrderBy(sae => sae.Name, StringComparer.Ordinal)]);
    }

    private static CachedSae Paired(CachedSae sae, IReadOnlyList<CachedModel> all)
    {
        CachedModel[] models = [.. all.Where(model => model.Kind == HubKind.Model)];
        string[] fits = [.. models.Where(model => sae.Misfit(model) is null).Select(model => model.Name)];
        CachedModel? named = models.FirstOrDefault(
            model => sae.ModelName is { } name && KnownModels.AreSame(name, model.Repository));
        return sae with
        {
            Fits = fits,
            WhyNot = fits.Length > 0 ? null
                : named is not null ? sae.Misfit(named)
                : sae.ModelName is { } wanted ? $"its model {wanted} is not here"
                : "no model here has its width",
        };
    }

    private static CachedModel Model(HubSnapshot snapshot, HubKind kind, string[] names)
    {
        using LooseJson config = LooseJson.Read(Path.Combine(snapshot.Folder, "config.json"));
        using LooseJson text = config.Section("text_config");
        int Size(params ReadOnlySpan<string> fields) => text.Size(fields) is > 0 and int size ? size : config.Size(fields);
        int dModel = Size("hidden_size", "n_embd", "d_model");
        int heads = Size("num_attention_heads", "n_head");
        string repository = snapshot.Repository.Name;
        return new CachedModel
        {
            Kind = kind,
            Repository = repository,
            Name = KnownModels.Find(repository)?.Names[0] ?? repository,
            Path = snapshot.Folder,
            Commit = snapshot.Commit,
            Bytes = names.Sum(name => FileStamp.Of(snapshot.PathOf(name)).Length),
            DModel = dModel,
            DHeads = Size("head_dim") is > 0 and int dHead ? heads * dHead : dModel,
            DMlp = Size("intermediate_size", "n_inner") is > 0 and int dMlp ? dMlp : 4 * dModel,
            Layers = Size("num_hidden_layers", "n_layer"),
        };
    }

    private static CachedSae Autoencoder(HubSnapshot snapshot, string path, string[] names)
    {
        string repository = snapshot.Repository.Name;
        KnownSae? known = KnownSaes.FindPath(repository, path);
        string full = snapshot.PathOf(path);
        string start = path.Length == 0 ? string.Empty : path + "/";
        SaeDescription said = SaeDescription.Read(full);
        return new CachedSae
        {
            Name = known?.Name ?? $"hf://{repository}{(path.Length == 0 ? string.Empty : "/" + path)}",
            Repository = repository,
            Path = full,
            Commit = snapshot.Commit,
            Bytes = names.Where(name => name == path || name.StartsWith(start, StringComparison.Ordinal))
                .Sum(name => FileStamp.Of(snapshot.PathOf(name)).Length),
            DIn = said.DIn,
            DSae = said.DSae,
            HookPoint = said.HookPoint ?? known?.HookPoint,
            ModelName = known?.Model ?? said.ModelName,
        };
    }

    /// <summary>The names of a snapshot's files, as the hub has them; folders that are links are not entered.</summary>
    private static string[] Names(string folder) =>
    [
        .. new FileSystemEnumerable<string>(
            folder,
            (ref FileSystemEntry entry) => Path.GetRelativePath(folder, entry.ToFullPath()).Replace('\\', '/'),
            new EnumerationOptions
            {
                RecurseSubdirectories = true,
                MaxRecursionDepth = Deepest,
                IgnoreInaccessible = true,
                AttributesToSkip = 0,
            })
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory,
            ShouldRecursePredicate = (ref FileSystemEntry entry) =>
                (entry.Attributes & FileAttributes.ReparsePoint) == 0,
        }
            .Take(MostFiles)
            .Order(StringComparer.Ordinal),
    ];
}
