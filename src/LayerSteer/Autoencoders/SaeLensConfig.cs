using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary>
/// <c>cfg.json</c> of SAELens' layout, and the header of our own file too, in the layout of SAELens 6 or the older flat
/// one. A setting that would change what is computed and is not supported is refused by its name, and so is a field that
/// is not known.
/// </summary>
internal sealed record SaeLensConfig
{
    /// <summary>Architectures that are loaded; matryoshka_ before one is that one, for encoding is the same.</summary>
    private const string Supported = "standard, topk, jumprelu, gated, batchtopk, and matryoshka_ before one of them";

    private const string Matryoshka = "matryoshka_";

    /// <summary>Fields that change nothing in what is computed; before SAELens 6 they stood beside the others.</summary>
    private static readonly string[] Descriptive =
    [
        "device", "metadata", "model_name", "model_class_name", "prepend_bos", "context_size", "dataset_path",
        "dataset_trust_remote_code", "neuronpedia_id", "sae_lens_version", "sae_lens_training_version", "hook_name",
        "hook_point", "hook_layer", "hook_point_layer", "seqpos_slice", "exclude_special_tokens",
        "sequence_separator_token", "disable_concat_sequences",
    ];

    private static readonly string[] Computing =
    [
        "architecture", "d_in", "d_sae", "dtype", "apply_b_dec_to_input", "normalize_activations", "k",
        "reshape_activations", "rescale_acts_by_decoder_norm", "finetuning_scaling_factor", "activation_fn",
        "activation_fn_str", "activation_fn_kwargs", "hook_head_index", "hook_point_head_index",
        "model_from_pretrained_kwargs", "norm_scaling_factor", "activation_normalization_factor", "use_error_term",
    ];

    /// <summary>What it was trained with: training checkpoints, and the releases of 2024, say it beside the rest.</summary>
    private static readonly string[] Training =
    [
        "l1_coefficient", "l1_warm_up_steps", "lp_norm", "lr", "lr_end", "lr_scheduler_name", "lr_warm_up_steps",
        "lr_decay_steps", "lr_num_cycles", "adam_beta1", "adam_beta2", "expansion_factor", "seed", "verbose",
        "run_name", "b_dec_init_method", "decoder_init_norm", "decoder_heuristic_init", "decoder_heuristic_init_norm",
        "decoder_orthogonal_init", "init_encoder_as_decoder_transpose", "normalize_sae_decoder",
        "scale_sparsity_penalty_by_decoder_norm", "mse_loss_normalization", "noise_scale_training", "use_ghost_grads",
        "aux_loss_coefficient", "topk_threshold_lr", "use_sparse_activations", "matryoshka_widths", "l0_coefficient",
        "l0_warm_up_steps", "pre_act_loss_coefficient", "jumprelu_init_threshold", "jumprelu_bandwidth",
        "jumprelu_sparsity_loss_mode", "jumprelu_tanh_scale", "feature_sampling_window", "feature_sampling_method",
        "feature_reinit_scale", "resample_batches", "dead_feature_window", "dead_feature_threshold",
        "dead_feature_estimation_method", "is_dataset_tokenized", "streaming", "use_cached_activations",
        "cached_activations_path", "n_batches_in_buffer", "training_tokens", "total_training_tokens",
        "finetuning_tokens", "finetuning_method", "store_batch_size", "store_batch_size_prompts", "train_batch_size",
        "train_batch_size_tokens", "tokens_per_buffer", "from_pretrained_path", "log_to_wandb", "wandb_project",
        "wandb_entity", "wandb_id", "wandb_log_frequency", "eval_every_n_wandb_logs", "n_eval_batches",
        "eval_batch_size_prompts", "n_checkpoints", "checkpoint_path", "act_store_device", "autocast", "autocast_lm",
        "compile_llm", "compile_sae", "llm_compilation_mode", "sae_compilation_mode", "model_kwargs", "resume",
    ];

    private static readonly string[] Dtypes =
    [
        "float32", "torch.float32", "bfloat16", "torch.bfloat16", "float16", "torch.float16", "float64",
        "torch.float64",
    ];

    /// <summary>What it says of every format.</summary>
    public required AutoencoderConfig Config { get; init; }

    /// <summary>The architecture, which decides the tensors: standard, topk, jumprelu, gated or batchtopk.</summary>
    public required string Architecture { get; init; }

