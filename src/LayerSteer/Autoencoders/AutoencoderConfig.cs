using System.Text;
using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// What <c>cfg.json</c> of SAELens' layout says of an autoencoder, and the header of our own file too. Read in the
/// layout of SAELens 6 and the older flat one; written in that of SAELens 6. A setting that would change what is
/// computed and is not supported is refused by its name, and so is a field that is not known.
/// </summary>
public sealed record AutoencoderConfig
{
    /// <summary>Fields that change nothing in what is computed; before SAELens 6 they stood beside the others.</summary>
    private static readonly string[] Descriptive =
    [
        "device", "metadata", "model_name", "prepend_bos", "context_size", "dataset_path", "dataset_trust_remote_code",
        "neuronpedia_id", "sae_lens_version", "sae_lens_training_version", "hook_name", "hook_point", "hook_layer",
        "hook_point_layer",
    ];

    private static readonly string[] Computing =
    [
        "architecture", "d_in", "d_sae", "dtype", "apply_b_dec_to_input", "normalize_activations", "k",
        "reshape_activations", "rescale_acts_by_decoder_norm", "finetuning_scaling_factor", "activation_fn",
        "activation_fn_str", "activation_fn_kwargs", "hook_head_index", "hook_point_head_index",
        "model_from_pretrained_kwargs",
    ];

    /// <summary>The width of its input.</summary>
    public required int DIn { get; init; }

    /// <summary>The number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>ReLU (standard), TopK or JumpReLU.</summary>
    public required SaeActivationKind Kind { get; init; }

    /// <summary>The k of TopK; 0 otherwise.</summary>
    public int K { get; init; }

    /// <summary>Whether b_dec is taken off the input.</summary>
    public bool TakesOffBias { get; init; } = true;

    /// <summary>Whether inputs are brought to mean 0 and standard deviation 1 (layer_norm).</summary>
    public bool Normalises { get; init; }

    /// <summary>The hook point; null if the file names none.</summary>
    public HookPoint? HookPoint { get; init; }

    /// <summary>The model that it was trained on, as the file calls it; null if it does not.</summary>
    public string? ModelName { get; init; }

    /// <summary>Whether its training texts began with BOS; null if the file does not say.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>The tokens of a training context; null if the file does not say.</summary>
    public int? ContextSize { get; init; }

    /// <summary>What it was trained on, as the file calls it; null if it does not.</summary>
    public string? DatasetPath { get; init; }

    /// <summary>Reads <c>cfg.json</c>, or the same text from elsewhere.</summary>
    /// <param name="config">The file.</param>
    /// <exception cref="InvalidDataException">A field is missing or out of range.</exception>
    /// <exception cref="NotSupportedException">A setting or field is not supported.</exception>
    internal static AutoencoderConfig Read(ConfigFile config)
    {
        using ConfigFile? metadata = config.Section("metadata");
        ConfigFile about = metadata ?? config;
        foreach (string field in config.Fields)
        {
            if (!Descriptive.Contains(field) && !Computing.Contains(field))
            {
                throw new NotSupportedException(
                    $"'{config.Path}': {Display.Name(field)} is {config.Raw(field)}; this field is not supported");
            }
        }

        RefuseUnless(config, "dtype", ["float32", "torch.float32", "bfloat16", "torch.bfloat16"], "float32");
        RefuseUnless(config, "reshape_activations", ["none"], "none");
        RefuseFlag(config, "rescale_acts_by_decoder_norm");
        RefuseFlag(config, "finetuning_scaling_factor");
        RefuseValue(about, "hook_head_index");
        RefuseValue(about, "hook_point_head_index");
        RefuseOptions(about);
        (SaeActivationKind kind, int k) = Activation(config);
        int dSae = config.Size("d_sae");
        if (k > dSae)
        {
            throw new InvalidDataException($"'{config.Path}': k is {k}, expected 1 to {dSae}, the number of latents");
        }

        return new AutoencoderConfig
        {
            DIn = config.Size("d_in"),
            DSae = dSae,
            Kind = kind,
            K = k,
            TakesOffBias = config.Flag("apply_b_dec_to_input", true),
            Normalises = RefuseUnless(config, "normalize_activations", ["none", "layer_norm"], "none") == "layer_norm",
            HookPoint = Hook(about),
            ModelName = about.OptionalString("model_name"),
            PrependBos = about.Has("prepend_bos") ? about.Flag("prepend_bos", true) : null,
            ContextSize = about.OptionalSize("context_size"),
            DatasetPath = about.OptionalString("dataset_path"),
        };
    }

