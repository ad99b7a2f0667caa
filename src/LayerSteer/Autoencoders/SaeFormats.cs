using LayerSteer.Formats;

namespace LayerSteer.Autoencoders;

/// <summary>Which format an autoencoder is in, by the names of its files and tensors.</summary>
public static class SaeFormats
{
    private const string Known =
        "known are openai/sparse_autoencoder (pre_bias, latent_bias, encoder.weight, decoder.weight), SAELens (cfg.json "
        + "with sae_weights.safetensors), Gemma Scope (params.npz, params.safetensors), sparsify (cfg.json with "
        + "sae.safetensors), Llama Scope (hyperparams.json with checkpoints/final.safetensors), dictionary_learning "
        + "(config.json with ae.pt)";

    /// <summary>The pairs of files that make a format; of a pair without a configuration none is needed.</summary>
    private static readonly Layout[] Layouts =
    [
        new(SaeFormat.SaeLens, SaeLensAutoencoder.ConfigName, SaeLensAutoencoder.WeightsName),
        new(SaeFormat.Sparsify, SparsifyAutoencoder.ConfigName, SparsifyAutoencoder.WeightsName),
        new(SaeFormat.LlamaScope, LlamaScopeAutoencoder.HyperparametersName, LlamaScopeAutoencoder.CheckpointName),
        new(SaeFormat.LlamaScope, LlamaScopeAutoencoder.ConfigName, LlamaScopeAutoencoder.WeightsName),
        new(SaeFormat.DictionaryLearning, DictionaryLearningAutoencoder.ConfigName,
            DictionaryLearningAutoencoder.WeightsName),
        new(SaeFormat.GemmaScope2, GemmaScopeAutoencoder.ConfigName, GemmaScopeAutoencoder.WeightsName)
        {
            NeedsConfig = false,
        },
        new(SaeFormat.GemmaScope, null, GemmaScopeAutoencoder.ArrayName),
    ];

    /// <summary>The names of the files of weights that say a format, with '/' between folders.</summary>
    internal static IEnumerable<string> WeightNames => Layouts.Select(layout => layout.Weights).Distinct();

    /// <summary>The names of the files that say what such weights are, the most telling first.</summary>
    internal static IEnumerable<string> ConfigNames => Layouts.Select(layout => layout.Config).OfType<string>().Distinct();

    /// <summary>The name of a format, as reports and errors print it.</summary>
    public static string NameOf(SaeFormat format) => format switch
    {
        SaeFormat.OpenAi => "openai/sparse_autoencoder",
        SaeFormat.SaeLens => "SAELens",
        SaeFormat.LayerSteer => "LayerSteer",
        SaeFormat.GemmaScope => "Gemma Scope",
        SaeFormat.GemmaScope2 => "Gemma Scope 2",
        SaeFormat.Sparsify => "sparsify",
        SaeFormat.LlamaScope => "Llama Scope",
        _ => "dictionary_learning",
    };

