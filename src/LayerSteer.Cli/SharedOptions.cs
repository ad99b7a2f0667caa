using System.CommandLine;
using LayerSteer.Autoencoders;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Steering;
using LayerSteer.Text;
using LayerSteer.Topics;

namespace LayerSteer.Cli;

/// <summary>Options that several commands have; each call makes one, since an option belongs to its command.</summary>
internal static class SharedOptions
{
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON value instead of text." };

    public static Option<int?> Threads() => ValueOptions.Number<int>(
        "--threads",
        "Threads to compute with; results do not depend on it. Default: all the machine allows.",
        "a whole number from 1 to 1024",
        threads => threads is >= 1 and <= 1024);

    /// <summary>The number of threads that an option of <see cref="Threads"/> asks for.</summary>
    public static int OrAll(int? threads) => threads ?? Environment.ProcessorCount;

    public static Option<string?> Model() => new("--model")
    {
        Description = "Folder of the checkpoint: config.json, weights, tokenizer; or the name of one that was pulled, such "
            + "as gpt2 or google/gemma-2-2b. "
            + "Default: the pocket model that comes with this tool, with its autoencoder, encoder, index and topics.",
        HelpName = "path|name",
    };

    /// <summary>
    /// The pocket model where no model is named; null where one is, and then nothing of the pocket model is used.
    /// </summary>
    /// <exception cref="UsageException">No model is named and there is no pocket model.</exception>
    public static PocketModel? PocketUnless(string? given, string option = "--model") => given is not null
        ? null
        : PocketModel.Find() ?? throw new UsageException(
            $"no {option} is given, and there is no pocket model in '{PocketModel.DefaultFolder}'; give {option}, "
            + "or set LAYERSTEER_POCKET to the folder of a pocket model");

    /// <summary>The folder of the model that an option of <see cref="Model"/> names, or of the pocket model.</summary>
    /// <exception cref="UsageException">No model is named and there is no pocket model.</exception>
    /// <exception cref="ArgumentException">The name is not known.</exception>
    /// <exception cref="FileNotFoundException">The name is not in the hub cache.</exception>
    public static string ModelFolder(string? given, bool needsWeights = true) =>
        given is null ? PocketUnless(null)!.Model : NamedFiles.Model(given, needsWeights);

    /// <summary>
    /// The folder of the encoder that an option of <see cref="Encoder"/> names; null if it names none.
    /// </summary>
    /// <exception cref="ArgumentException">The name is not known.</exception>
    /// <exception cref="FileNotFoundException">The name is not in the hub cache.</exception>
    public static string? EncoderFolder(string? given) => given is null ? null : NamedFiles.Encoder(given);

    /// <summary>How many latents the methods edit that are about the best ones.</summary>
    public static Option<int?> LatentCount() => ValueOptions.Number<int>(
        "--latents", "How many latents add, set, min-clamp, scale, ablate and project edit, and a gate looks at.",
        "a whole number from 1 on", n => n >= 1, new SteeringOptions().LatentCount);

    /// <summary>How latents with contrastive scores are filtered.</summary>
    public static Option<CausalFilter?> Filter() => ValueOptions.Named(
        "--filter",
        "Of the best latents by contrast keep the half that moves the next token more: by output score or confidence. "
        + "Default: none.",
        [.. Enum.GetValues<CausalFilter>().Select(filter => (CausalFilters.NameOf(filter), filter))]);

    /// <summary>Steers toward a topic that is not steerable with evidence.</summary>
    public static Option<bool> Force() => new("--force")
    {
        Description = "Steer toward a topic that is not steerable with evidence.",
    };

    public static Option<string[]> Sae(bool required)
    {
        Option<string[]> sae = ValueOptions.Paths(
            "--sae",
            "Autoencoder file, or the folder that holds it, or the name of one that was pulled, as SAELens (release/id) or "
            + "Neuronpedia writes it; several separated by commas, one a layer or one for all.");
        sae.HelpName = "path|name";
        sae.Required = required;
        return sae;
    }

    public static Option<int[]> Layers(bool required)
    {
        Option<int[]> layers = ValueOptions.WholeNumbers(
            "--layer",
            "Layer to steer, from 0; several separated by commas. Default: the one that the autoencoder's file or name says.",
            "layers from 0, such as 9 or 1,3",
            "-l");
        layers.Required = required;
        return layers;
    }

    public static Option<HookKind?> Hook() => ValueOptions.Parsed(
        "--hook",
        "Hook point within the layer, as TransformerLens names it. Default: what the autoencoder's file or name says, "
        + "or hook_resid_post.",
        name => HookPoint.InBlock(name, 0).Kind);

    public static Option<SteeringMode?> Mode(string description) =>
        ValueOptions.Named("--mode", description, ("corrected", SteeringMode.Corrected), ("seed", SteeringMode.Seed));

    public static Option<BosPolicy?> Bos(string description) =>
        ValueOptions.Named("--bos", description, ("one", BosPolicy.One), ("none", BosPolicy.None));

    public static Option<string?> Encoder(string otherwise) => new("--encoder")
    {
        Description = "Folder of the sentence encoder, in sentence-transformers layout, or the name of one that was "
            + $"pulled, such as all-MiniLM-L6-v2. {otherwise}",
        HelpName = "path|name",
    };