    /// <summary>The text of <c>cfg.json</c>.</summary>
    /// <param name="type">How the weights beside it are stored: F32 or BF16.</param>
    internal string ToJson(TensorType type)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("architecture", Kind switch
            {
                SaeActivationKind.Relu => "standard",
                SaeActivationKind.TopK => "topk",
                SaeActivationKind.JumpRelu => "jumprelu",
                _ => throw new NotSupportedException("cfg.json knows standard, topk and jumprelu, not TopK(identity)"),
            });
            json.WriteNumber("d_in", DIn);
            json.WriteNumber("d_sae", DSae);
            if (Kind == SaeActivationKind.TopK)
            {
                json.WriteNumber("k", K);
                json.WriteBoolean("rescale_acts_by_decoder_norm", false);
            }

            json.WriteString("dtype", type == TensorType.BF16 ? "bfloat16" : "float32");
            json.WriteString("device", "cpu");
            json.WriteBoolean("apply_b_dec_to_input", TakesOffBias);
            json.WriteString("normalize_activations", Normalises ? "layer_norm" : "none");
            json.WriteString("reshape_activations", "none");
            json.WriteStartObject("metadata");
            WriteIfKnown(json, "model_name", ModelName);
            WriteIfKnown(json, "hook_name", HookPoint?.ToString());
            json.WriteNull("hook_head_index");
            if (PrependBos is { } bos)
            {
                json.WriteBoolean("prepend_bos", bos);
            }

            if (ContextSize is { } size)
            {
                json.WriteNumber("context_size", size);
            }

            WriteIfKnown(json, "dataset_path", DatasetPath);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static void WriteIfKnown(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    /// <summary>The activation by today's fields, or those of before SAELens 6.</summary>
    private static (SaeActivationKind Kind, int K) Activation(ConfigFile config)
    {
        string architecture = config.OptionalString("architecture") ?? "standard";
        string field = config.Has("activation_fn") ? "activation_fn" : "activation_fn_str";
        string function = RefuseUnless(config, field, ["relu", "topk"], "relu");
        using ConfigFile? arguments = config.Section("activation_fn_kwargs");
        switch (architecture)
        {
            case "topk":
                return (SaeActivationKind.TopK, config.Size("k"));
            case "standard" when function == "topk":
                return (SaeActivationKind.TopK, (arguments ?? config).Size("k"));
            case "standard":
                return (SaeActivationKind.Relu, 0);
            case "jumprelu" when function == "relu":
                return (SaeActivationKind.JumpRelu, 0);
            default:
                throw new NotSupportedException(
                    $"'{config.Path}': architecture is '{Display.Name(architecture)}' with {function}; "
                    + "supported: standard, topk, jumprelu");
        }
    }

    private static HookPoint? Hook(ConfigFile about)
    {
        string field = about.Has("hook_name") ? "hook_name" : "hook_point";
        if (about.OptionalString(field) is not { } name)
        {
            return null;
        }

        try
        {
            return Models.HookPoint.Parse(name);
        }
        catch (ArgumentException e)
        {
            throw new NotSupportedException($"'{about.Path}': {field}: {e.Message}", e);
        }
    }

    private static string RefuseUnless(ConfigFile config, string field, string[] supported, string fallback)
    {
        string value = config.Has(field) ? config.String(field) : fallback;
        return supported.Contains(value)
            ? value
            : throw new NotSupportedException(
                $"'{config.Path}': {field} is '{Display.Name(value)}'; supported: {string.Join(", ", supported)}");
    }

    private static void RefuseFlag(ConfigFile config, string field)
    {
        if (config.Flag(field, false))
        {
            throw new NotSupportedException($"'{config.Path}': {field} is true; supported: false");
        }
    }

    private static void RefuseValue(ConfigFile config, string field)
    {
        if (config.Has(field))
        {
            throw new NotSupportedException($"'{config.Path}': {field} is {config.Raw(field)}; supported: null");
        }
    }

    /// <summary>Options of the model, such as centred weights, change its residual stream.</summary>
    private static void RefuseOptions(ConfigFile about)
    {
        using ConfigFile? options = about.Section("model_from_pretrained_kwargs");
        if (options is { Fields.Count: > 0 })
        {
            throw new NotSupportedException(
                $"'{about.Path}': model_from_pretrained_kwargs has {Display.Name(options.Fields[0])}; supported: none");
        }
    }
}