    /// <summary>Opens the files of an autoencoder.</summary>
    /// <param name="path">A folder, or the file of the weights.</param>
    /// <returns>The open files; the caller disposes them.</returns>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or of no known format.</exception>
    /// <exception cref="NotSupportedException">It is of a kind that is not supported.</exception>
    /// <exception cref="IOException">The file does not exist or cannot be opened.</exception>
    internal static AutoencoderFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path))
        {
            return OpenFolder(path);
        }

        // The file of a pair is known by its name where the other one lies beside it.
        string full = Path.GetFullPath(path);
        Layout[] fitting = [.. Layouts.Where(layout => full.EndsWith(
            Path.DirectorySeparatorChar + layout.Weights.Replace('/', Path.DirectorySeparatorChar),
            StringComparison.Ordinal)
            && layout.IsIn(full[..^(layout.Weights.Length + 1)]))];
        return fitting.Length > 0
            ? Open(fitting[0], full[..^(fitting[0].Weights.Length + 1)], path)
            : OpenFile(path);
    }

    private static AutoencoderFile OpenFolder(string folder)
    {
        Layout[] fitting = [.. Layouts.Where(layout => layout.IsIn(folder))];

        // A model's config.json beside SAELens' own says nothing of the autoencoder.
        if (fitting.Any(layout => layout.Format == SaeFormat.SaeLens))
        {
            fitting = [.. fitting.Where(layout =>
                !(layout.Format == SaeFormat.LlamaScope && layout.Config == LlamaScopeAutoencoder.ConfigName))];
        }

        if (fitting.Length > 1)
        {
            IEnumerable<string> found = fitting.Select(layout => $"{layout.Weights} ({NameOf(layout.Format)})");
            throw new InvalidDataException(
                $"'{folder}': {string.Join(" and ", found)}, expected one of them; name the file");
        }

        if (fitting.Length == 1)
        {
            return Open(fitting[0], folder, Path.Combine(folder, fitting[0].Weights));
        }

        if (Array.Find(Layouts, layout => layout.NeedsConfig && layout.Config is not ("config.json" or null)
            && File.Exists(Path.Combine(folder, layout.Config))) is { } half)
        {
            IEnumerable<string> missing = Layouts.Where(layout => layout.Config == half.Config)
                .Select(layout => $"{layout.Weights} ({NameOf(layout.Format)})");
            throw new InvalidDataException(
                $"'{folder}': {half.Config} is there, but no weights, expected {string.Join(" or ", missing)}");
        }

        string[] files = [.. Directory.EnumerateFiles(folder)
            .Where(f => Path.GetExtension(f) is ".pt" or ".safetensors" or ".npz").Order(StringComparer.Ordinal)];
        return files.Length == 1
            ? OpenFile(files[0])
            : throw new InvalidDataException(
                $"'{folder}': {files.Length} files end in .pt, .safetensors or .npz, expected one; name the file");
    }

    private static AutoencoderFile Open(Layout layout, string folder, string weights)
    {
        string? config = layout.Config is null ? null : Path.Combine(folder, layout.Config);
        Func<SaeFiles, AutoencoderFile> read = layout.Format switch
        {
            SaeFormat.SaeLens => SaeLensAutoencoder.Read,
            SaeFormat.Sparsify => SparsifyAutoencoder.Read,
            SaeFormat.LlamaScope => LlamaScopeAutoencoder.Read,
            SaeFormat.DictionaryLearning => DictionaryLearningAutoencoder.Read,
            _ => files => GemmaScopeAutoencoder.Read(files, layout.Format),
        };
        return SaeFiles.Open(weights, config is not null && File.Exists(config) ? config : null, read);
    }

    /// <summary>A file that says by itself what it is.</summary>
    private static AutoencoderFile OpenFile(string path) => SaeFiles.Open(path, null, files =>
        files.Weights.Values.ContainsKey(SaeLensAutoencoder.ConfigEntry) ? SaeLensAutoencoder.Read(files)
        : files.Has("pre_bias") || files.Has("latent_bias") ? OpenAiAutoencoder.Read(files)
        : files.Weights.IsNpz && (files.Has("W_enc") || files.Has("w_enc"))
            ? GemmaScopeAutoencoder.Read(files, SaeFormat.GemmaScope)
        : files.Has("w_enc") && files.Has("w_dec") ? GemmaScopeAutoencoder.Read(files, SaeFormat.GemmaScope2)
        : throw Unknown(files));

    private static InvalidDataException Unknown(SaeFiles files)
    {
        string path = files.Path;
        string? half = files.Has("W_enc") && files.Has("W_dec")
            ? "has W_enc and W_dec, but nothing that says its activation and what is normalised; expected SAELens' "
                + "cfg.json beside sae_weights.safetensors, or dictionary_learning's config.json beside ae.pt"
            : files.Has("encoder.weight") && files.Has("W_dec")
            ? "has encoder.weight and W_dec, but nothing that says k; expected sparsify's cfg.json beside "
                + "sae.safetensors"
            : files.Has("encoder.weight") && files.Has("decoder.weight")
            ? "has encoder.weight and decoder.weight, but nothing that says its activation; expected "
                + "dictionary_learning's config.json beside ae.pt, or Llama Scope's hyperparams.json beside checkpoints/final.safetensors"
            : null;
        string found = Display.NamesNear("encoder.weight", [.. files.Weights.Tensors.Keys]);
        return new InvalidDataException(
            half is null ? $"'{path}': it is no autoencoder of a known format; {found}; {Known}" : $"'{path}': {half}");
    }

    /// <summary>Two files that make an autoencoder.</summary>
    private sealed record Layout(SaeFormat Format, string? Config, string Weights)
    {
        public bool NeedsConfig { get; init; } = true;

        public bool IsIn(string folder) => File.Exists(Path.Combine(folder, Weights))
            && (Config is null || !NeedsConfig || File.Exists(Path.Combine(folder, Config)));
    }
}