    /// <summary>
    /// The hook points with their autoencoders: those that are named, or the pocket model's at the layers that are
    /// named, or its default one.
    /// </summary>
    /// <exception cref="ArgumentException">The pocket model has no autoencoder there.</exception>
    public static IReadOnlyList<(HookPoint Point, string Sae)> Sites(
        PocketModel pocket, int[] layers, string[] saes, HookKind? hook)
    {
        if (saes.Length > 0)
        {
            return Sites(layers, saes, hook);
        }

        IEnumerable<PocketSae> own = layers.Length == 0 && hook is null
            ? [pocket.DefaultSae]
            : (layers.Length == 0 ? [pocket.DefaultSae.Point.Layer] : layers)
                .Select(layer => pocket.SaeAt(new HookPoint(hook ?? HookKind.ResidualPost, layer)));
        return [.. own.Select(sae => (sae.Point, sae.Path))];
    }

    /// <summary>The one hook point with its autoencoder that a command is about.</summary>
    /// <param name="pocket">The pocket model, if it is the model.</param>
    /// <param name="layers">The layers named.</param>
    /// <param name="saes">The autoencoders named.</param>
    /// <param name="hook">The hook point named.</param>
    /// <param name="oneLayer">What to say where several layers are named.</param>
    /// <exception cref="UsageException">Several are named, or none where there is no default.</exception>
    public static (HookPoint Point, string Sae) OneSite(
        PocketModel? pocket, int[] layers, string[] saes, HookKind? hook, string oneLayer)
    {
        RequireOneSite(pocket, layers, saes, oneLayer);
        return (pocket is null ? Sites(layers, saes, hook) : Sites(pocket, layers, saes, hook))[0];
    }

    /// <summary>
    /// What <see cref="OneSite"/> refuses as wrong usage, for commands that check all of their usage before the first
    /// name or file; reads neither.
    /// </summary>
    /// <exception cref="UsageException">Several are named, or none where there is no default.</exception>
    public static void RequireOneSite(PocketModel? pocket, int[] layers, string[] saes, string oneLayer)
    {
        if (layers.Length > 1)
        {
            throw new UsageException(oneLayer);
        }

        if (saes.Length > 1 || (pocket is null && saes.Length == 0))
        {
            throw new UsageException("--sae is needed, one autoencoder");
        }
    }

    /// <summary>The texts of a corpus that must be given.</summary>
    public static Option<string[]> Texts()
    {
        Option<string[]> texts = Texts(
            "--texts", "Files or folders of texts: .txt, .jsonl, also as .gz; several separated by commas or spaces.");
        texts.Required = true;
        return texts;
    }

    /// <summary>The texts of a corpus, as a shell's pattern gives them too.</summary>
    public static Option<string[]> Texts(string name, string description)
    {
        Option<string[]> texts = ValueOptions.Paths(name, description);
        texts.AllowMultipleArgumentsPerToken = true;
        return texts;
    }

    /// <summary>How weights are stored: f32 or bf16.</summary>
    public static Option<string> SaveType(string fallback = "f32", string what = "weights")
    {
        Option<string> type = new("--save-dtype")
        {
            Description = $"How the {what} are stored: f32 or bf16.",
            DefaultValueFactory = _ => fallback,
        };
        type.AcceptOnlyFromAmong("f32", "bf16");
        return type;
    }

    /// <summary>The type that an option of <see cref="SaveType"/> names.</summary>
    public static TensorType StoredAs(string? name) => name == "bf16" ? TensorType.BF16 : TensorType.F32;

    public static Option<string?> Separator() => new("--separator")
    {
        Description = "The line that ends a document of a .txt file. Default: <|endoftext|>.",
        HelpName = "text",
    };

    /// <summary>What an option of <see cref="Separator"/> asks for.</summary>
    public static CorpusOptions Corpus(string? separator) =>
        separator is null ? new CorpusOptions() : new CorpusOptions { Separator = separator };

    /// <summary>
    /// The hook points with their autoencoders: one for each layer, or where no layer is named, where the files or
    /// their names say.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// The numbers of layers and autoencoders do not fit together, a name is not known, or neither a file nor its name
    /// says where it sits.
    /// </exception>
    /// <exception cref="FileNotFoundException">A name is not in the hub cache.</exception>
    /// <exception cref="InvalidDataException">A file cannot be read.</exception>
    public static IReadOnlyList<(HookPoint Point, string Sae)> Sites(int[] layers, string[] saes, HookKind? hook)
    {
        RequireOneEach(layers, saes);
        (string Path, HookPoint? Point)[] files = [.. saes.Select(NamedFiles.Autoencoder)];
        if (layers.Length == 0)
        {
            return [.. files.Select(file => (OwnPoint(file, hook), file.Path))];
        }

        return
        [
            .. layers.Select((layer, i) =>
            {
                (string Path, HookPoint? Point) file = files.Length == 1 ? files[0] : files[i];
                HookKind kind = hook ?? Said(file)?.Kind ?? HookKind.ResidualPost;
                return (new HookPoint(kind, layer), file.Path);
            }),
        ];
    }

    /// <summary>Refuses numbers of layers and autoencoders that do not fit together; reads no file.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    public static void RequireOneEach(int[] layers, string[] saes)
    {
        if (layers.Length > 0 && saes.Length != 1 && saes.Length != layers.Length)
        {
            throw new ArgumentException(
                $"{saes.Length} autoencoders for {layers.Length} layers; expected one for all or one each");
        }
    }

    private static HookPoint OwnPoint((string Path, HookPoint? Point) file, HookKind? hook)
    {
        HookPoint own = Said(file) ?? throw new ArgumentException(
            $"'{file.Path}' does not say which hook point it was trained at; give --layer, and --hook if it is not "
            + "hook_resid_post");
        return hook is { } kind ? new HookPoint(kind, own.Layer) : own;
    }

    /// <summary>Where a file says that it was trained, or else its name.</summary>
    private static HookPoint? Said((string Path, HookPoint? Point) file) =>
        SparseAutoencoder.ReadHookPoint(file.Path) ?? file.Point;
}
