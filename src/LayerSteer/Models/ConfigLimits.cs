using LayerSteer.Formats;

namespace LayerSteer.Models;

/// <summary>
/// Fields of <c>config.json</c> that change what a model computes in ways that the decoder does not know, each with the
/// values that change nothing. Any other value is refused: to ignore it would be silently wrong.
/// </summary>
internal static class ConfigLimits
{
    /// <summary>For every family.</summary>
    public static readonly (string Field, string[] Harmless)[] Everywhere =
    [
        ("quantization_config", []),
        ("num_experts", ["0"]),
        ("num_local_experts", ["0"]),
        ("n_routed_experts", ["0"]),
        ("add_cross_attention", ["false"]),
        ("is_encoder_decoder", ["false"]),
        ("use_bidirectional_attention", ["false"]),
        ("attention_chunk_size", []),
        ("clip_qkv", []),
        ("alibi", ["false"]),
    ];

    /// <summary>For the families with rotary positions that are not Gemma.</summary>
    public static readonly (string Field, string[] Harmless)[] Plain =
    [
        .. Everywhere,
        ("attn_logit_softcapping", []),
        ("final_logit_softcapping", []),
        ("query_pre_attn_scalar", []),
        ("embedding_multiplier", ["1", "1.0"]),
        ("residual_multiplier", ["1", "1.0"]),
        ("attention_multiplier", []),
        ("logits_scaling", ["1", "1.0"]),
        ("logit_scale", ["1", "1.0"]),
        ("rope_interleaved", ["false"]),
        ("no_rope_layers", []),
        ("no_rope_layer_interval", []),
    ];

    /// <summary>Refuses the first of the fields that holds anything but null or what changes nothing.</summary>
    /// <exception cref="NotSupportedException">One does.</exception>
    public static void RequireSupported(ConfigFile config, IEnumerable<(string Field, string[] Harmless)> limits)
    {
        foreach ((string field, string[] harmless) in limits)
        {
            if (config.Has(field) && !harmless.Contains(config.Raw(field)))
            {
                throw config.Unsupported(field, string.Join(", ", harmless.Prepend("null")));
            }
        }
    }

    /// <summary>The width of a head where the heads share the width of the residual stream.</summary>
    /// <param name="config">The config.</param>
    /// <param name="width">The field of the residual stream's width.</param>
    /// <param name="heads">The field of the number of heads.</param>
    /// <param name="orElse">What else would do, in words that follow a comma; null for nothing.</param>
    /// <exception cref="InvalidDataException">The one is no multiple of the other.</exception>
    public static int HeadWidth(ConfigFile config, string width, string heads, string? orElse = null)
    {
        (int dModel, int count) = (config.Size(width), config.Size(heads));
        return dModel % count == 0
            ? dModel / count
            : throw new InvalidDataException(
                $"'{config.Path}': {width} is {dModel}, expected a multiple of {heads} = {count}"
                + (orElse is null ? string.Empty : ", " + orElse));
    }

    /// <summary>The number of key-value heads, which must divide that of heads.</summary>
    public static int KeyValueHeads(ConfigFile config, int heads, int fallback)
    {
        int keyValueHeads = config.OptionalSize("num_key_value_heads") ?? fallback;
        return heads % keyValueHeads == 0
            ? keyValueHeads
            : throw new InvalidDataException(
                $"'{config.Path}': num_key_value_heads is {keyValueHeads}, "
                + $"expected a divisor of num_attention_heads = {heads}");
    }

    /// <summary>The layers that <c>layer_types</c> calls sliding; null if there is no such field.</summary>
    public static NumberSet? SlidingLayers(ConfigFile config, int layers)
    {
        if (config.OptionalList("layer_types") is not { } types)
        {
            return null;
        }

        if (types.Count != layers)
        {
            throw new InvalidDataException(
                $"'{config.Path}': layer_types has {types.Count} entries, expected num_hidden_layers = {layers}");
        }

        foreach (string type in types)
        {
            if (type is not ("full_attention" or "sliding_attention"))
            {
                throw new NotSupportedException(
                    $"'{config.Path}': layer_types holds '{Display.Name(type)}'; "
                    + "supported: full_attention, sliding_attention");
            }
        }

        return NumberSet.Of(Enumerable.Range(0, layers).Where(layer => types[layer] == "sliding_attention"));
    }
}
