using LayerSteer.Models;
using LayerSteer.Topics;

namespace LayerSteer;

/// <summary>An autoencoder of the pocket model.</summary>
/// <param name="Point">The hook point that it is for.</param>
/// <param name="Path">Its file or folder.</param>
public sealed record PocketSae(HookPoint Point, string Path);

/// <summary>A topic that comes ready with the pocket model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Profile">The file of its <see cref="TopicProfile"/>.</param>
/// <param name="Adapter">The folder of the model fine-tuned on it; null if there is none.</param>
public sealed record PocketTopic(string Name, string Profile, string? Adapter);

/// <summary>
/// The model in the box: a folder with a small model, its autoencoders, a sentence encoder, a reference index and ready
/// topics that belong together, so that everything works offline from the first command. <c>pocket.json</c> says what
/// lies where:
/// <code>
/// { "format_version": 1, "model": "model", "encoder": "encoder", "index": "index",
///   "saes": [{ "path": "sae/blocks.3.hook_resid_post", "hook": "blocks.3.hook_resid_post" }],
///   "default_sae": "blocks.3.hook_resid_post",
///   "topics": [{ "name": "medical", "profile": "topics/medical.json", "adapter": "finetuned/medical" }],
///   "demo": { "topic": "medical", "method": "swap", "strength": 1, "temperature": 0.8, "top_p": 0.95, "tokens": 48 } }
/// </code>
/// Paths are within the folder. <c>adapter</c> may be left out. Immutable; thread-safe; what it loads is the caller's.
/// </summary>
public sealed class PocketModel
{
    /// <summary>The file that makes a folder a pocket model.</summary>
    public const string FileName = "pocket.json";

    internal PocketModel(
        string folder,
        string model,
        string encoder,
        string index,
        IReadOnlyList<PocketSae> saes,
        PocketSae defaultSae,
        IReadOnlyList<PocketTopic> topics,
        PocketDemo demo)
    {
        Folder = folder;
        Model = model;
        Encoder = encoder;
        Index = index;
        Saes = saes;
        DefaultSae = defaultSae;
        Topics = topics;
        Demo = demo;
    }

    /// <summary>
    /// Where the pocket model is looked for: <c>LAYERSTEER_POCKET</c> if it is set, otherwise <c>models/pocket</c> beside
    /// the program.
    /// </summary>
    public static string DefaultFolder =>
        Environment.GetEnvironmentVariable("LAYERSTEER_POCKET") is { Length: > 0 } folder
            ? folder
            : Path.Combine(AppContext.BaseDirectory, "models", "pocket");

    /// <summary>Its folder.</summary>
    public string Folder { get; }

    /// <summary>The folder of the checkpoint.</summary>
    public string Model { get; }

    /// <summary>The folder of the sentence encoder.</summary>
    public string Encoder { get; }

    /// <summary>The folder of the reference index, which is of <see cref="DefaultSae"/>.</summary>
    public string Index { get; }

    /// <summary>The autoencoders, at least one, each at a hook point of its own.</summary>
    public IReadOnlyList<PocketSae> Saes { get; }

    /// <summary>The autoencoder that is used unless another is asked for.</summary>
    public PocketSae DefaultSae { get; }

    /// <summary>The ready topics, at least one, by the order of the file.</summary>
    public IReadOnlyList<PocketTopic> Topics { get; }

    /// <summary>What the demo does unless told otherwise.</summary>
    public PocketDemo Demo { get; }

    /// <summary>The pocket model of <see cref="DefaultFolder"/>; null if there is none.</summary>
    /// <exception cref="InvalidDataException">There is one, and it is damaged.</exception>
    public static PocketModel? Find() =>
        File.Exists(Path.Combine(DefaultFolder, FileName)) ? Open(DefaultFolder) : null;

    /// <summary>Reads the <c>pocket.json</c> of a folder and checks that all it names is there.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="InvalidDataException">
    /// No such file, a field that is missing, unknown or cannot be, a path that leaves the folder or leads to nothing;
    /// the message names the field.
    /// </exception>
    /// <exception cref="NotSupportedException">Another format version.</exception>
    public static PocketModel Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return PocketFile.Read(folder);
    }

    /// <summary>The topic of a name.</summary>
    /// <exception cref="ArgumentException">There is no such topic; the message lists those there are.</exception>
    public PocketTopic Topic(string name) =>
        Topics.FirstOrDefault(topic => topic.Name == name)
        ?? throw new ArgumentException(
            $"no topic '{name}' in the pocket model; there are {string.Join(", ", Topics.Select(topic => topic.Name))}");

    /// <summary>The autoencoder at a hook point.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists those there are.</exception>
    public PocketSae SaeAt(HookPoint point) =>
        Saes.FirstOrDefault(sae => sae.Point == point)
        ?? throw new ArgumentException(
            $"the pocket model has no autoencoder at {point}; "
            + $"it has them at {string.Join(", ", Saes.Select(sae => sae.Point))}");

    /// <summary>Loads the model with its default autoencoder.</summary>
    /// <param name="options">How to load; the defaults if null.</param>
    public Steerer Load(LoadOptions? options = null) =>
        Steerer.Load(Model, [(DefaultSae.Point, DefaultSae.Path)], options);

    /// <summary>Loads the sentence encoder.</summary>
    /// <param name="options">How to load; the defaults if null.</param>
    public SentenceEncoder LoadEncoder(LoadOptions? options = null) => SentenceEncoder.Load(Encoder, options);

    /// <summary>Loads the model fine-tuned on a topic; its tokenizer is that of <see cref="Model"/>.</summary>
    /// <param name="topic">The name of one of <see cref="Topics"/>.</param>
    /// <param name="options">How to load; the defaults if null.</param>
    /// <returns>The model, or null if the topic comes without one.</returns>
    /// <exception cref="ArgumentException">There is no such topic.</exception>
    /// <exception cref="InvalidDataException">The folder holds neither a checkpoint nor an adapter for it.</exception>
    public Decoder? LoadFineTuned(string topic, LoadOptions? options = null)
    {
        if (Topic(topic).Adapter is not { } folder)
        {
            return null;
        }

        // A whole checkpoint is one too.
        return File.Exists(Path.Combine(folder, "config.json"))
            ? Decoder.Load(folder, options)
            : Decoder.Load(Model, (options ?? new LoadOptions()) with { Adapter = folder });
    }
}