    /// <summary>s where inputs are x·s and outputs are divided by s, the same for all inputs; 1 otherwise.</summary>
    public double InputFactor { get; init; } = 1;

    /// <summary>Whether latents are multiplied by the tensor scaling_factor before they are decoded.</summary>
    public bool ScalesLatents { get; init; }

    /// <summary>Reads <c>cfg.json</c>, or the same text from elsewhere.</summary>
    /// <exception cref="InvalidDataException">A field is missing, repeated or out of range.</exception>
    /// <exception cref="NotSupportedException">A setting or field is not supported.</exception>
    public static SaeLensConfig Read(ConfigFile config)
    {
        using ConfigFile? metadata = config.Section("metadata");
        ConfigFile about = metadata ?? config;
        config.RefuseRepeated();
        about.RefuseRepeated();
        (string architecture, int k) = ArchitectureOf(config);
        config.RefuseUnknown(Descriptive, Computing, Training);
        config.OneOf("dtype", Dtypes, "float32");
        about.RefuseValue("hook_head_index");
        about.RefuseValue("hook_point_head_index");
        int dSae = config.Size("d_sae");
        if (k > 0)
        {
            ConfigChecks.RequireK(config.Path, "k", k, dSae);
        }

        HookPoint? point = about.Hook(about.Has("hook_name") ? "hook_name" : "hook_point");
        RequireShape(config, point);
        (InputNormalisation normalisation, double factor) = NormalisationOf(config);
        if (IsCentred(about, point) && normalisation != InputNormalisation.LayerNorm)
        {
            normalisation = normalisation == InputNormalisation.None ? InputNormalisation.Centred
                : throw new NotSupportedException(
                    $"'{about.Path}': center_writing_weights with normalize_activations constant_norm_rescale; supported "
                    + "with it: none, layer_norm");
        }

        return new SaeLensConfig
        {
            Architecture = architecture,
            InputFactor = factor,
            ScalesLatents = config.Flag("finetuning_scaling_factor", false),
            Config = new AutoencoderConfig
            {
                DIn = config.Size("d_in"),
                DSae = dSae,
                Kind = architecture switch
                {
                    "standard" => SaeActivationKind.Relu,
                    "topk" => SaeActivationKind.TopK,
                    _ => SaeActivationKind.JumpRelu,
                },
                K = k,
                IsGated = architecture == "gated",
                TakesOffBias = config.Flag("apply_b_dec_to_input", true),
                Normalisation = normalisation,
                RescalesByDecoderNorm = Rescales(config, architecture),
                HookPoint = point,
                ModelName = about.OptionalString("model_name"),
                PrependBos = about.Has("prepend_bos") ? about.Flag("prepend_bos", true) : null,
                ContextSize = about.OptionalSize("context_size"),
                DatasetPath = about.OptionalString("dataset_path"),
            },
        };
    }

    /// <summary>The architecture, with k for topk, by today's fields or those of before SAELens 6.</summary>
    private static (string Architecture, int K) ArchitectureOf(ConfigFile config)
    {
        string named = config.OptionalString("architecture") ?? "standard";
        if (named.Contains("transcoder", StringComparison.OrdinalIgnoreCase)
            || named.Contains("clt", StringComparison.OrdinalIgnoreCase)
            || named.Contains("crosscoder", StringComparison.OrdinalIgnoreCase))
        {
            throw new NotSupportedException(
                $"'{config.Path}': architecture is '{Display.Name(named)}', {ConfigChecks.ReadsAndWrites}; "
                + $"supported: {Supported}");
        }

        string architecture =
            named.StartsWith(Matryoshka, StringComparison.Ordinal) ? named[Matryoshka.Length..] : named;
        string field = config.Has("activation_fn") ? "activation_fn" : "activation_fn_str";
        string function = config.OneOf(field, ["relu", "topk"], "relu");
        using ConfigFile? arguments = config.Section("activation_fn_kwargs");
        switch (architecture)
        {
            case "topk":
                return ("topk", config.Has("k") ? config.Size("k") : (arguments ?? config).Size("k"));
            case "standard" when function == "topk":
                return ("topk", (arguments ?? config).Size("k"));
            case "standard" when config.Has("k") || arguments?.Has("k") == true:
                // The most used release was once loaded as ReLU (SAELens issue 553); k says that it is none.
                throw new InvalidDataException(
                    $"'{config.Path}': k is {(config.Has("k") ? config : arguments!).Raw("k")}, but architecture is "
                    + $"'standard' with relu; for TopK, architecture is 'topk' or {field} is 'topk'");
            case "standard":
            case "jumprelu" or "gated" or "batchtopk" when function == "relu":
                return (architecture, 0);
            default:
                throw new NotSupportedException(
                    $"'{config.Path}': architecture is '{Display.Name(named)}' with {function}; "
                    + $"supported: {Supported}");
        }
    }

