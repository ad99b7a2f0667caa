using System.Text.Json;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>Reads, makes and writes the weights of GPT-2 models as <see cref="ParameterSet"/>s.</summary>
public static class TrainableCheckpoint
{
    /// <summary>Reads all weights of a checkpoint as float32.</summary>
    /// <param name="directory">Its folder.</param>
    /// <param name="spec">What its <c>config.json</c> says.</param>
    /// <returns>In <see cref="ParameterSet.Gpt2Layout"/>; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">A file is damaged, or a tensor missing or of another shape.</exception>
    /// <exception cref="NotSupportedException">Training does not know the architecture.</exception>
    public static ParameterSet Read(string directory, out ArchitectureSpec spec)
    {
        ArgumentNullException.ThrowIfNull(directory);
        spec = ArchitectureSpec.Read(Path.Combine(directory, "config.json"));
        if (spec.Family != "gpt2")
        {
            throw new NotSupportedException($"'{directory}': training knows gpt2, not '{spec.Family}'");
        }

        using Checkpoint checkpoint = Checkpoint.Open(directory);
        Gpt2Checkpoint.Check(checkpoint, spec, null);
        spec = spec with { TiedUnembedding = spec.TiedUnembedding || !checkpoint.Has("lm_head.weight") };
        ParameterSet? parameters = new(ParameterSet.Gpt2Layout(spec));
        try
        {
            foreach (Parameter parameter in parameters.Layout)
            {
                checkpoint.Matrix(parameter.Name, [.. parameter.Shape])(0, parameters.Of(parameter));
            }

            ParameterSet read = parameters;
            parameters = null;
            return read;
        }
        finally
        {
            parameters?.Dispose();
        }
    }

    /// <summary>The digest of a checkpoint, as <see cref="Decoder.Digest"/>.</summary>
    /// <param name="directory">Its folder.</param>
    public static string DigestOf(string directory)
    {
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        return FileDigest.OfFiles(directory, ["config.json", .. checkpoint.Files]);
    }

    /// <summary>
    /// New weights as GPT-2 begins: normal with deviation 0.02, the last matrix of each sum into the residual stream
    /// over √(2·layers) more; norms 1, biases 0.
    /// </summary>
    /// <param name="spec">The architecture.</param>
    /// <param name="seed">Chooses them.</param>
    /// <returns>The caller disposes it.</returns>
    public static ParameterSet Initialise(ArchitectureSpec spec, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var parameters = new ParameterSet(ParameterSet.Gpt2Layout(spec));
        var random = new SplitMix64(seed);
        foreach (Parameter parameter in parameters.Layout)
        {
            Span<float> values = parameters.Of(parameter);
            if (!parameter.Decays)
            {
                values.Fill(parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1f : 0f);
                continue;
            }

            bool endsSum = parameter.Name.EndsWith("c_proj.weight", StringComparison.Ordinal);
            Normal(ref random, values, endsSum ? 0.02 / Math.Sqrt(2.0 * spec.NLayers) : 0.02);
        }

        return parameters;
    }

    /// <summary>Writes <c>config.json</c> and <c>model.safetensors</c>, as other tools load them.</summary>
    /// <param name="directory">The folder; it must exist.</param>
    /// <param name="spec">The architecture.</param>
    /// <param name="parameters">The weights.</param>
    /// <param name="type">F32 or BF16: how the weights are stored.</param>
    /// <param name="metadata">What else the file says of itself; null for nothing.</param>
    /// <exception cref="IOException">A file cannot be written; one of that name stays as it was.</exception>
    public static void Write(
        string directory,
        ArchitectureSpec spec,
        ParameterSet parameters,
        TensorType type,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(parameters);
        var all = new Dictionary<string, string>(metadata ?? new Dictionary<string, string>()) { ["format"] = "pt" };
        using (var writer = new SafetensorsWriter(Path.Combine(directory, "model.safetensors"), all))
        {
            foreach (Parameter parameter in parameters.Layout)
            {
                writer.AddFloats(parameter.Name, type, [.. parameter.Shape], parameters.Of(parameter));
            }

            writer.Complete();
        }

        AtomicFile.WriteAllText(Path.Combine(directory, "config.json"), Config(spec, type));
    }

    /// <summary>Fills with normal numbers (Box and Muller 1958).</summary>
    internal static void Normal(ref SplitMix64 random, Span<float> values, double deviation)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            double radius = deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            double angle = 2 * Math.PI * random.NextDouble();
            values[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < values.Length)
            {
                values[i + 1] = (float)(radius * Math.Sin(angle));
            }
        }
    }

    private static string Config(ArchitectureSpec spec, TensorType type)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue("GPT2LMHeadModel");
            json.WriteEndArray();
            json.WriteString("model_type", "gpt2");
            json.WriteNumber("n_layer", spec.NLayers);
            json.WriteNumber("n_embd", spec.DModel);
            json.WriteNumber("n_head", spec.NHeads);
            json.WriteNumber("n_inner", spec.DMlp);
            json.WriteNumber("n_positions", spec.ContextLength);
            json.WriteNumber("n_ctx", spec.ContextLength);
            json.WriteNumber("vocab_size", spec.Vocabulary);
            json.WriteNumber("layer_norm_epsilon", Math.Round((double)spec.NormEpsilon, 12));
            json.WriteString("activation_function", spec.Activation switch
            {
                Activation.GeluTanh => "gelu_new",
                Activation.GeluErf => "gelu",
                Activation.Relu => "relu",
                Activation.Silu => "silu",
                _ => throw new NotSupportedException($"activation {spec.Activation}"),
            });
            json.WriteBoolean("scale_attn_weights", spec.AttentionScale != 1f);
            json.WriteBoolean("scale_attn_by_inverse_layer_idx", spec.ScaleAttentionByInverseLayer);
            json.WriteBoolean("tie_word_embeddings", spec.TiedUnembedding);
            WriteId(json, "bos_token_id", spec.BosId);
            WriteId(json, "eos_token_id", spec.EosId);
            json.WriteString("torch_dtype", type == TensorType.BF16 ? "bfloat16" : "float32");
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static void WriteId(Utf8JsonWriter json, string name, int? id)
    {
        if (id is { } value)
        {
            json.WriteNumber(name, value);
        }
    }
}
