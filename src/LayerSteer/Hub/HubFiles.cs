using System.Globalization;
using System.Text.RegularExpressions;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;

namespace LayerSteer.Hub;

/// <summary>
/// Which files make up a model, a sentence encoder or an autoencoder: the rest of a repository is not fetched.
/// </summary>
internal static partial class HubFiles
{
    public const string SafetensorsIndex = "model.safetensors.index.json";
    private const string Weights = "model.safetensors";
    private const string Config = "config.json";
    private const int Listed = 5;

    private static readonly string[] Tokenizer =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "vocab.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json",
    ];

    private static readonly string[] OfModel = [Config, "generation_config.json", .. Tokenizer];

    private static readonly string[] OfEncoder =
    [
        Config, "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", .. Tokenizer,
    ];

    private static readonly string[] AutoencoderWeights = [.. SaeFormats.WeightNames];

    private static readonly string[] OfAutoencoder =
        [.. AutoencoderWeights, .. SaeFormats.ConfigNames, "sparsity.safetensors"];

    private static readonly string[] LooseWeights = [".safetensors", ".npz", ".pt", ".pth"];

    /// <summary>What a repository is, by the names of its files; null if they do not say.</summary>
    public static HubKind? KindOf(IReadOnlyCollection<string> names) =>
        names.Contains("modules.json") || names.Contains("sentence_bert_config.json") ? HubKind.Encoder
        : AutoencoderWeights.Any(names.Contains) ? HubKind.Autoencoder
        : names.Contains(Config) && (Shards(names).Count > 0 || names.Contains(Weights)
            || names.Any(name => name.StartsWith("pytorch_model", StringComparison.Ordinal))) ? HubKind.Model
        : AutoencoderFolders(names).Any() ? HubKind.Autoencoder
        : null;

    /// <summary>The files to fetch.</summary>
    /// <param name="target">What is wanted.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="names">All files of the repository.</param>
    /// <exception cref="NotSupportedException">It has no weights in a form that is fetched.</exception>
    /// <exception cref="InvalidDataException">It is not there.</exception>
    public static IReadOnlyList<string> Choose(HubTarget target, HubKind kind, IReadOnlyCollection<string> names) =>
        kind switch
        {
            HubKind.Model => [.. names.Where(OfModel.Contains), .. ModelWeights(target, names)],
            HubKind.Encoder =>
            [
                .. names.Where(OfEncoder.Contains),
                .. names.Contains(Weights) || names.Any(name => StaticWeights().IsMatch(name))
                    ? names.Where(name => name == Weights || ModuleFile().IsMatch(name))
                    : ModelWeights(target, names),
            ],
            _ => OfSae(target, names),
        };

    /// <summary>What a folder of the cache lacks of what it should hold, in words; null if it is whole.</summary>
    public static string? Missing(string path, HubKind? kind, bool needsWeights)
    {
        if (File.Exists(path) && kind is HubKind.Autoencoder)
        {
            return null;
        }

        if (!Directory.Exists(path))
        {
            return "there is no such folder or file in it";
        }

        bool Has(string name) => File.Exists(Path.Combine([path, .. name.Split('/')]));
        switch (kind)
        {
            case HubKind.Model when !needsWeights:
                return Tokenizer.Any(Has) ? null : "it has no tokenizer";
            case HubKind.Model when !Has(Config):
                return $"it has no {Config}";
            case HubKind.Model:
                string[] files = [.. Directory.EnumerateFiles(path).Select(file => Path.GetFileName(file))];
                return Has(Weights) || Has("pytorch_model.bin") || Has("pytorch_model.bin.index.json") || IsWhole(files)
                    ? null
                    : "it has no weights, or not all of them";
            case HubKind.Encoder:
                return Has("modules.json") || Has(Config) ? null : $"it has no modules.json and no {Config}";
            default:
                return AutoencoderWeights.Any(Has) || LooseFiles(path).Length == 1 ? null : "it has no weights";
        }
    }

    /// <summary>The folders of autoencoders among files, the root as an empty name.</summary>
    public static IEnumerable<string> AutoencodersIn(IReadOnlyCollection<string> names) =>
        AutoencoderWeights.Any(names.Contains) ? [string.Empty] : AutoencoderFolders(names);

    /// <summary>
    /// What a loader is given: the folder, or the one file of a folder that has no layout of its own.
    /// </summary>
    public static string ToLoad(string path) =>
        Directory.Exists(path) && !AutoencoderWeights.Any(name => File.Exists(Path.Combine([path, .. name.Split('/')])))
        && LooseFiles(path) is [var only] ? only : path;

    /// <summary>The file of a folder that holds an autoencoder's weights; null if there is none.</summary>
    public static string? WeightsIn(string folder) =>
        AutoencoderWeights.Select(name => Path.Combine([folder, .. name.Split('/')])).FirstOrDefault(File.Exists)
            ?? (LooseFiles(folder) is [var only] ? only : null);

    private static string[] LooseFiles(string path) =>
        [.. Directory.EnumerateFiles(path).Where(file => LooseWeights.Contains(Path.GetExtension(file)))];

    private static IReadOnlyList<string> ModelWeights(HubTarget target, IReadOnlyCollection<string> names)
    {
        if (names.Contains(Weights))
        {
            return [Weights];
        }

        if (IsWhole(names))
        {
            return [SafetensorsIndex, .. Shards(names).Select(shard => shard.Name)];
        }

        string[] pickles = [.. names.Where(name => !name.Contains('/') && name.EndsWith(".bin", StringComparison.Ordinal))];
        throw pickles.Length > 0
            ? new NotSupportedException(
                $"'{target.Name}' has its weights only as {Display.Name(pickles[0])}, a pickle, which other tools run as "
                + "code when they load it; only safetensors are fetched: take a repository or revision that has them")
            : new InvalidDataException(
                $"'{target.Name}' has no {Weights}, and no whole set of shards with a {SafetensorsIndex}; found "
                + Some(names));
    }

    private static bool IsWhole(IReadOnlyCollection<string> names)
    {
        List<(string Name, int Number, int Of)> shards = Shards(names);
        return names.Contains(SafetensorsIndex) && shards.Count > 0
            && shards.All(shard => shard.Of == shards.Count)
            && shards.Select(shard => shard.Number).Order().SequenceEqual(Enumerable.Range(1, shards.Count));
    }

    private static List<(string Name, int Number, int Of)> Shards(IReadOnlyCollection<string> names) =>
    [
        .. names.Select(name => Shard().Match(name)).Where(match => match.Success).Select(match => (
            match.Value,
            int.Parse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture),
            int.Parse(match.Groups[2].Value, NumberStyles.None, CultureInfo.InvariantCulture))),
    ];

    private static string[] OfSae(HubTarget target, IReadOnlyCollection<string> names)
    {
        if (target.Path.Length > 0 && names.Contains(target.Path))
        {
            return [target.Path];
        }

        string folder = target.Path.Length == 0 ? string.Empty : target.Path + "/";
        string[] known = [.. OfAutoencoder.Select(name => folder + name).Where(names.Contains)];
        if (known.Any(name => AutoencoderWeights.Contains(name[folder.Length..])))
        {
            return known;
        }

        string[] loose =
        [
            .. names.Where(name => name.StartsWith(folder, StringComparison.Ordinal)
                && !name.AsSpan(folder.Length).Contains('/') && LooseWeights.Contains(Path.GetExtension(name))),
        ];
        if (loose.Length == 1)
        {
            return [.. known, loose[0]];
        }

        string[] folders = [.. AutoencoderFolders(names).Where(n => n.StartsWith(folder, StringComparison.Ordinal))];
        string where = target.Path.Length == 0 ? $"'{target.Repository}'" : $"'{target.Path}' of {target.Repository}";
        throw new InvalidDataException(folders.Length > 0
            ? $"{where} has {folders.Length} autoencoders; name one of them, as hf://{target.Repository.Name}/PATH: "
                + Some(folders)
            : $"{where} has no autoencoder; there is {Some(AutoencoderFolders(names).DefaultIfEmpty("none anywhere"))}");
    }

    private static IEnumerable<string> AutoencoderFolders(IReadOnlyCollection<string> names) => names
        .SelectMany(name => AutoencoderWeights
            .Where(weights => name.EndsWith("/" + weights, StringComparison.Ordinal))
            .Select(weights => name[..^(weights.Length + 1)]))
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal);

    private static string Some(IEnumerable<string> names)
    {
        string[] all = [.. names];
        string some = string.Join(", ", all.Take(Listed).Select(Display.Name));
        return all.Length > Listed ? some + ", …" : some;
    }

    [GeneratedRegex(@"^model-(\d{5})-of-(\d{5})\.safetensors$", RegexOptions.CultureInvariant)]
    private static partial Regex Shard();

    /// <summary>A module of a sentence encoder has a folder such as 1_Pooling.</summary>
    [GeneratedRegex(@"^\d+_[A-Za-z]+/(config\.json|model\.safetensors|tokenizer\.json)$", RegexOptions.CultureInvariant)]
    private static partial Regex ModuleFile();

    [GeneratedRegex(@"^\d+_StaticEmbedding/model\.safetensors$", RegexOptions.CultureInvariant)]
    private static partial Regex StaticWeights();
}