    private static bool Rescales(ConfigFile config, string architecture)
    {
        const string Field = "rescale_acts_by_decoder_norm";
        if (!config.Flag(Field, false))
        {
            return false;
        }

        return architecture is "topk" or "batchtopk"
            ? true
            : throw new NotSupportedException(
                $"'{config.Path}': {Field} is true with architecture '{architecture}'; supported: false, or topk and "
                + "batchtopk");
    }

    /// <summary>Per input, or one factor for all inputs.</summary>
    private static (InputNormalisation Normalisation, double Factor) NormalisationOf(ConfigFile config)
    {
        const string Field = "normalize_activations";
        string name = config.Raw(Field) switch
        {
            "nothing" or "false" => "none",
            "true" => "expected_average_only_in", // before SAELens 3
            _ => config.String(Field),
        };
        switch (name)
        {
            case "none":
                return (InputNormalisation.None, 1);
            case "layer_norm":
                return (InputNormalisation.LayerNorm, 1);
            case "constant_norm_rescale":
                return (InputNormalisation.ConstantNorm, 1);
            case "expected_average_only_in":
                return (InputNormalisation.None, FactorOf(
                    config, name, "norm_scaling_factor", "√d_in over the mean norm of inputs; SAELens keeps it apart"));
            case "constant_scalar_rescale":
                return (InputNormalisation.None, FactorOf(
                    config, name, "activation_normalization_factor", "what inputs are multiplied by"));
            default:
                throw new NotSupportedException(
                    $"'{config.Path}': {Field} is '{Display.Name(name)}'; supported: none, layer_norm, "
                    + "constant_norm_rescale, expected_average_only_in, constant_scalar_rescale");
        }
    }

    private static double FactorOf(ConfigFile config, string name, string field, string meaning)
    {
        if (!config.Has(field))
        {
            throw new NotSupportedException(
                $"'{config.Path}': normalize_activations is '{name}', but {field} is nothing; expected a number above "
                + "0: " + meaning);
        }

        double factor = config.Positive(field);
        return (float)factor > 0 && float.IsFinite((float)factor) && float.IsFinite((float)(1 / factor))
            ? factor
            : throw new InvalidDataException(
                $"'{config.Path}': {field} is {config.Raw(field)}, expected a number that float32 holds");
    }

    /// <summary>Heads side by side are how we have them; any other place has no heads.</summary>
    private static void RequireShape(ConfigFile config, HookPoint? point)
    {
        string shape = config.OneOf("reshape_activations", ["none", "hook_z"], "none");
        if (shape == "hook_z" && point is { Kind: not HookKind.Z })
        {
            throw new NotSupportedException(
                $"'{config.Path}': reshape_activations is 'hook_z', but hook_name is {point}; supported: none, or "
                + "hook_z at attn.hook_z");
        }
    }

    /// <summary>
    /// Whether what is read must be centred first. Centred weights take each token's mean off all that is written to the
    /// residual stream, and change nothing else; other options of the model are not known.
    /// </summary>
    private static bool IsCentred(ConfigFile about, HookPoint? point)
    {
        const string Centres = "center_writing_weights";
        using ConfigFile? options = about.Section("model_from_pretrained_kwargs");
        bool centres = options?.Flag(Centres, false) ?? false;
        foreach (string option in options?.Fields ?? [])
        {
            if (option != Centres && options!.Raw(option) != "false")
            {
                throw new NotSupportedException(
                    $"'{about.Path}': model_from_pretrained_kwargs has {Display.Name(option)}; supported: {Centres}");
            }
        }

        bool isWritten = point?.Kind is null or HookKind.Embed or HookKind.PositionEmbed or HookKind.ResidualPre
            or HookKind.ResidualMid or HookKind.ResidualPost or HookKind.AttentionOut or HookKind.MlpOut;
        return centres && isWritten;
    }
}
