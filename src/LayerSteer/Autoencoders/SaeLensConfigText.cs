using System.Text;
using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Autoencoders;

/// <summary><c>cfg.json</c> as it is written, in the layout of SAELens 6.</summary>
internal static class SaeLensConfigText
{
    /// <summary>The version of SAELens whose layout is written. Without one, SAELens reads the file as an old one.</summary>
    private const string LayoutVersion = "6.18.0";

    /// <summary>The text of <c>cfg.json</c>.</summary>
    /// <param name="config">What the autoencoder is.</param>
    /// <param name="type">How the weights beside it are stored: F32 or BF16.</param>
    /// <exception cref="NotSupportedException">SAELens' layout cannot say what it is.</exception>
    public static string Of(AutoencoderConfig config, TensorType type)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("architecture", ArchitectureOf(config));
            json.WriteNumber("d_in", config.DIn);
            json.WriteNumber("d_sae", config.DSae);
            if (config.Kind == SaeActivationKind.TopK)
            {
                json.WriteNumber("k", config.K);
                json.WriteBoolean("rescale_acts_by_decoder_norm", config.RescalesByDecoderNorm);
            }

            json.WriteString("dtype", type == TensorType.BF16 ? "bfloat16" : "float32");
            json.WriteString("device", "cpu");
            json.WriteBoolean("apply_b_dec_to_input", config.TakesOffBias);
            json.WriteString("normalize_activations", config.Normalisation switch
            {
                InputNormalisation.LayerNorm => "layer_norm",
                InputNormalisation.ConstantNorm => "constant_norm_rescale",
                _ => "none",
            });
            json.WriteString("reshape_activations", config.HookPoint?.Kind == HookKind.Z ? "hook_z" : "none");
            json.WriteStartObject("metadata");
            WriteIfKnown(json, "model_name", config.ModelName);
            WriteIfKnown(json, "hook_name", config.HookPoint?.ToString());
            json.WriteNull("hook_head_index");
            if (config.PrependBos is { } bos)
            {
                json.WriteBoolean("prepend_bos", bos);
            }

            if (config.ContextSize is { } size)
            {
                json.WriteNumber("context_size", size);
            }

            WriteIfKnown(json, "dataset_path", config.DatasetPath);
            if (config.Normalisation == InputNormalisation.Centred)
            {
                json.WriteStartObject("model_from_pretrained_kwargs");
                json.WriteBoolean("center_writing_weights", true);
                json.WriteEndObject();
            }

            json.WriteString("sae_lens_version", LayoutVersion);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    /// <summary>The architecture that says it.</summary>
    /// <exception cref="NotSupportedException">None does.</exception>
    public static string ArchitectureOf(AutoencoderConfig config) => config.Kind switch
    {
        SaeActivationKind.Relu => "standard",
        SaeActivationKind.TopK => "topk",
        SaeActivationKind.JumpRelu => config.IsGated ? "gated" : "jumprelu",
        SaeActivationKind.TopKIdentity => throw new NotSupportedException(
            "SAELens' layout has no TopK(identity): its topk sets latents below 0 to 0, this autoencoder keeps them"),
        _ => throw new NotSupportedException(
            "SAELens' layout has no GroupMax; it has standard, topk, jumprelu and gated"),
    };

    private static void WriteIfKnown(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
